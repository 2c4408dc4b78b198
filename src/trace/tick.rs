//! One turn of an autoscaler's loop in a record.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Moment;

/// One turn of the autoscaler's loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// When the throttler was asked, in the order of its requests.
    pub sampled: Moment,
    /// The moment that the autoscaler worked with: the whole second that its tick belongs to, where
    /// a second's measurement was taken.
    pub now: Duration,
    /// Why it turned.
    pub cause: Cause,
    /// Requests there at `sampled`, waiting or running for a client.
    pub in_flight: u32,
    /// Since when nobody was there; `None` while somebody was.
    pub idle_since: Option<Duration>,
    /// What was decided; `None` where it only measured.
    pub decided: Option<Decided>,
}

/// Why the autoscaler's loop turned.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// It began.
    Began,
    /// A second had passed, and was measured.
    Measured {
        /// Requests there at once since the last measurement, averaged over time.
        average_concurrency: f64,
        /// Requests that arrived since the last measurement.
        requests: u64,
        /// What was read of the replicas themselves, as `autoscale::Measured::gauged`.
        gauged: Vec<Option<f64>>,
    },
    /// Somebody waited and nobody served.
    Poked,
}

/// A decision: what it was made from beside the measurements, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Replicas that took requests.
    pub ready: u32,
    /// Replicas on their way.
    pub starting: u32,
    /// Ready replicas that were answering something.
    pub busy: u32,
    /// How long a start usually took.
    pub typical_start: Option<Duration>,
    /// What kept wanted replicas from being started, in the word of its bound.
    pub shortage: Option<String>,
    /// The lower bound that a schedule set.
    pub scheduled: Option<u32>,
    /// The stable and the panic average of every metric, in the order of the settings.
    pub averages: Vec<Option<(f64, f64)>>,
    /// The result; `None` left the number as it was.
    pub replicas: Option<u32>,
    /// The word of what bounded it.
    pub bound_by: String,
    /// The panic average steered from then on.
    pub panic: bool,
    /// The world took note of the number.
    pub asked: bool,
}
