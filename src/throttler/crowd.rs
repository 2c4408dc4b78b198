//! Everybody who waits, over all revisions together, and how many may.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::admission::Full;

/// Counts who waits, and what they hold, for all throttlers that share it. Nobody reads one number
/// for what it says of another, so their order does not matter.
#[derive(Debug)]
pub struct Crowd {
    requests: AtomicUsize,
    bytes: AtomicU64,
    max_requests: AtomicUsize,
    max_bytes: AtomicU64,
}

impl Default for Crowd {
    /// Any number may wait.
    fn default() -> Self {
        Self::new(usize::MAX, u64::MAX)
    }
}

impl Crowd {
    /// Nobody waits, and at most so many may.
    #[must_use]
    pub const fn new(max_requests: usize, max_bytes: u64) -> Self {
        Self {
            requests: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            max_requests: AtomicUsize::new(max_requests),
            max_bytes: AtomicU64::new(max_bytes),
        }
    }

    /// At most so many may wait from now on. Who does already is not sent away.
    pub fn set_limits(&self, max_requests: usize, max_bytes: u64) {
        self.max_requests.store(max_requests, Relaxed);
        self.max_bytes.store(max_bytes, Relaxed);
    }

    /// How many wait, and how many bytes they hold.
    #[must_use]
    pub fn read(&self) -> (usize, u64) {
        (self.requests.load(Relaxed), self.bytes.load(Relaxed))
    }

    /// So many more wait and hold so much more, or nothing has changed because they may not.
    pub(super) fn enter(&self, requests: usize, bytes: u64) -> Result<(), Full> {
        let most = self.max_requests.load(Relaxed);
        let fits = |here: usize| here.checked_add(requests).filter(|sum| *sum <= most);
        if requests > 0 && self.requests.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return Err(Full::AllRequests);
        }
        let most = self.max_bytes.load(Relaxed);
        let fits = |here: u64| here.checked_add(bytes).filter(|sum| *sum <= most);
        if bytes > 0 && self.bytes.fetch_update(Relaxed, Relaxed, fits).is_err() {
            self.requests.fetch_sub(requests, Relaxed);
            return Err(Full::AllBytes);
        }
        Ok(())
    }

    /// One throttler's part has become another.
    pub(super) fn change(&self, from: (usize, u64), to: (usize, u64)) {
        if to.0 != from.0 {
            self.requests.fetch_add(to.0.wrapping_sub(from.0), Relaxed);
        }
        if to.1 != from.1 {
            self.bytes.fetch_add(to.1.wrapping_sub(from.1), Relaxed);
        }
    }
}
