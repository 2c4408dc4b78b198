//! One connection of a client: how it is used, and whether it is told to leave.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Poll, Waker};

use parking_lot::Mutex;

use crate::proxy::Wire;

/// One connection, as far as it is known whether it is used.
#[derive(Debug)]
pub(in crate::server) struct Seat {
    wire: Arc<Wire>,
    /// Requests in progress.
    busy: AtomicU32,
    /// Requests that have come.
    begun: AtomicU32,
    /// Many requests at once: what is read need not be one.
    many: AtomicBool,
    leave: Mutex<Leave>,
}

/// Whether a connection is told to leave. Not a `Notify`: each time something moves on its connection it
/// is asked, and one task asks, whose waker stays the same.
#[derive(Debug, Default)]
struct Leave {
    told: bool,
    asks: Option<Waker>,
}

/// How a connection is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Something is asked for, or answered.
    Busy,
    /// Nothing was ever asked, or what is asked has not come to its end.
    Beginning,
    /// It was served, and may ask again.
    Kept,
}

impl Seat {
    /// Of a connection that has just come.
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        Self {
            wire,
            busy: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            many: AtomicBool::new(false),
            leave: Mutex::default(),
        }
    }

    /// A request has come.
    pub(in crate::server) fn begin(&self) {
        self.busy.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        self.wire.heed();
    }

    /// Its answer has been made; where it passes through, the wire knows.
    pub(in crate::server) fn end(&self) {
        self.busy.fetch_sub(1, Relaxed);
    }

    /// Something is being asked for.
    pub(in crate::server) fn is_busy(&self) -> bool {
        self.busy.load(Relaxed) > 0
    }

    /// Something is being asked for or answered.
    pub(in crate::server) fn is_used(&self) -> bool {
        self.used() == Use::Busy
    }

    /// It speaks HTTP/2.
    pub(in crate::server) fn takes_many(&self) {
        self.many.store(true, Relaxed);
    }

    /// Resolves when its place is needed or it has waited too long.
    pub(in crate::server) fn must_leave(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            let mut leave = self.leave.lock();
            if std::mem::take(&mut leave.told) {
                return Poll::Ready(());
            }
            match &mut leave.asks {
                Some(known) => known.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }

    pub(super) fn tell_to_leave(&self) {
        let asks = {
            let mut leave = self.leave.lock();
            leave.told = true;
            leave.asks.take()
        };
        if let Some(asks) = asks {
            asks.wake();
        }
    }

    /// Part of a request has come, and not its end.
    pub(in crate::server) fn has_begun(&self) -> bool {
        !self.many.load(Relaxed) && self.wire.was_heard()
    }

    /// How many requests have come.
    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Relaxed)
    }

    /// Nothing was ever asked by it.
    pub(in crate::server) fn is_stranger(&self) -> bool {
        self.begun() == 0
    }

    pub(super) fn used(&self) -> Use {
        if self.is_busy() || self.wire.is_passing() {
            Use::Busy
        } else if self.many.load(Relaxed) {
            Use::Kept
        } else if self.is_stranger() || self.wire.was_heard() {
            Use::Beginning
        } else {
            Use::Kept
        }
    }
}
