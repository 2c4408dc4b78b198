//! Ends a write that the client does not let through.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use crate::proxy::Wire;
use crate::sync::now;

/// A write that waits, if one does. Has a timer only once a write had to wait.
#[derive(Default)]
pub(in crate::server) struct Stall {
    since: Option<Instant>,
    /// Kept for the next one, and what it is set to. It may be early: a byte that moves does not
    /// touch it.
    timer: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl Stall {
    /// Some of it was taken.
    pub(super) fn moved(&mut self) {
        self.since = None;
    }

    /// Ready when the write has waited for too long.
    pub(super) fn poll_over(&mut self, wire: &Wire, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(now);
        self.poll_over_since(since, wire, cx)
    }

    /// The same, of one that is known to have waited since.
    pub(in crate::server) fn poll_over_since(
        &mut self,
        since: Instant,
        wire: &Wire,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let Some(due) = wire.due(since) else {
                return Poll::Pending;
            };
            let (timer, armed) = self
                .timer
                .get_or_insert_with(|| (Box::pin(sleep_until(due.into())), due));
            if *armed > due || timer.is_elapsed() {
                timer.as_mut().reset(due.into());
                *armed = due;
            }
            ready!(timer.as_mut().poll(cx));
            if now() >= due {
                return Poll::Ready(());
            }
        }
    }
}
