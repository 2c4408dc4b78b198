//! What the server has seen: requests, how many it worked on at once, in which order they came.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::counting::millis;
use crate::sync::wall;

/// Most sequence numbers remembered.
const MOST_REMEMBERED: usize = 100_000;

/// Counts inference requests. Probes and questions for statistics are not among them.
#[derive(Debug)]
pub(super) struct Stats {
    requests: AtomicU64,
    concurrency: AtomicU64,
    max_concurrency: AtomicU64,
    port: AtomicU16,
    ready: Mutex<Instant>,
    listening: OnceLock<SystemTime>,
    first_request: OnceLock<SystemTime>,
    sequence: Mutex<Vec<u64>>,
}

/// What `/stats` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Inference requests whose head has arrived.
    pub requests: u64,
    /// Requests at work now: their body is here, their answer is not finished. A client that has
    /// gone away does not end the work.
    pub concurrency: u64,
    /// The most that ever were at work at once.
    pub max_concurrency: u64,
    /// Of this process.
    pub pid: u32,
    /// Where it listens; 0 without a listener.
    pub port: u16,
    /// Milliseconds since the port opened.
    pub since_ready_ms: u64,
    /// When the port opened, by the clock on the wall, in milliseconds since 1970.
    pub listening_at_ms: Option<f64>,
    /// When the head of the first inference request was here, by the same clock: together they tell
    /// what a gate adds to a cold start.
    pub first_request_at_ms: Option<f64>,
    /// The `x-sample-sequence` of the first 100,000 requests that carried one, in order of
    /// arrival. Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Vec<u64>>,
}

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            requests: AtomicU64::new(0),
            concurrency: AtomicU64::new(0),
            max_concurrency: AtomicU64::new(0),
            port: AtomicU16::new(0),
            ready: Mutex::new(Instant::now()),
            listening: OnceLock::new(),
            first_request: OnceLock::new(),
            sequence: Mutex::new(Vec::new()),
        }
    }

    /// The port has opened.
    pub(super) fn opened(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
        *self.ready.lock() = Instant::now();
        self.listening.get_or_init(wall);
    }

    /// A request's head is here. Which one it is, counted from 1.
    pub(super) fn arrived(&self, sequence: Option<u64>) -> u64 {
        self.first_request.get_or_init(wall);
        if let Some(sequence) = sequence {
            let mut seen = self.sequence.lock();
            if seen.len() < MOST_REMEMBERED {
                seen.push(sequence);
            }
        }
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Its body is here too: the work begins.
    pub(super) fn begin(self: &Arc<Self>) -> AtWork {
        let now = self.concurrency.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_concurrency.fetch_max(now, Ordering::SeqCst);
        AtWork(Arc::clone(self))
    }

    pub(super) fn read(&self, with_sequence: bool) -> Seen {
        Seen {
            requests: self.requests.load(Ordering::Relaxed),
            concurrency: self.concurrency.load(Ordering::SeqCst),
            max_concurrency: self.max_concurrency.load(Ordering::SeqCst),
            pid: std::process::id(),
            port: self.port.load(Ordering::Relaxed),
            since_ready_ms: self.since_ready_ms(),
            listening_at_ms: self.listening.get().copied().map(on_the_wall_ms),
            first_request_at_ms: self.first_request.get().copied().map(on_the_wall_ms),
            sequence: with_sequence.then(|| self.sequence.lock().clone()),
        }
    }

    fn since_ready_ms(&self) -> u64 {
        millis(self.ready.lock().elapsed())
    }
}

fn on_the_wall_ms(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1000.0
}

/// A request at work. Dropped before the last byte of its answer is sent: whoever sees that byte
/// may send the next request without being counted twice.
#[derive(Debug)]
pub(super) struct AtWork(Arc<Stats>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.concurrency.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn remembers_a_bounded_number_of_sequence_numbers() {
        let stats = Stats::new();
        for n in 0..100_010 {
            stats.arrived(Some(n));
        }
        let seen = stats.read(true);
        let sequence = seen.sequence.expect("it was asked for");
        assert_eq!((seen.requests, sequence.len()), (100_010, 100_000));
        assert_eq!(sequence[99_999], 99_999);
    }

    #[test]
    fn the_highest_concurrency_stays_when_the_work_ends() {
        let stats = Arc::new(Stats::new());
        drop((stats.begin(), stats.begin(), stats.begin()));
        let _one = stats.begin();
        let seen = stats.read(false);
        assert_eq!((seen.concurrency, seen.max_concurrency), (1, 3));
    }
}
