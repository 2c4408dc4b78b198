//! Everything that steers one revision, as plain data: its windows, its decider, how far it is
//! between nothing and serving, and what was asked for last. Given the same measurements at the
//! same moments it makes the same decisions, whether they are measured now or read from a record.

use std::time::{Duration, Instant};

use super::measured::{per_second, sound};
use super::{
    Activation, Around, Averages, Bound, Collector, Decider, Decision, Measured, Memory,
    MetricReading, Past, SAMPLE_EVERY, Seen, Spec, wakes,
};
use crate::revision::ScaleMetric;

/// What steers one revision.
#[derive(Clone, Debug)]
pub struct Steering {
    pub(super) spec: Spec,
    /// One for each of [`Spec::metrics`], in their order.
    pub(super) collectors: Vec<Collector>,
    /// Requests here, kept where replicas themselves are measured: what they use or report says how
    /// many there should be, requests whether there should be any.
    pub(super) presence: Option<Collector>,
    pub(super) decider: Decider,
    activation: Activation,
    pub(super) asked: Option<u32>,
    /// What was asked for before a restart, until it is asked for again.
    recalled: Option<u32>,
    pub(super) sampled: Instant,
    /// The last decision that was due.
    pub(super) decided: Instant,
    /// Callers reach what is ready past the gate.
    bypassed: bool,
}

impl Steering {
    /// Begins without a history; seconds are counted from `now`.
    #[must_use]
    pub fn new(spec: &Spec, now: Instant) -> Self {
        Self {
            spec: spec.clone(),
            collectors: collectors(spec, now),
            presence: needs_presence(spec).then(|| Collector::new(spec, now)),
            decider: Decider::new(spec, 0, now),
            activation: Activation::new(spec, 0, now),
            asked: None,
            recalled: None,
            sampled: now,
            decided: now,
            bypassed: false,
        }
    }

    /// Goes on where an earlier life ended, `away` ago: with its number, below which nothing falls
    /// for a stable window, and with its measurements, the missing ones filled in. After longer
    /// than a stable window only that it has begun once is left of it.
    #[must_use]
    pub fn recall(spec: &Spec, memory: &Memory, away: Duration, now: Instant) -> Self {
        let lost = away >= spec.scaling.stable_window;
        let number = if lost { 0 } else { memory.number() };
        let again = |past: Option<&Past>| match past.filter(|_| !lost) {
            Some(past) => Collector::recall(spec, past, away, now),
            None => Collector::new(spec, now),
        };
        let fresh = Self::new(spec, now);
        Self {
            collectors: spec.metrics().map(|(m, _)| again(memory.of(m))).collect(),
            presence: fresh.presence.map(|_| again(memory.presence())),
            decider: Decider::recall(spec, number, now),
            activation: Activation::recall(spec, number, memory.initialized, now),
            recalled: Some(number).filter(|number| *number > 0),
            ..fresh
        }
    }

    /// What the next life is to know.
    #[must_use]
    pub fn remember(&self, now: Instant) -> Memory {
        let metrics = self.spec.metrics().zip(&self.collectors);
        let metrics = metrics.filter_map(|((metric, _), collector)| {
            let past = collector.remember(now)?;
            Some((metric.clone(), past))
        });
        Memory {
            asked: self.asked,
            peak: self.decider.peak(),
            initialized: self.activation.is_initialized(),
            metrics: metrics.collect(),
            presence: self.presence.as_ref().and_then(|p| p.remember(now)),
        }
    }

    /// The settings in force.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The replicas themselves are measured as well, not only requests counted.
    #[must_use]
    pub const fn gauges(&self) -> bool {
        self.presence.is_some()
    }

    /// How many replicas were asked for last; `None` when nothing was.
    #[must_use]
    pub const fn asked(&self) -> Option<u32> {
        self.asked
    }

    /// How far the revision is between nothing and serving, and since when.
    #[must_use]
    pub const fn activation(&self) -> &Activation {
        &self.activation
    }

    /// Records what was measured for the seconds it covers: usually one, more when the machine was
    /// busy. Its average is over all of them, so none is missing and none counts as zero.
    pub fn record(&mut self, measured: &Measured, now: Instant) {
        let covered = now.saturating_duration_since(self.sampled);
        self.sampled = now;
        let mut gauged = measured.gauged.iter();
        for ((metric, _), collector) in self.spec.metrics().zip(&mut self.collectors) {
            let value = match metric {
                // Not a zero: they are elsewhere.
                metric if self.bypassed && metric.counts_requests() => continue,
                ScaleMetric::Concurrency => measured.report.average_concurrency,
                ScaleMetric::Rps => per_second(measured.report.requests, covered),
                ScaleMetric::Cpu | ScaleMetric::Memory | ScaleMetric::Scraped(_) => {
                    if let Some(value) = gauged.next().copied().flatten().and_then(sound) {
                        collector.close_gap(value);
                        collector.bridge(now, value);
                    }
                    continue;
                }
            };
            collector.close_gap(value);
            record(collector, value, covered, now);
        }
        if let Some(presence) = self.presence.as_mut().filter(|_| !self.bypassed) {
            let here = measured.report.average_concurrency;
            presence.close_gap(here);
            record(presence, here, covered, now);
        }
    }

    /// Whether so many requests here are worth a decision at once; what is known of them already
    /// counts then, not at the next measurement.
    pub fn poke(&mut self, in_flight: u32, now: Instant) -> bool {
        if !wakes(self.asked, in_flight) {
            return false;
        }
        for ((metric, _), collector) in self.spec.metrics().zip(&mut self.collectors) {
            match metric {
                ScaleMetric::Concurrency => collector.record(now, f64::from(in_flight)),
                ScaleMetric::Rps => collector.record(now, 1.0),
                ScaleMetric::Cpu | ScaleMetric::Memory | ScaleMetric::Scraped(_) => {}
            }
        }
        if let Some(presence) = &mut self.presence {
            presence.record(now, f64::from(in_flight));
        }
        true
    }

    /// Decides how many replicas there should be.
    pub fn decide(&mut self, around: &Around, now: Instant) -> Decision {
        if now == self.sampled {
            self.decided = now;
        }
        self.note_bypass(around, now);
        let seen = self.see(around, now);
        let mut decision = self.decider.decide(&self.spec, seen, now);
        if let (None, Some(_), None) = (decision.replicas, self.recalled, self.asked) {
            // Measured anew it will be once replicas are there.
            decision.bound(Bound::Restart, self.recalled);
        }
        let (asked, least) = (
            self.asked.unwrap_or(0),
            self.spec.bounds(around.scheduled).min,
        );
        if decision.replicas.is_none() && asked < least {
            // What was not measured is no reason to stay below the least.
            decision.replicas = Some(asked);
        }
        self.activation.settle(decision, &self.spec, now)
    }

    /// So many replicas have been asked for.
    pub const fn note_asked(&mut self, replicas: u32) {
        self.asked = Some(replicas);
    }

    /// What was counted before callers went past the gate says nothing any more, and what is counted once
    /// they come back begins anew.
    fn note_bypass(&mut self, around: &Around, now: Instant) {
        let before = std::mem::replace(&mut self.bypassed, self.spec.bypassed && around.ready > 0);
        if before || !self.bypassed {
            return;
        }
        for ((metric, _), collector) in self.spec.metrics().zip(&mut self.collectors) {
            if metric.counts_requests() {
                *collector = Collector::new(&self.spec, now);
            }
        }
        if let Some(presence) = &mut self.presence {
            *presence = Collector::new(&self.spec, now);
        }
    }

    fn see(&self, around: &Around, now: Instant) -> Seen {
        let wanted = self.is_wanted(around, now);
        let readings = self.spec.metrics().zip(&self.collectors);
        let readings = readings.map(|((metric, target), collector)| {
            // What an unwanted replica uses is no reason to keep it.
            let nothing = (!metric.counts_requests() && !wanted).then_some(Averages {
                stable: 0.0,
                panic: 0.0,
            });
            MetricReading {
                metric: metric.clone(),
                target: target.aimed,
                late: !metric.counts_requests() && nothing.is_none() && collector.is_late(now),
                averages: nothing.or_else(|| collector.read(now)),
            }
        });
        Seen {
            ready: around.ready,
            starting: around.starting,
            busy: around.busy,
            readings: readings.collect(),
            idle_since: around.idle_since,
            bypassed: self.bypassed,
            typical_start: around.typical_start,
            shortage: around.shortage,
            scheduled: around.scheduled,
            unheard: around.unheard,
        }
    }

    /// Somebody was here within the stable window, or there is to be a replica in any case.
    fn is_wanted(&self, around: &Around, now: Instant) -> bool {
        let least = self.spec.bounds(around.scheduled).min;
        let requests = self.presence.as_ref().and_then(|p| p.read(now));
        least > 0
            || self.bypassed
            || around.idle_since.is_none()
            || requests.is_none_or(|avg| avg.stable > 0.0)
    }
}

fn collectors(spec: &Spec, now: Instant) -> Vec<Collector> {
    let metrics = spec.metrics();
    metrics.map(|_| Collector::new(spec, now)).collect()
}

/// Some metric says how many replicas there should be, but not whether there should be any.
pub(super) fn needs_presence(spec: &Spec) -> bool {
    let mut metrics = spec.metrics();
    metrics.any(|(metric, _)| !metric.counts_requests())
}

fn record(collector: &mut Collector, value: f64, covered: Duration, now: Instant) {
    let missed = covered.as_secs().saturating_sub(1);
    for back in (1..=missed.min(3600)).rev() {
        let then = now.checked_sub(SAMPLE_EVERY.saturating_mul(u32::try_from(back).unwrap_or(0)));
        collector.record(then.unwrap_or(now), value);
    }
    collector.record(now, value);
}
