//! Histories that nobody would plan: metrics that come, go and lie, settings that change while
//! they steer, restarts under other settings.

use std::time::{Duration, Instant};

use holdgate::admission::meter::Report;
use holdgate::autoscale::{Around, Bound, Decision, Measured, Spec, Steering};
use holdgate::revision::{ContainerConcurrency, MetricTarget, ScaleMetric, Scaling};

use super::scaling;
use crate::clock::Clock;

/// A revision whose replicas are there as soon as they are asked for.
struct Scene {
    clock: Clock,
    second: u32,
    steering: Steering,
    idle_since: Option<Instant>,
    last: Option<Decision>,
    /// Requests here.
    load: u32,
    /// What is read of the replicas while there are any.
    gauged: Vec<Option<f64>>,
    scheduled: Option<u32>,
    /// None of those that were asked for is ready yet.
    slow: bool,
    /// Busy replicas; `None` is as many as there are requests.
    busy: Option<u32>,
}

fn spec(change: impl FnOnce(&mut Scaling)) -> Spec {
    let mut scaling = scaling();
    change(&mut scaling);
    Spec::new(scaling, ContainerConcurrency::UNLIMITED)
}

fn cpu(scaling: &mut Scaling) {
    (scaling.metric, scaling.target) = (ScaleMetric::Cpu, Some(80.0));
}

impl Scene {
    fn new(spec: &Spec) -> Self {
        let clock = Clock::start();
        Self {
            clock,
            second: 0,
            steering: Steering::new(spec, clock.at(0.0)),
            idle_since: Some(clock.at(0.0)),
            last: None,
            load: 0,
            gauged: Vec::new(),
            scheduled: None,
            slow: false,
            busy: None,
        }
    }

    fn now(&self) -> Instant {
        self.clock.at(f64::from(self.second))
    }

    fn ready(&self) -> u32 {
        self.steering.asked().unwrap_or(0)
    }

    fn around(&self) -> Around {
        Around {
            ready: if self.slow { 0 } else { self.ready() },
            starting: if self.slow { self.ready() } else { 0 },
            busy: self.busy.unwrap_or_else(|| self.load.min(self.ready())),
            idle_since: self.idle_since,
            typical_start: None,
            shortage: None,
            scheduled: self.scheduled,
        }
    }

    /// The last decision after so many seconds more.
    fn run(&mut self, seconds: u32) -> &Decision {
        for _ in 0..seconds {
            self.idle_since = match (self.load, self.idle_since) {
                (0, None) => Some(self.now()),
                (0, since) => since,
                _ => None,
            };
            self.second += 1;
            let gauged = if self.ready() > 0 {
                self.gauged.clone()
            } else {
                vec![None; self.gauged.len()]
            };
            let (average_concurrency, requests) = (f64::from(self.load), u64::from(self.load));
            let report = Report {
                average_concurrency,
                requests,
            };
            let now = self.now();
            self.steering.record(&Measured { report, gauged }, now);
            if self.second.is_multiple_of(2) {
                self.decide();
            }
        }
        self.last.as_ref().expect("two seconds are over")
    }

    fn decide(&mut self) {
        let decision = self.steering.decide(&self.around(), self.now());
        if let Some(replicas) = decision.replicas {
            self.steering.note_asked(replicas);
        }
        self.last = Some(decision);
    }

    /// How many seconds pass until so many are asked for, within ten minutes.
    fn until(&mut self, replicas: u32) -> Option<u32> {
        (0..600).find(|_| {
            let there = self.ready() == replicas;
            if !there {
                self.run(1);
            }
            there
        })
    }
}

#[test]
fn a_floor_that_begins_while_nothing_runs_starts_replicas_whatever_is_measured() {
    for metric in [
        ScaleMetric::Concurrency,
        ScaleMetric::Rps,
        ScaleMetric::Cpu,
        ScaleMetric::Memory,
    ] {
        let mut scene = Scene::new(&spec(|s| (s.metric, s.target) = (metric, Some(80.0))));
        scene.gauged = vec![Some(1.0)];
        scene.run(200);
        assert_eq!(scene.ready(), 0);
        scene.scheduled = Some(3);
        let began = scene.until(3);
        assert!(began.is_some_and(|seconds| seconds <= 3), "{began:?}");
        scene.run(1000);
        assert_eq!(scene.ready(), 3);
        scene.scheduled = None;
        let ended = scene.until(0);
        let usual = 30..=100;
        assert!(ended.is_some_and(|s| usual.contains(&s)), "{ended:?}");
    }
}

#[test]
fn a_floor_that_rises_is_reached_while_the_metric_is_missing_and_nothing_falls_for_it() {
    let mut scene = Scene::new(&spec(cpu));
    (scene.load, scene.gauged) = (1, vec![Some(390.0)]);
    scene.run(100);
    assert_eq!(scene.ready(), 5);
    scene.gauged = vec![None];
    scene.run(100);
    scene.scheduled = Some(3);
    scene.run(100);
    assert_eq!(scene.ready(), 5, "more than the floor stay");
    scene.scheduled = Some(7);
    assert!(scene.until(7).is_some());
    let last = scene.last.as_ref().expect("it has decided");
    assert_eq!(last.bound_by(), Bound::Schedule);
}

#[test]
fn values_that_cannot_be_leave_no_trace() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, f64::MAX];
    for value in odd.into_iter().chain([f64::MAX / 2.0, -5.0, 1e18]) {
        let mut scene = Scene::new(&spec(|s| {
            cpu(s);
            (s.min_replicas, s.max_replicas) = (1, Some(9));
        }));
        scene.gauged = vec![Some(200.0)];
        scene.run(100);
        scene.gauged = vec![Some(value)];
        scene.run(3);
        let memory = scene.steering.remember(scene.now());
        let seconds = memory.metrics.iter().flat_map(|(_, past)| &past.seconds);
        let sound = |value: &f64| (0.0..=1e16).contains(value);
        assert!(seconds.into_iter().all(sound), "{value}: {memory:?}");
        scene.gauged = vec![Some(200.1)];
        // Out of both windows, out of panic, and down again.
        let last = scene.run(200);
        let averages = last.averages.expect("it is measured");
        assert!(
            (averages.stable - 200.1).abs() < 1e-6,
            "{value}: {averages:?}"
        );
        assert_eq!(last.replicas, Some(3), "{value}");
    }
}

#[test]
fn a_metric_that_is_always_zero_lets_go_as_any_other() {
    let mut scene = Scene::new(&spec(cpu));
    (scene.load, scene.gauged) = (1, vec![Some(0.0)]);
    scene.run(300);
    assert_eq!(scene.ready(), 1, "somebody is here");
    scene.load = 0;
    let gone = scene.until(0).expect("nobody is here");
    assert!((88..=94).contains(&gone), "gone {gone} s later");
    scene.load = 1;
    assert!(scene.until(1).is_some_and(|seconds| seconds <= 2));
}

#[test]
fn another_metric_beside_the_first_forgets_nothing_of_it() {
    let mut scene = Scene::new(&spec(|_| {}));
    scene.load = 6;
    scene.run(100);
    scene.load = 0;
    scene.run(20);
    let both = spec(|s| {
        s.further_metrics = vec![MetricTarget {
            metric: ScaleMetric::Cpu,
            target: Some(80.0),
        }];
    });
    scene.gauged = vec![Some(0.0)];
    scene.steering.adopt(&both, scene.now());
    // Forty seconds of six requests in a minute, whichever settings they were measured under.
    let last = scene.run(2);
    let averages = last.averages.expect("it is measured");
    assert!((3.5..4.5).contains(&averages.stable), "{averages:?}");
    assert!(scene.ready() >= 4);
    scene.steering.adopt(&spec(|_| {}), scene.now());
    let last = scene.run(2);
    assert!(last.averages.is_some_and(|averages| averages.stable > 3.0));
}

#[test]
fn metrics_that_are_all_new_shrink_nothing_before_a_window_of_them() {
    for change in [|s: &mut Scaling| s.metric = ScaleMetric::Rps, cpu] {
        let mut scene = Scene::new(&spec(|_| {}));
        scene.load = 6;
        scene.run(100);
        assert_eq!(scene.ready(), 6);
        (scene.load, scene.gauged) = (1, vec![Some(0.0)]);
        scene.steering.adopt(&spec(change), scene.now());
        let last = scene.run(58);
        assert_eq!(last.replicas, Some(6));
        assert_eq!(last.bound_by(), Bound::NewMetrics);
        assert!(scene.until(1).is_some_and(|seconds| seconds <= 12));
    }
}

#[test]
fn changed_windows_and_weights_keep_what_was_measured() {
    let mut scene = Scene::new(&spec(|_| {}));
    scene.load = 5;
    scene.run(100);
    let changes: [fn(&mut Scaling); 4] = [
        |s| s.stable_window = Duration::from_secs(6),
        |s| s.stable_window = Duration::from_secs(600),
        |s| s.panic_window_percentage = 100.0,
        |s| s.aggregation = holdgate::revision::Aggregation::WeightedExponential,
    ];
    for change in changes {
        scene.steering.adopt(&spec(change), scene.now());
        let last = scene.run(2);
        assert_eq!(last.replicas, Some(5), "{last:?}");
    }
}

#[test]
fn a_maximum_lowered_while_all_are_busy_is_kept_to() {
    let mut scene = Scene::new(&spec(|_| {}));
    scene.load = 6;
    scene.run(100);
    let lower = spec(|s| s.max_replicas = Some(2));
    scene.steering.adopt(&lower, scene.now());
    let last = scene.run(2);
    assert_eq!(
        (last.replicas, last.bound_by()),
        (Some(2), Bound::MaxReplicas)
    );
}

#[test]
fn who_has_just_ended_is_no_reason_for_another() {
    let mut scene = Scene::new(&spec(|s| s.target = Some(10.0)));
    scene.load = 4;
    scene.run(100);
    assert_eq!(scene.ready(), 1);
    scene.busy = Some(2);
    let last = scene.run(100);
    assert_eq!(last.replicas, Some(1), "{:?}", last.clamps);
}

#[test]
fn a_restart_under_other_settings_is_as_safe_as_one_under_the_same() {
    let mut scene = Scene::new(&spec(|s| {
        s.further_metrics = vec![MetricTarget {
            metric: ScaleMetric::Cpu,
            target: Some(80.0),
        }];
    }));
    (scene.load, scene.gauged) = (6, vec![Some(500.0)]);
    scene.run(100);
    assert_eq!(scene.ready(), 7);
    let memory = scene.steering.remember(scene.now());
    let changes: [(fn(&mut Scaling), u32); 5] = [
        (|_| {}, 7),
        (cpu, 7),
        (|s| s.metric = ScaleMetric::Rps, 7),
        (|s| s.max_replicas = Some(3), 3),
        (|s| s.stable_window = Duration::from_secs(6), 7),
    ];
    for (change, want) in changes {
        let mut later = Scene::new(&spec(change));
        let (away, now) = (Duration::from_secs(2), later.now());
        later.steering = Steering::recall(&spec(change), &memory, away, now);
        later.decide();
        let first = later.last.as_ref().expect("it has decided");
        assert_eq!(first.replicas, Some(want));
        assert_eq!(later.steering.asked(), Some(want));
    }
    let again = spec(|_| {});
    let mut later = Scene::new(&again);
    let now = later.now();
    later.steering = Steering::recall(&again, &memory, Duration::from_secs(2), now);
    let last = later.run(50);
    assert_eq!((last.replicas, last.bound_by()), (Some(7), Bound::Restart));
    assert!(later.until(0).is_some(), "nobody came back");
}

#[test]
fn so_many_start_at_once_as_may_on_the_way_to_the_least() {
    let mut scene = Scene::new(&spec(|s| {
        (s.min_replicas, s.max_starting) = (5, Some(2));
        s.initial_scale = Some(7);
    }));
    let steps: Vec<u32> = (0..6).map(|_| scene.run(2).replicas.unwrap_or(0)).collect();
    assert_eq!(steps, [2, 4, 6, 7, 7, 5]);
}

#[test]
fn requests_between_two_decisions_keep_what_reports_nothing_of_them() {
    let mut scene = Scene::new(&spec(cpu));
    (scene.load, scene.gauged) = (1, vec![Some(0.0)]);
    scene.run(100);
    for quiet in (0..20).map(|n| 31 + n * 2) {
        scene.load = 0;
        scene.run(quiet);
        assert_eq!(scene.ready(), 1, "after {quiet} s");
        // Here for a second in which nothing is decided.
        scene.load = 1;
        scene.run(1 - scene.second % 2);
        scene.run(1);
        scene.load = 0;
        assert_eq!(scene.ready(), 1);
    }
}

#[test]
fn what_is_on_its_way_is_not_taken_back_when_fewer_may_start_at_once() {
    let mut scene = Scene::new(&spec(|_| {}));
    (scene.load, scene.slow) = (6, true);
    scene.run(10);
    assert_eq!(scene.ready(), 6);
    let fewer = spec(|s| s.max_starting = Some(2));
    scene.steering.adopt(&fewer, scene.now());
    let last = scene.run(20);
    assert_eq!((last.seen.starting, last.replicas), (6, Some(6)));
}
