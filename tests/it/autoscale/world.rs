//! A revision whose replicas do what the decisions say: requests are metered, a measurement is
//! recorded every second, a decision is made every two.

use std::time::Duration;

use holdgate::admission::meter::Meter;
use holdgate::autoscale::{Activation, Collector, Decider, Decision, Seen, Spec};
use holdgate::revision::{ContainerConcurrency, ScaleMetric, Scaling};

use crate::clock::Clock;

/// The defaults, with one request in flight per replica as the target.
pub(crate) fn scaling() -> Scaling {
    Scaling {
        min_replicas: 0,
        max_replicas: None,
        metric: ScaleMetric::Concurrency,
        target: Some(1.0),
        further_metrics: Vec::new(),
        aggregation: holdgate::revision::Aggregation::Linear,
        target_utilization_percentage: 100.0,
        stable_window: Duration::from_secs(60),
        panic_window_percentage: 10.0,
        panic_threshold_percentage: 200.0,
        max_scale_up_rate: 1000.0,
        max_scale_down_rate: 2.0,
        scale_to_zero_grace_period: Duration::from_secs(30),
        scale_to_zero_pod_retention_period: Duration::ZERO.into(),
        scale_down_delay: Duration::ZERO.into(),
        activation_scale: 0,
        initial_scale: None,
        stop_after_idle: None,
        max_starting: None,
        failed_starts: 3,
        pending_grace: Duration::from_secs(60),
        max_pending: 1,
    }
}

pub(crate) fn spec(scaling: Scaling) -> Spec {
    Spec::new(scaling, ContainerConcurrency::UNLIMITED)
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) meter: Meter,
    /// Every decision, with the second it was made in.
    pub(crate) log: Vec<(f64, Decision)>,
    spec: Spec,
    collector: Collector,
    decider: Decider,
    activation: Activation,
    start_time: f64,
    /// When each replica is ready.
    ready_at: Vec<f64>,
    /// Half seconds gone.
    step: u32,
    /// Half seconds by which decisions lag behind measurements.
    phase: u32,
}

impl World {
    /// Begins with so many replicas ready; a new one is ready `start_time` seconds after it was
    /// asked for. `phase` (0 to 3, in half seconds) shifts the decisions against the seconds.
    pub(crate) fn new(scaling: Scaling, ready: u32, start_time: f64, phase: u32) -> Self {
        let (clock, spec) = (Clock::start(), spec(scaling));
        let now = clock.at(0.0);
        Self {
            clock,
            meter: Meter::new(now),
            log: Vec::new(),
            collector: Collector::new(&spec, clock.epoch),
            decider: Decider::new(&spec, ready, now),
            activation: Activation::new(&spec, ready, now),
            spec,
            start_time,
            ready_at: (0..ready).map(|_| 0.0).collect(),
            step: 0,
            phase,
        }
    }

    pub(crate) fn arrive(&mut self, count: u32, at: f64) {
        self.run_until(at);
        (0..count).for_each(|_| self.meter.arrive(self.clock.at(at)));
    }

    pub(crate) fn leave(&mut self, count: u32, at: f64) {
        self.run_until(at);
        (0..count).for_each(|_| self.meter.leave(self.clock.at(at)));
    }

    pub(crate) fn replicas(&self) -> usize {
        self.ready_at.len()
    }

    /// Lets time pass up to and with `end`.
    pub(crate) fn run_until(&mut self, end: f64) {
        while f64::from(self.step + 1) * 0.5 <= end {
            self.step += 1;
            let t = f64::from(self.step) * 0.5;
            if self.step.is_multiple_of(2) {
                let now = self.clock.at(t);
                let report = self.meter.report(now);
                self.collector.record(now, report.average_concurrency);
            }
            if self.step % 4 == self.phase {
                self.tick(t);
            }
        }
    }

    fn tick(&mut self, t: f64) {
        let now = self.clock.at(t);
        let count = |n: usize| u32::try_from(n).expect("few replicas");
        let ready = self.ready_at.iter().filter(|at| **at <= t).count();
        let starting = count(self.ready_at.len() - ready);
        let averages = self.collector.read(now);
        let seen = Seen {
            idle_since: self.meter.idle_since(),
            ..Seen::of(&self.spec, count(ready), starting, averages)
        };
        let decision = self.decider.decide(&self.spec, seen, now);
        let decision = self.activation.settle(decision, &self.spec, now);
        if let Some(replicas) = decision.replicas {
            let replicas = usize::try_from(replicas).expect("few replicas");
            self.ready_at.resize(replicas, t + self.start_time);
        }
        self.log.push((t, decision));
    }

    /// When a decision first was as asked for, at or after a second.
    pub(crate) fn first(&self, from: f64, like: impl Fn(&Decision) -> bool) -> f64 {
        let found = self.log.iter().find(|(t, d)| *t >= from && like(d));
        found.expect("such a decision is made").0
    }
}
