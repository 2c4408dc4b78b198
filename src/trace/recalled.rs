//! What an autoscaler began with, where an earlier life of the gate had left it something.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::autoscale::{Memory, Past, Spec};

/// What was remembered, and how long ago.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    away: Duration,
    asked: Option<u32>,
    peak: Option<u32>,
    initialized: bool,
    /// In the order of the settings.
    metrics: Vec<Option<Seconds>>,
    presence: Option<Seconds>,
}

/// What was measured, one sum for each second, and for how long nothing was after that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seconds(Vec<f64>, u32);

impl Recalled {
    /// What was remembered so long ago, as far as it counts with these settings.
    #[must_use]
    pub fn new(memory: &Memory, away: Duration, spec: &Spec) -> Self {
        let metrics = spec.metrics().map(|(metric, _)| memory.of(metric));
        Self {
            away,
            asked: memory.asked,
            peak: memory.peak,
            initialized: memory.initialized,
            metrics: metrics.map(|past| past.map(Seconds::of)).collect(),
            presence: memory.presence().map(Seconds::of),
        }
    }

    /// The same for the settings that it was remembered with.
    #[must_use]
    pub fn memory(&self, spec: &Spec) -> (Memory, Duration) {
        let metrics = spec.metrics().zip(&self.metrics);
        let metrics =
            metrics.filter_map(|((metric, _), past)| Some((metric.clone(), past.as_ref()?.past())));
        let memory = Memory {
            asked: self.asked,
            peak: self.peak,
            initialized: self.initialized,
            metrics: metrics.collect(),
            presence: self.presence.as_ref().map(Seconds::past),
        };
        (memory, self.away)
    }
}

impl Seconds {
    fn of(past: &Past) -> Self {
        Self(past.seconds.clone(), past.idle)
    }

    fn past(&self) -> Past {
        let Self(seconds, idle) = self;
        Past {
            seconds: seconds.clone(),
            idle: *idle,
        }
    }
}
