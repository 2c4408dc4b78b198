//! A gate that is killed and started again goes on where it was: beside the same load, and a gate
//! that lived on, it never has fewer replicas, and next to never more.

use proptest::prelude::*;

use crate::lives::{DECIDE_EVERY, Kill, Life, Load, SECOND, STEP, Time, WINDOW, world};

/// The last of what was wanted up to a moment.
fn at(told: &[(Time, u32)], time: Time) -> u32 {
    let until = told.partition_point(|(at, _)| *at <= time);
    until.checked_sub(1).map_or(0, |i| told[i].1)
}

fn load() -> impl Strategy<Value = Load> {
    let ramp = |from, to, begin: Time, lasts: Time| Load::Ramp {
        from,
        to,
        begin: begin * SECOND,
        end: (begin + lasts) * SECOND,
    };
    prop_oneof![
        (1..30u32).prop_map(Load::Steady),
        (0..10u32, 10..60u32, 60..200u64, 5..120u64).prop_map(move |(a, b, c, d)| ramp(a, b, c, d)),
        (10..60u32, 0..10u32, 60..200u64, 5..120u64).prop_map(move |(a, b, c, d)| ramp(a, b, c, d)),
        (1..10u32, 1..40u32, 15..90u64, 2..12u64).prop_map(|(base, more, every, lasts)| {
            let (every, lasts) = (every * SECOND, lasts * SECOND);
            Load::Bursts {
                base,
                more,
                every,
                lasts,
            }
        }),
    ]
}

/// One to three of them, each within a minute of the one before.
fn kills() -> impl Strategy<Value = Vec<Kill>> {
    prop::collection::vec((10..600u64, 1..15u64), 1..4).prop_map(|all| {
        let mut begun = 60 * SECOND;
        let next = |(after, away): (Time, Time)| {
            let at = begun + after * STEP;
            // A second after it has begun again, decisions of both lives fall on the same moments.
            begun = (at / DECIDE_EVERY + away) * DECIDE_EVERY + SECOND;
            Kill {
                at,
                away: begun - at,
            }
        };
        all.into_iter().map(next).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_gate_killed_at_any_time_never_wants_less_than_one_that_lived_on(
        load in load(),
        kills in kills(),
        start in 0..120u64,
        target in prop_oneof![Just(1.0), Just(0.7), Just(3.0)],
    ) {
        let world = world(load, &kills, start, target);
        let (killed, lived) = (world.run(&kills), world.run(&[]));
        for &(time, desired) in killed.iter().filter(|(time, _)| *time >= kills[0].at) {
            let last = kills.iter().rev().find(|kill| kill.at <= time).expect("it was killed");
            let held = time <= last.back() + WINDOW;
            let had = if held { at(&killed, last.at) } else { 0 };
            prop_assert!(desired >= had, "{desired} of {had} it had, at {time} ms");
            // What has grown while it was away is known once it is measured. And after a window
            // both have measured the same, but whether a burst is a panic depends on how many
            // replicas it finds.
            let steady = matches!(load, Load::Steady(_));
            let alike = steady || (held && time > last.back());
            let least = if alike { at(&lived, time) } else { 0 };
            prop_assert!(desired >= least, "{desired} of {least} at {time} ms");
            let most = if steady { least + 1 } else { u32::MAX };
            prop_assert!(desired <= most, "{desired} over {least} at {time} ms");
        }
    }
}

#[test]
fn what_is_back_after_longer_than_a_window_starts_nothing_for_nobody() {
    let (load, kill) = (
        Load::Steady(7),
        Kill {
            at: 90 * SECOND,
            away: 61 * SECOND,
        },
    );
    let mut world = world(load, &[kill], 5, 1.0);
    let mut told = Vec::new();
    let mut life = Life::new(&world, 0, None);
    life.live_until(kill.at, &mut told);
    let file = (life.written, life.written_at);
    assert_eq!(file.0.asked, Some(7));
    world.load = Load::Steady(0);
    let morning = Life::new(&world, kill.back(), Some(&file));
    assert_eq!((morning.desired, morning.steering.asked()), (0, None));
}
