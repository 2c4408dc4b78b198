//! Histories that nobody would plan: metrics that come, go and lie.

use std::time::Instant;

use holdgate::admission::meter::Report;
use holdgate::autoscale::{Around, Bound, Decision, Measured, Spec, Steering};
use holdgate::revision::{ContainerConcurrency, ScaleMetric, Scaling};

use super::scaling;
use crate::clock::Clock;

/// A revision whose replicas are there as soon as they are asked for.
pub(super) struct Scene {
    pub(super) clock: Clock,
    pub(super) second: u32,
    pub(super) steering: Steering,
    pub(super) idle_since: Option<Instant>,
    pub(super) last: Option<Decision>,
    /// Requests here.
    pub(super) load: u32,
    /// What is read of the replicas while there are any.
    pub(super) gauged: Vec<Option<f64>>,
    pub(super) scheduled: Option<u32>,
    /// None of those that were asked for is ready yet.
    pub(super) slow: bool,
    /// Busy replicas; `None` is as many as there are requests.
    pub(super) busy: Option<u32>,
}

pub(super) fn spec(change: impl FnOnce(&mut Scaling)) -> Spec {
    let mut scaling = scaling();
    change(&mut scaling);
    Spec::new(scaling, ContainerConcurrency::UNLIMITED)
}

pub(super) fn cpu(scaling: &mut Scaling) {
    (scaling.metric, scaling.target) = (ScaleMetric::Cpu, Some(80.0));
}

impl Scene {
    pub(super) fn new(spec: &Spec) -> Self {
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

    pub(super) fn now(&self) -> Instant {
        self.clock.at(f64::from(self.second))
    }

    pub(super) fn ready(&self) -> u32 {
        self.steering.asked().unwrap_or(0)
    }

    pub(super) fn around(&self) -> Around {
        Around {
            ready: if self.slow { 0 } else { self.ready() },
            starting: if self.slow { self.ready() } else { 0 },
            busy: self.busy.unwrap_or_else(|| self.load.min(self.ready())),
            idle_since: self.idle_since,
            typical_start: None,
            shortage: None,
            scheduled: self.scheduled,
            unheard: false,
        }
    }

    /// The last decision after so many seconds more.
    pub(super) fn run(&mut self, seconds: u32) -> &Decision {
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

    pub(super) fn decide(&mut self) {
        let decision = self.steering.decide(&self.around(), self.now());
        if let Some(replicas) = decision.replicas {
            self.steering.note_asked(replicas);
        }
        self.last = Some(decision);
    }

    /// How many seconds pass until so many are asked for, within ten minutes.
    pub(super) fn until(&mut self, replicas: u32) -> Option<u32> {
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
fn requests_between_two_decisions_keep_what_reports_nothing_of_them() {
    let mut scene = Scene::new(&spec(cpu));
    (scene.load, scene.gauged) = (1, vec![Some(0.0)]);
    scene.run(100);
    for quiet in (0..20).map(|n| 31 + n * 2) {
        scene.load = 0;
        scene.run(quiet);
        assert_eq!(scene.ready(), 1, "after {quiet} s");
        // Here for a second in which nothing is decided.
        scene.run(scene.second % 2);
        scene.load = 1;
        scene.run(1);
        scene.load = 0;
        assert_eq!(scene.ready(), 1);
    }
}
