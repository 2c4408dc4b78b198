//! What holds for every history.

use std::collections::BTreeMap;
use std::time::Duration;

use holdgate::autoscale::{Activation, Averages, Decider, MetricWindow, Mode, Seen};
use holdgate::revision::{Aggregation, Scaling};
use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{scaling, spec};
use crate::clock::Clock;

/// What one tick sees: replicas ready and starting, and what was measured.
fn ticks() -> impl Strategy<Value = Vec<Seen>> {
    let averages = proptest::option::weighted(0.9, (load(), load()));
    let spec = spec(scaling());
    let seen = (0_u32..40, 0_u32..10, averages).prop_map(move |(ready, starting, averages)| {
        let averages = averages.map(|(stable, panic)| Averages { stable, panic });
        Seen::of(&spec, ready, starting, averages)
    });
    vec(seen, 1..150)
}

fn load() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..3.0, 0.0..200.0]
}

proptest! {
    #[test]
    fn in_panic_the_number_never_falls(ticks in ticks(), ready in 0_u32..20) {
        let (clock, spec) = (Clock::start(), spec(scaling()));
        let mut decider = Decider::new(&spec, ready, clock.at(0.0));
        let mut floor = 0;
        for (n, seen) in (1_u32..).zip(ticks) {
            let decision = decider.decide(&spec, seen, clock.at(f64::from(n) * 2.0));
            match (decision.mode, decision.replicas) {
                (Mode::Stable, _) => floor = 0,
                (Mode::Panic { .. }, None) => {}
                (Mode::Panic { peak, .. }, Some(replicas)) => {
                    prop_assert!(replicas >= floor && replicas == peak);
                    floor = replicas;
                }
            }
        }
    }

    #[test]
    fn a_settled_number_is_within_bounds(
        ticks in ticks(),
        min_replicas in 0_u32..10,
        more in proptest::option::of(0_u32..20),
        busy in any::<bool>(),
    ) {
        let max_replicas = more.map(|more| min_replicas.max(1) + more);
        let scaling = Scaling { min_replicas, max_replicas, ..scaling() };
        let (clock, spec) = (Clock::start(), spec(scaling));
        let mut decider = Decider::new(&spec, 0, clock.at(0.0));
        let mut activation = Activation::new(&spec, 0, clock.at(0.0));
        for (n, seen) in (1_u32..).zip(ticks) {
            let now = clock.at(f64::from(n) * 2.0);
            let idle_since = (!busy).then_some(clock.at(0.0));
            let seen = Seen { idle_since, ..seen };
            let decision = decider.decide(&spec, seen, now);
            let unknown = decision.replicas.is_none();
            let settled = activation.settle(decision, &spec, now);
            let Some(replicas) = settled.replicas else { continue };
            prop_assert!(replicas >= min_replicas.max(u32::from(busy)));
            prop_assert!(max_replicas.is_none_or(|max| replicas <= max));
            let first = min_replicas.max(u32::from(busy));
            prop_assert!(!unknown || replicas == first, "nothing was measured");
        }
    }

    #[test]
    fn every_clamp_leads_to_the_next_and_the_last_to_the_result(ticks in ticks()) {
        let scaling = Scaling {
            max_scale_up_rate: 2.0,
            max_replicas: Some(12),
            scale_down_delay: Duration::from_secs(10).into(),
            activation_scale: 3,
            ..scaling()
        };
        let (clock, spec) = (Clock::start(), spec(scaling));
        let mut decider = Decider::new(&spec, 0, clock.at(0.0));
        let mut activation = Activation::new(&spec, 0, clock.at(0.0));
        for (n, seen) in (1_u32..).zip(ticks) {
            let now = clock.at(f64::from(n) * 2.0);
            let seen = Seen { idle_since: Some(clock.at(0.0)), ..seen };
            let decision = decider.decide(&spec, seen, now);
            let decision = activation.settle(decision, &spec, now);
            let first = if decision.from_panic { decision.panic_wish } else { decision.stable_wish };
            let mut number = decision.averages.map(|_| first);
            for clamp in &decision.clamps {
                prop_assert_ne!(clamp.to, number);
                number = clamp.to;
            }
            prop_assert_eq!(number, decision.replicas);
        }
    }

    #[test]
    fn a_delayed_number_is_never_lower(ticks in ticks(), delay in 1_u64..60) {
        let (clock, plain) = (Clock::start(), spec(scaling()));
        let delay = Duration::from_secs(delay);
        let delayed = spec(Scaling { scale_down_delay: delay.into(), ..scaling() });
        let mut quick = Decider::new(&plain, 0, clock.at(0.0));
        let mut slow = Decider::new(&delayed, 0, clock.at(0.0));
        let mut wishes = Vec::new();
        for (n, seen) in (1_u32..).zip(ticks) {
            let now = clock.at(f64::from(n) * 2.0);
            let wish = quick.decide(&plain, seen.clone(), now).replicas;
            let held = slow.decide(&delayed, seen, now).replicas;
            prop_assert!(held >= wish);
            wishes.extend(wish.map(|wish| (now, wish)));
            let recent = wishes.iter().filter(|(at, _)| now - *at < delay);
            let highest = recent.map(|(_, wish)| *wish).max();
            prop_assert!(held.is_none() || held >= highest);
        }
    }

    #[test]
    fn a_window_is_what_its_seconds_add_up_to(
        length in 1_u64..20,
        writes in vec((0_u32..8, 0.0..100.0_f64, any::<bool>()), 1..80),
    ) {
        let clock = Clock::start();
        let second = Duration::from_secs(1);
        let mut window =
            MetricWindow::new(second * u32::try_from(length).expect("small"), second, clock.epoch, Aggregation::Linear);
        let length = u32::try_from(length).expect("small");
        let mut sums = BTreeMap::<u32, f64>::new();
        let mut now = 100;
        for (gap, value, write) in writes {
            now += gap;
            if write {
                let last = sums.keys().last().copied();
                if last.is_some_and(|last| now - last >= length) {
                    sums.clear();
                }
                *sums.entry(now).or_default() += value;
                window.record(clock.at(f64::from(now)), value);
            }
            let average = window.average(clock.at(f64::from(now) + 0.7));
            prop_assert!(average >= 0.0);
            prop_assert!((average - simply(&sums, now, length)).abs() < 2e-6);
        }
    }

    #[test]
    fn no_window_is_ever_negative(
        weighted in any::<bool>(),
        writes in vec((-9.0..12.0_f64, 0.0..1e4_f64), 1..200),
        lengths in vec(1_u64..30, 1..5),
    ) {
        let clock = Clock::start();
        let aggregation = if weighted { Aggregation::WeightedExponential } else { Aggregation::Linear };
        let (length, second) = (Duration::from_secs(lengths[0]), Duration::from_secs(1));
        let mut window = MetricWindow::new(length, second, clock.epoch, aggregation);
        let mut t = 0.0;
        for (n, (gap, value)) in writes.into_iter().enumerate() {
            t += gap;
            window.record(clock.at(t), value);
            prop_assert!(window.average(clock.at(t)) >= 0.0);
            prop_assert!(window.average(clock.at(t + 3.0)) >= 0.0);
            window.resize(Duration::from_secs(lengths[n % lengths.len()]), clock.at(t));
        }
    }
}

/// The sum of the seconds that are still inside, over the seconds seen that are still inside.
fn simply(sums: &BTreeMap<u32, f64>, now: u32, length: u32) -> f64 {
    let (Some(first), Some(last)) = (sums.keys().next(), sums.keys().last()) else {
        return 0.0;
    };
    let inside = |second: &u32| now - second < length;
    if !inside(last) {
        return 0.0;
    }
    let total: f64 = sums.iter().filter(|(s, _)| inside(s)).map(|(_, v)| v).sum();
    let seen = (last - first + 1).min(length - (now - last));
    total / f64::from(seen)
}
