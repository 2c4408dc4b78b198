//! What became of a load.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::autoscale::Decision;
use crate::revision::RevisionId;

/// What became of a load.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Revision by revision, in the order of the settings.
    pub revisions: Vec<RevisionOutcome>,
}

/// What became of the load of one revision. Every request is answered, refused, left by its client
/// or still here at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionOutcome {
    /// Which one.
    pub revision: RevisionId,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were refused.
    pub refused: Refusals,
    /// Requests whose client left.
    pub left: u64,
    /// Requests that wait or are being answered at the end.
    pub unfinished: u64,
    /// How long requests that got a slot waited for it, in microseconds; 0 for those that did not
    /// have to.
    pub waits: Histogram<u64>,
    /// Processes that were started.
    pub starts: u64,
    /// Starts of a first replica: nothing served before.
    pub cold_starts: u64,
    /// Requests that waited while nothing served.
    pub cold_requests: u64,
    /// The time of all replicas together, from each one's start until nothing is left of it.
    pub replica_time: Duration,
    /// The most replicas there were at once, those on their way and those that drain included.
    pub peak_replicas: u32,
    /// The most requests that waited at once.
    pub peak_waiting: usize,
    /// The course of it.
    pub series: Vec<Point>,
    /// Every decision, if they were to be kept.
    pub decisions: Vec<Decision>,
}

/// Requests that were refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// The line was full.
    pub queue_full: u64,
    /// It waited too long for a slot.
    pub queue_timeout: u64,
    /// Its deadline could not be met.
    pub deadline_unmeetable: u64,
    /// It waited too long for the first replica.
    pub cold_start_timeout: u64,
    /// No replica could come.
    pub cold_start_failed: u64,
    /// Its body was too large.
    pub body_too_large: u64,
    /// The replica took longer than an answer may take.
    pub upstream_timeout: u64,
}

impl Refusals {
    /// Every reason with its word and how often.
    #[must_use]
    pub const fn by_reason(&self) -> [(&'static str, u64); 7] {
        [
            ("queue_full", self.queue_full),
            ("queue_timeout", self.queue_timeout),
            ("deadline_unmeetable", self.deadline_unmeetable),
            ("cold_start_timeout", self.cold_start_timeout),
            ("cold_start_failed", self.cold_start_failed),
            ("body_too_large", self.body_too_large),
            ("upstream_timeout", self.upstream_timeout),
        ]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}

/// One stretch of the course of a simulation, as long as was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When it ends.
    pub at: Duration,
    /// Requests that arrived within it.
    pub arrivals: u64,
    /// Requests here, waiting or being answered, on average over it.
    pub in_flight: f64,
    /// The most that waited within it.
    pub waiting: usize,
    /// Replicas that take requests, at its end.
    pub ready: u32,
    /// Replicas on their way, at its end.
    pub starting: u32,
    /// Replicas that finish what they have, at its end.
    pub draining: u32,
    /// The number decided on last; `None` before the first decision that names one.
    pub desired: Option<u32>,
    /// Panic steered within it.
    pub panic: bool,
}
