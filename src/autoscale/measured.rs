//! What steering is told: what was measured, and what is known beside that at the moment of a decision.

use std::time::{Duration, Instant};

use super::Shortage;
use crate::admission::meter::Report;

/// What was measured since the last time.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The requests of the gate.
    pub report: Report,
    /// For every metric of [`Spec::metrics`](super::Spec::metrics) that does not count requests, in their order, the sum
    /// over the ready replicas; `None` when it could not be read.
    pub gauged: Vec<Option<f64>>,
}

/// What else is known at the moment of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Around {
    /// Replicas that take requests.
    pub ready: u32,
    /// Replicas on their way.
    pub starting: u32,
    /// Ready replicas that are answering something.
    pub busy: u32,
    /// The moment the last request was gone; `None` while one is here.
    pub idle_since: Option<Instant>,
    /// How long a start usually takes; `None` before the first.
    pub typical_start: Option<Duration>,
    /// What keeps wanted replicas from being started.
    pub shortage: Option<Shortage>,
    /// The lower bound that a schedule sets at this hour.
    pub scheduled: Option<u32>,
    /// Another gateway answers requests and says nothing of them: there may be more than is known.
    pub unheard: bool,
}

/// What a replica can have said of itself: a sum that cannot be added up would stay in the window
/// for ever, and in what is remembered.
pub(super) fn sound(value: f64) -> Option<f64> {
    const MOST: f64 = 1e15;
    value.is_finite().then(|| value.clamp(0.0, MOST))
}

pub(super) fn per_second(requests: u64, covered: Duration) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "far fewer than 2^52 requests a second"
    )]
    let requests = requests as f64;
    requests / covered.as_secs_f64().max(f64::MIN_POSITIVE)
}
