//! What is counted per revision: plain atomics and histograms that the data path updates and the
//! admin port reads. Names and labels of the metrics are the admin port's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use crate::autoscale::StartPhase;
use crate::sync::{now, wall};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// With a slot.
    Admitted,
    /// With one of our refusals.
    Refused,
    /// The client left.
    Cancelled,
}

impl WaitOutcome {
    /// All of them, in the order of [`Stats::waits`].
    pub const ALL: [Self; 3] = [Self::Admitted, Self::Refused, Self::Cancelled];

    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The counters of one revision. They outlive a reload.
#[derive(Debug)]
pub struct Stats {
    /// When counting began: when the gate learned of the revision.
    pub since: SystemTime,
    /// Answers by status code.
    pub codes: Codes,
    /// Arrival to last byte.
    pub duration: Histogram,
    /// Arrival to the end of the wait, for requests that waited, by [`WaitOutcome`].
    pub waits: [Histogram; 3],
    /// Refusals by reason.
    pub rejections: Tally,
    /// Requests sent to another replica because the first could not be reached.
    pub retries: Counter,
    /// Starts of replicas that came to an end, by [`START_RESULTS`].
    pub cold_starts: [Counter; 2],
    /// How long each phase of a start took, by [`StartPhase`].
    pub start_phases: [Histogram; StartPhase::ALL.len()],
    /// Scaling decisions by what bounded them.
    pub decisions: Tally,
}

/// How the start of a replica ends, in the order of [`Stats::cold_starts`].
pub const START_RESULTS: [&str; 2] = ["ready", "failed"];

/// Upper bounds in seconds: from a proxy's own overhead to a long generation.
const DURATIONS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
    600.0,
];

/// The same for the phases of a start: from a pod on a node that has its image to a node that has to be
/// made, and terabytes to be fetched.
const STARTS: [f64; 14] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1800.0,
];

impl Stats {
    /// Everything at zero.
    #[must_use]
    pub fn new() -> Self {
        let histogram = || Histogram::new(DURATIONS);
        Self {
            since: wall(),
            codes: Codes::new(),
            duration: histogram(),
            waits: [histogram(), histogram(), histogram()],
            rejections: Tally::default(),
            retries: Counter::default(),
            cold_starts: [Counter::default(), Counter::default()],
            start_phases: StartPhase::ALL.map(|_| Histogram::new(STARTS)),
            decisions: Tally::default(),
        }
    }

    /// A request ended with `code` after `took`.
    pub fn answered(&self, code: u16, took: Duration) {
        self.codes.count(code);
        self.duration.observe(took.as_secs_f64());
    }

    /// A request that had to wait stopped waiting.
    pub fn waited(&self, outcome: WaitOutcome, took: Duration) {
        self.waits[outcome as usize].observe(took.as_secs_f64());
    }

    /// A replica became ready, after phases that took so long.
    pub fn start_succeeded(&self, phases: impl IntoIterator<Item = (StartPhase, Duration)>) {
        self.cold_starts[0].inc();
        for (phase, took) in phases {
            self.start_phase(phase, took);
        }
    }

    /// A phase of a start is over after so long.
    pub fn start_phase(&self, phase: StartPhase, took: Duration) {
        self.start_phases[phase as usize].observe(took.as_secs_f64());
    }

    /// A replica died, or was given up, before it was ready.
    pub fn start_failed(&self) {
        self.cold_starts[1].inc();
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts one request when it is dropped: by the status it was given, or as left by its client.
#[derive(Debug)]
pub struct Receipt {
    stats: Arc<Stats>,
    since: Instant,
    code: u16,
}

impl Receipt {
    /// A request arrived at `since`. Until it is told otherwise, its client has left.
    #[must_use]
    pub fn new(stats: Arc<Stats>, since: Instant) -> Self {
        Self {
            stats,
            since,
            code: Codes::CLIENT_CLOSED,
        }
    }

    /// The request ended with this status.
    pub fn answered(&mut self, code: u16) {
        self.code = code;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let now = now();
        self.stats
            .answered(self.code, now.saturating_duration_since(self.since));
    }
}

/// A counter per status code: an array, since every answer counts one.
#[derive(Debug)]
pub struct Codes(Box<[AtomicU64]>);

impl Codes {
    const FIRST: u16 = 100;
    /// Counted for a client that left; never sent.
    pub const CLIENT_CLOSED: u16 = 499;

    fn new() -> Self {
        Self((Self::FIRST..600).map(|_| AtomicU64::new(0)).collect())
    }

    fn count(&self, code: u16) {
        let index = usize::from(code.saturating_sub(Self::FIRST));
        if let Some(counter) = self.0.get(index) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Codes that occurred, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let counts = self.0.iter().map(|counter| counter.load(Relaxed));
        (Self::FIRST..).zip(counts).filter(|&(_, count)| count > 0)
    }
}

/// Counts by a word out of a small fixed vocabulary.
#[derive(Debug, Default)]
pub struct Tally(parking_lot::Mutex<Vec<(&'static str, u64)>>);

impl Tally {
    /// One more of `word`.
    pub fn count(&self, word: &'static str) {
        let mut counts = self.0.lock();
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }

    /// Every word that occurred, with how often.
    #[must_use]
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().clone()
    }
}
