//! Where what happens is noted: one buffer per revision, in the order in which it happened. The
//! data path puts a small value into memory and never waits for a disk: when nobody takes away what
//! is there, what comes is counted and let go.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Event;
use crate::counting::nanos;
use crate::revision::RevisionId;

/// Most events that wait to be written: three megabytes of them.
pub(super) const MOST_WAITING: usize = 1 << 16;

/// Notes what happens to one revision, if somebody wants to know.
#[derive(Clone, Debug, Default)]
pub struct Tape(Option<Arc<Reel>>);

/// The events of one revision on their way to a file.
#[derive(Debug)]
pub(super) struct Reel {
    pub(super) revision: RevisionId,
    epoch: Instant,
    waiting: Mutex<Waiting>,
    /// Told when there is much to be taken away.
    full: Arc<Notify>,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) events: Vec<(u64, Event)>,
    /// Events that found no room after those.
    pub(super) lost: u64,
    /// Nobody will write anything any more.
    closed: bool,
}

impl Tape {
    pub(super) const fn new(reel: Arc<Reel>) -> Self {
        Self(Some(reel))
    }

    /// Somebody wants to know.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes what happens at this moment. Whoever calls it holds the lock that puts what happens
    /// into an order.
    pub fn note(&self, at: Instant, event: impl FnOnce() -> Event) {
        if let Some(reel) = &self.0 {
            reel.note(reel.nanos(at), event());
        }
    }

    /// The same, for an event that has a moment in it.
    pub fn note_with(&self, at: Instant, event: impl FnOnce(&dyn Fn(Instant) -> u64) -> Event) {
        if let Some(reel) = &self.0 {
            reel.note(reel.nanos(at), event(&|moment| reel.nanos(moment)));
        }
    }
}

impl Reel {
    pub(super) fn new(revision: RevisionId, epoch: Instant, full: Arc<Notify>) -> Self {
        Self {
            revision,
            epoch,
            waiting: Mutex::default(),
            full,
        }
    }

    /// Takes away what waits.
    pub(super) fn take(&self) -> Waiting {
        let mut waiting = self.waiting.lock();
        let closed = waiting.closed;
        let next = Waiting {
            closed,
            ..Waiting::default()
        };
        std::mem::replace(&mut *waiting, next)
    }

    /// Nothing is kept from now on.
    pub(super) fn close(&self) {
        let closed = Waiting {
            closed: true,
            ..Waiting::default()
        };
        *self.waiting.lock() = closed;
    }

    fn note(&self, at: u64, event: Event) {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return;
        }
        if waiting.events.len() >= MOST_WAITING {
            waiting.lost += 1;
            return;
        }
        waiting.events.push((at, event));
        let half = waiting.events.len() == MOST_WAITING / 2;
        drop(waiting);
        if half {
            self.full.notify_one();
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.epoch))
    }
}
