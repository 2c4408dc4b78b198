//! What lies ahead if nothing changes: the very same steering, run forward on a copy of itself. So
//! a promise to a person ("goes to zero at 12:05:02") follows the rules by being their result.

use std::time::{Duration, Instant};

use super::collect::{Averages, Collector};
use super::{Around, DECIDE_EVERY, SAMPLE_EVERY, Steering};
use crate::revision::ScaleMetric;

/// What becomes of the number of replicas if nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The next number, while the demand stays as it is; `None`: no other one.
    pub next: Option<Change>,
    /// How long it takes to zero when nobody is here, from now or from the end of the last request;
    /// `None`: it never goes there.
    pub to_zero: Option<Duration>,
}

/// Another number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it is decided on.
    pub at: Instant,
    /// How many.
    pub replicas: u32,
}

impl Ahead {
    /// Looks ahead from `now`, with so many requests in flight.
    #[must_use]
    pub fn of(steering: &Steering, around: &Around, in_flight: u32, now: Instant) -> Self {
        let next = Forward::new(steering, around, in_flight, now).until(|_| true);
        let idle = Around {
            busy: 0,
            idle_since: around.idle_since.or(Some(now)),
            ..around.clone()
        };
        let zero = Forward::new(steering, &idle, 0, now).until(|change| change.replicas == 0);
        Self {
            next,
            to_zero: zero.map(|change| change.at.saturating_duration_since(now)),
        }
    }
}

/// Time that passes for a copy.
struct Forward {
    steering: Steering,
    around: Around,
    /// What is measured each second, one by one as in [`Spec::metrics`](super::Spec::metrics).
    values: Vec<Option<f64>>,
    in_flight: u32,
    /// When those on their way are ready.
    arrival: Instant,
    at: Instant,
    decided: Instant,
}

impl Forward {
    fn new(steering: &Steering, around: &Around, in_flight: u32, now: Instant) -> Self {
        let steering = steering.clone();
        let recent =
            |collector: &Collector| collector.read(now).map(|Averages { panic, .. }| panic);
        let metrics = steering.spec.metrics().zip(&steering.collectors);
        let values = metrics.map(|((metric, _), collector)| match metric {
            ScaleMetric::Concurrency => Some(f64::from(in_flight)),
            // Without a request in flight none has come just now.
            ScaleMetric::Rps if in_flight == 0 => Some(0.0),
            ScaleMetric::Rps => recent(collector),
            // What cannot be read now cannot be read later.
            _ => recent(collector).filter(|_| !collector.is_late(steering.sampled)),
        });
        Self {
            values: values.collect(),
            around: around.clone(),
            in_flight,
            arrival: now + around.typical_start.unwrap_or_default(),
            at: steering.sampled,
            decided: steering.decided,
            steering,
        }
    }

    /// The first other number that is as asked for, if it comes while anything is still to come.
    fn until(mut self, like: impl Fn(&Change) -> bool) -> Option<Change> {
        let end = self.at + self.horizon();
        while self.at < end {
            if let Some(change) = self.second().filter(&like) {
                return Some(change);
            }
        }
        None
    }

    /// After that long everything that was measured, held or begun is over.
    fn horizon(&self) -> Duration {
        let spec = &self.steering.spec;
        let scaling = &spec.scaling;
        let start = self.around.typical_start;
        let holds = [
            scaling.scale_down_delay.resolve(start),
            scaling.scale_to_zero_pod_retention_period.resolve(start),
            scaling.scale_to_zero_grace_period,
            scaling.stop_after_idle.unwrap_or_default(),
            start.unwrap_or_default(),
            spec.activation_timeout,
        ];
        let windows = scaling.stable_window * 4;
        // A number that halves with every decision is at 1 after thirty of them.
        windows + holds.iter().sum::<Duration>() + DECIDE_EVERY * 32
    }

    /// Lets one second pass.
    fn second(&mut self) -> Option<Change> {
        self.at += SAMPLE_EVERY;
        let at = self.at;
        let steering = &mut self.steering;
        for (collector, value) in steering.collectors.iter_mut().zip(&self.values) {
            if let Some(value) = value {
                collector.record(at, *value);
            }
        }
        if let Some(presence) = &mut steering.presence {
            presence.record(at, f64::from(self.in_flight));
        }
        if at >= self.arrival {
            self.around.ready += std::mem::take(&mut self.around.starting);
        }
        if at < self.decided + DECIDE_EVERY {
            return None;
        }
        self.decided = at;
        let replicas = steering.decide(&self.around, at).replicas;
        let replicas = replicas.filter(|replicas| Some(*replicas) != steering.asked)?;
        steering.note_asked(replicas);
        self.follow(replicas);
        Some(Change { at, replicas })
    }

    /// The world does as it is told, as far as it can.
    fn follow(&mut self, replicas: u32) {
        let around = &mut self.around;
        let present = around.ready + around.starting;
        if replicas > present && around.shortage.is_none() {
            around.starting += replicas - present;
            self.arrival = self.at + around.typical_start.unwrap_or_default();
        } else if replicas < present {
            around.ready = around.ready.min(replicas);
            around.starting = replicas - around.ready;
            around.busy = around.busy.min(around.ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{seconds, spec, start};
    use super::super::{Decision, Measured, Spec};
    use super::*;
    use crate::admission::meter::Report;

    fn around(ready: u32, idle_since: Option<Instant>) -> Around {
        Around {
            ready,
            starting: 0,
            busy: 0,
            idle_since,
            typical_start: None,
            shortage: None,
            scheduled: None,
            unheard: false,
        }
    }

    /// One second of a loop whose replicas are there at once.
    fn second(steering: &mut Steering, load: u32, t: Instant, now: Instant) -> Option<Decision> {
        let average_concurrency = f64::from(load);
        let (requests, gauged) = (0, Vec::new());
        let report = Report {
            average_concurrency,
            requests,
        };
        steering.record(&Measured { report, gauged }, now);
        let idle_since = (load == 0).then_some(t + seconds(30));
        let ready = steering.asked().unwrap_or(0);
        let even = now.saturating_duration_since(t).as_secs().is_multiple_of(2);
        let decision = even.then(|| steering.decide(&around(ready, idle_since), now))?;
        if let Some(replicas) = decision.replicas {
            steering.note_asked(replicas);
        }
        Some(decision)
    }

    /// What really comes after 31 seconds with a load of 3 for 30 of them, and what was foretold.
    fn foretold(spec: &Spec) {
        let t = start();
        let mut steering = Steering::new(spec, t);
        for at in 1..=31 {
            second(
                &mut steering,
                if at <= 30 { 3 } else { 0 },
                t,
                t + seconds(at),
            );
        }
        let (now, asked) = (t + seconds(31), steering.asked());
        let around = around(asked.unwrap_or(0), Some(t + seconds(30)));
        let ahead = Ahead::of(&steering, &around, 0, now);
        let mut changes = Vec::new();
        for at in 32..2000 {
            let before = steering.asked();
            second(&mut steering, 0, t, t + seconds(at));
            if let Some(replicas) = steering.asked().filter(|_| steering.asked() != before) {
                let at = t + seconds(at);
                changes.push(Change { at, replicas });
            }
        }
        assert_eq!(ahead.next, changes.first().copied());
        let zero = changes.iter().find(|change| change.replicas == 0);
        assert_eq!(ahead.to_zero, zero.map(|zero| zero.at - now));
    }

    #[test]
    fn what_is_foretold_comes_true_to_the_second() {
        let mut spec = spec(1.0);
        foretold(&spec);
        spec.scaling.scale_down_delay = seconds(300).into();
        foretold(&spec);
        spec.scaling.scale_down_delay = seconds(0).into();
        spec.scaling.scale_to_zero_pod_retention_period = seconds(500).into();
        foretold(&spec);
        spec.scaling.stop_after_idle = Some(seconds(20));
        foretold(&spec);
        spec.scaling.stop_after_idle = None;
        spec.scaling.min_replicas = 2;
        foretold(&spec);
    }

    #[test]
    fn looking_ahead_changes_nothing() {
        let (t, spec) = (start(), spec(1.0));
        let mut steering = Steering::new(&spec, t);
        second(&mut steering, 3, t, t + seconds(1));
        let mut other = steering.clone();
        let _ = Ahead::of(&steering, &around(3, None), 3, t + seconds(1));
        let now = t + seconds(2);
        let decided = second(&mut steering, 3, t, now);
        assert_eq!(decided, second(&mut other, 3, t, now));
    }
}
