//! What a decision is made from: everything that is known of a revision at one moment.

use std::time::{Duration, Instant};

use super::{Averages, Shortage, Spec};
use crate::revision::ScaleMetric;

/// What a decision is made from. Two decisions of equal deciders from equal data are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Replicas that take requests.
    pub ready: u32,
    /// Replicas on their way. They count as supply, so that a slow start asks for no others.
    pub starting: u32,
    /// Ready replicas that are answering something.
    pub busy: u32,
    /// What was averaged, one by one as in [`Spec::metrics`].
    pub readings: Vec<MetricReading>,
    /// The moment the last request was gone; `None` while one is here.
    pub idle_since: Option<Instant>,
    /// Callers reach the replicas past the gate, where nobody counts them.
    pub bypassed: bool,
    /// How long a start usually takes; `None` before the first.
    pub typical_start: Option<Duration>,
    /// What keeps wanted replicas from being started.
    pub shortage: Option<Shortage>,
    /// The lower bound that a schedule sets at this hour.
    pub scheduled: Option<u32>,
    /// Another gateway answers requests and says nothing of them: there may be more than is known.
    pub unheard: bool,
}

/// One metric at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricReading {
    /// What was averaged.
    pub metric: ScaleMetric,
    /// What one replica should carry, in the metric's unit.
    pub target: f64,
    /// The averages; `None` when nothing was measured within the stable window.
    pub averages: Option<Averages>,
    /// It could not be read at this moment: the averages are of what was read before, and no reason
    /// to shrink.
    pub late: bool,
}

impl Seen {
    /// Replicas and the averages of the first metric; of everything else nothing is known, and
    /// somebody is here.
    #[must_use]
    pub fn of(spec: &Spec, ready: u32, starting: u32, averages: Option<Averages>) -> Self {
        let reading = MetricReading {
            metric: spec.scaling.metric.clone(),
            target: spec.target.aimed,
            averages,
            late: false,
        };
        Self {
            ready,
            starting,
            busy: 0,
            readings: vec![reading],
            idle_since: None,
            bypassed: false,
            typical_start: None,
            shortage: None,
            scheduled: None,
            unheard: false,
        }
    }

    /// What is there or on its way.
    #[must_use]
    pub const fn present(&self) -> u32 {
        self.ready.saturating_add(self.starting)
    }

    /// What is there or will be in spite of a shortage: what is on its way may be what finds no node.
    #[must_use]
    pub const fn sure_of(&self, shortage: Shortage) -> u32 {
        match shortage {
            Shortage::NoNode => self.ready,
            _ => self.present(),
        }
    }

    /// Something that should have been measured was not.
    pub(super) fn misses(&self) -> bool {
        let counts = |r: &&MetricReading| !(self.bypassed && r.metric.counts_requests());
        let mut counted = self.readings.iter().filter(counts);
        counted.any(|r| r.late || r.averages.is_none())
    }

    /// The same as what is present; never 0, so that there is something to multiply.
    pub(super) fn supply(&self) -> f64 {
        f64::from(self.present().max(1))
    }
}
