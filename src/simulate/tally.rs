//! Counts what happens to one revision.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::{Keep, Point, Refusals, RevisionOutcome};
use crate::admission::meter::Report;
use crate::autoscale::{Decision, Mode};
use crate::counting::count;
use crate::revision::RevisionId;

/// In microseconds, a week: longer waits count as this long.
const LONGEST_WAIT: u64 = 7 * 24 * 60 * 60 * 1_000_000;

/// What has been counted so far.
#[derive(Debug)]
pub(super) struct Tally {
    keep: Keep,
    pub(super) requests: u64,
    pub(super) answered: u64,
    pub(super) refused: Refusals,
    pub(super) left: u64,
    pub(super) replica_time: Duration,
    waits: Histogram<u64>,
    /// Requests that got a slot at once: most do.
    at_once: u64,
    starts: u64,
    cold_starts: u64,
    cold_requests: u64,
    peak_replicas: u32,
    peak_waiting: usize,
    desired: Option<u32>,
    /// Panic steers since the last decision.
    panicking: bool,
    series: Vec<Point>,
    decisions: Vec<Decision>,
    stretch: Stretch,
}

/// What was seen since the last point.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    seconds: u32,
    in_flight: f64,
    /// All requests before it.
    requests: u64,
    waiting: usize,
    panic: bool,
}

impl Tally {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            requests: 0,
            answered: 0,
            refused: Refusals::default(),
            left: 0,
            replica_time: Duration::ZERO,
            waits: Histogram::new_with_bounds(1, LONGEST_WAIT, 3).expect("these bounds are fine"),
            at_once: 0,
            starts: 0,
            cold_starts: 0,
            cold_requests: 0,
            peak_replicas: 0,
            peak_waiting: 0,
            desired: None,
            panicking: false,
            series: Vec::new(),
            decisions: Vec::new(),
            stretch: Stretch::default(),
        }
    }

    /// A request got its slot after so long.
    pub(super) fn admitted(&mut self, waited: Duration) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        if micros == 0 {
            self.at_once += 1;
        } else {
            self.waits.saturating_record(micros);
        }
    }

    /// So many wait now, one of them newly; whether nothing serves.
    pub(super) fn queued(&mut self, waiting: usize, cold: bool) {
        self.cold_requests += u64::from(cold);
        self.peak_waiting = self.peak_waiting.max(waiting);
        self.stretch.waiting = self.stretch.waiting.max(waiting);
    }

    /// A process was started; the first one or not.
    pub(super) fn started(&mut self, first: bool) {
        self.starts += 1;
        self.cold_starts += u64::from(first);
    }

    /// So many replicas are there.
    pub(super) fn there(&mut self, replicas: usize) {
        self.peak_replicas = self.peak_replicas.max(count(replicas));
    }

    pub(super) fn measured(&mut self, report: Report) {
        self.stretch.seconds += 1;
        self.stretch.in_flight += report.average_concurrency;
    }

    pub(super) fn decided(&mut self, decision: Decision) {
        self.desired = decision.replicas.or(self.desired);
        self.panicking = decision.mode != Mode::Stable;
        self.stretch.panic |= self.panicking;
        if self.keep.decisions {
            self.decisions.push(decision);
        }
    }

    /// A second of the series is over: another point, if it is the last of its stretch. `replicas`
    /// are those that are ready, on their way and draining.
    pub(super) fn second(&mut self, at: Duration, replicas: [u32; 3], waiting: usize) {
        let length = self.keep.point_every.as_secs();
        if length == 0 || u64::from(self.stretch.seconds) < length {
            return;
        }
        let [ready, starting, draining] = replicas;
        self.series.push(Point {
            at,
            arrivals: self.requests - self.stretch.requests,
            in_flight: self.stretch.in_flight / f64::from(self.stretch.seconds),
            waiting: self.stretch.waiting,
            ready,
            starting,
            draining,
            desired: self.desired,
            panic: self.stretch.panic,
        });
        self.stretch = Stretch {
            requests: self.requests,
            waiting,
            panic: self.panicking,
            ..Stretch::default()
        };
    }

    pub(super) fn finish(mut self, revision: RevisionId, unfinished: u64) -> RevisionOutcome {
        self.waits.saturating_record_n(0, self.at_once);
        RevisionOutcome {
            revision,
            requests: self.requests,
            answered: self.answered,
            refused: self.refused,
            left: self.left,
            unfinished,
            waits: self.waits,
            starts: self.starts,
            cold_starts: self.cold_starts,
            cold_requests: self.cold_requests,
            replica_time: self.replica_time,
            peak_replicas: self.peak_replicas,
            peak_waiting: self.peak_waiting,
            series: self.series,
            decisions: self.decisions,
        }
    }
}
