//! A gate that is killed and started again goes on where it was: beside the same load, and a gate
//! that lived on, it never has fewer replicas, and next to never more.

use std::time::{Duration, Instant};

use holdgate::admission::meter::Report;
use holdgate::autoscale::{Around, Measured, Memory, Spec, Steering};
use holdgate::revision::{Aggregation, ContainerConcurrency, Hold, ScaleMetric, Scaling};
use proptest::prelude::*;

/// Milliseconds.
type Time = u64;
const SECOND: Time = 1000;
/// Between two looks at the load.
const STEP: Time = 100;
const WINDOW: Time = 60 * SECOND;
const END: Time = 500 * SECOND;
const DECIDE_EVERY: Time = 2 * SECOND;
/// How often what is no news is written down.
const WRITE_EVERY: Time = 10 * SECOND;

/// Requests in flight over time.
#[derive(Clone, Copy, Debug)]
enum Load {
    Steady(u32),
    /// From one number to another between two moments.
    Ramp {
        from: u32,
        to: u32,
        begin: Time,
        end: Time,
    },
    /// So many, and now and then so many more for some seconds.
    Bursts {
        base: u32,
        more: u32,
        every: Time,
        lasts: Time,
    },
}

impl Load {
    fn at(self, time: Time) -> u32 {
        match self {
            Self::Steady(n) => n,
            Self::Ramp {
                from,
                to,
                begin,
                end,
            } => {
                let gone = time.clamp(begin, end) - begin;
                let (from, to) = (i64::from(from), i64::from(to));
                let (gone, whole) = (gone.cast_signed(), (end - begin).cast_signed());
                u32::try_from(from + (to - from) * gone / whole).expect("between the two")
            }
            Self::Bursts {
                base,
                more,
                every,
                lasts,
            } => base + if time % every < lasts { more } else { 0 },
        }
    }
}

/// The gate is gone from one moment to another.
#[derive(Clone, Copy, Debug)]
struct Kill {
    at: Time,
    away: Time,
}

impl Kill {
    fn back(self) -> Time {
        self.at + self.away
    }
}

struct World {
    load: Load,
    /// When it is away, in the life that is killed.
    kills: Vec<Kill>,
    spec: Spec,
    zero: Instant,
    /// From wish to readiness.
    start: Time,
}

/// One gate, from its start to its end.
struct Life<'a> {
    world: &'a World,
    begin: Time,
    /// The first decision after a restart is made with the first measurement.
    offset: Time,
    steering: Steering,
    ready_at: Vec<Time>,
    idle_since: Option<Time>,
    sum: f64,
    desired: u32,
    written: Memory,
    written_at: Time,
}

impl<'a> Life<'a> {
    fn new(world: &'a World, begin: Time, file: Option<(Memory, Time)>) -> Self {
        let now = world.instant(begin);
        let (written, written_at) = file.clone().unwrap_or_default();
        let steering = match &file {
            Some((memory, at)) => {
                let away = Duration::from_millis(begin - at);
                Steering::recall(&world.spec, memory, away, now)
            }
            None => Steering::new(&world.spec, now),
        };
        let idle_since = (world.load_at(begin) == 0).then_some(begin);
        let mut life = Self {
            world,
            begin,
            offset: if file.is_some() { SECOND } else { 0 },
            steering,
            ready_at: Vec::new(),
            idle_since,
            sum: 0.0,
            desired: 0,
            written,
            written_at,
        };
        life.decide(begin);
        life
    }

    fn live_until(&mut self, end: Time, told: &mut Vec<(Time, u32)>) {
        told.push((self.begin, self.desired));
        let mut time = self.begin;
        while time + STEP <= end {
            time += STEP;
            let here = self.world.load_at(time);
            self.idle_since = match (here, self.idle_since) {
                (0, None) => Some(time),
                (0, since) => since,
                _ => None,
            };
            self.sum += f64::from(here) / (SECOND / STEP) as f64;
            let now = self.world.instant(time);
            if self.steering.poke(here, now) {
                self.decide(time);
            }
            if (time - self.begin).is_multiple_of(SECOND) {
                let average_concurrency = std::mem::take(&mut self.sum);
                let report = Report {
                    average_concurrency,
                    requests: 0,
                };
                let gauged = Vec::new();
                self.steering.record(&Measured { report, gauged }, now);
            }
            if (time - self.begin + self.offset).is_multiple_of(DECIDE_EVERY) {
                self.decide(time);
                told.push((time, self.desired));
            }
        }
    }

    fn decide(&mut self, time: Time) {
        let ready = self.ready_at.iter().filter(|at| **at <= time).count();
        let (ready, all) = (count(ready), count(self.ready_at.len()));
        let around = Around {
            ready,
            starting: all - ready,
            // No busy replica is kept for its own sake: the averages alone are to hold it.
            busy: 0,
            idle_since: self.idle_since.map(|at| self.world.instant(at)),
            typical_start: None,
            shortage: None,
            scheduled: None,
        };
        let decision = self.steering.decide(&around, self.world.instant(time));
        if let Some(replicas) = decision.replicas {
            let ready_at = time + self.world.start;
            self.ready_at.resize(replicas as usize, ready_at);
            self.steering.note_asked(replicas);
            self.desired = replicas;
        }
        let memory = self.steering.remember(self.world.instant(time));
        let is_due = memory.is_alive() && time - self.written_at >= WRITE_EVERY;
        if memory.is_news_after(&self.written) || is_due {
            (self.written, self.written_at) = (memory, time);
        }
    }
}

impl World {
    /// What came and went between the last decision of one life and the first measurement of the
    /// next, nobody can know of: for that long no burst begins or ends, in neither life.
    fn load_at(&self, time: Time) -> u32 {
        let still = |kill: &Kill| {
            let since = kill.at / DECIDE_EVERY * DECIDE_EVERY;
            let until = kill.back() + SECOND;
            time.clamp(since, until) - since
        };
        match self.load {
            Load::Bursts { .. } => self
                .load
                .at(time - self.kills.iter().map(still).sum::<Time>()),
            load => load.at(time),
        }
    }

    fn instant(&self, time: Time) -> Instant {
        self.zero + Duration::from_millis(time)
    }

    /// What was wanted at each decision, with these kills on the way.
    fn run(&self, kills: &[Kill]) -> Vec<(Time, u32)> {
        let mut told = Vec::new();
        let mut life = Life::new(self, 0, None);
        for kill in kills {
            life.live_until(kill.at, &mut told);
            let file = (life.written, life.written_at);
            life = Life::new(self, kill.back(), Some(file));
        }
        life.live_until(END, &mut told);
        told
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).expect("few replicas")
}

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

fn scaling() -> Scaling {
    Scaling {
        min_replicas: 0,
        max_replicas: None,
        metric: ScaleMetric::Concurrency,
        target: Some(1.0),
        further_metrics: Vec::new(),
        target_utilization_percentage: 100.0,
        aggregation: Aggregation::Linear,
        stable_window: Duration::from_secs(60),
        panic_window_percentage: 10.0,
        panic_threshold_percentage: 200.0,
        max_scale_up_rate: 1000.0,
        max_scale_down_rate: 2.0,
        scale_to_zero_grace_period: Duration::from_secs(30),
        scale_to_zero_pod_retention_period: Hold::Fixed(Duration::ZERO),
        scale_down_delay: Hold::Fixed(Duration::ZERO),
        activation_scale: 1,
        initial_scale: None,
        stop_after_idle: None,
        max_starting: None,
        failed_starts: 3,
    }
}

fn world(load: Load, kills: &[Kill], start: Time, target: f64) -> World {
    let scaling = Scaling {
        target: Some(target),
        ..scaling()
    };
    World {
        load,
        kills: kills.to_vec(),
        spec: Spec::new(scaling, ContainerConcurrency::UNLIMITED),
        zero: tokio::time::Instant::now().into_std(),
        start: start * SECOND,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

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
    let morning = Life::new(&world, kill.back(), Some(file));
    assert_eq!((morning.desired, morning.steering.asked()), (0, None));
}
