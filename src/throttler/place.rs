//! A place in line.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Kept, Permit, Throttler, Turn, now};
use crate::admission::{Full, Ticket};
use crate::ports::Outage;
use crate::trace::{Event, Fate};

/// Why a place in line came to nothing.
#[derive(Clone, Debug)]
pub enum Denied {
    /// No replica can come.
    Outage(Arc<Outage>),
    /// The line was full, and another has the place.
    GaveWay,
}

/// A place in line. Resolves when it is this request's turn, or when no replica can come. Dropping
/// it leaves the line at once; a slot granted but not picked up goes to the next.
#[must_use = "a place that is dropped is given up"]
pub struct Place<C: Kept> {
    throttler: Arc<Throttler<C>>,
    ticket: Ticket,
    left: bool,
    fate: Fate,
}

impl<C: Kept> Place<C> {
    pub(super) fn new(throttler: Arc<Throttler<C>>, ticket: Ticket) -> Self {
        Self {
            throttler,
            ticket,
            left: false,
            fate: Fate::ClientLeft,
        }
    }

    /// How the request will have ended, should the place be given up.
    pub fn ends(&mut self, fate: Fate) {
        self.fate = fate;
    }

    /// More of the body has to be held than was announced.
    ///
    /// # Errors
    /// When that is over a bound.
    pub fn hold_more(&self, bytes: u64) -> Result<(), Full> {
        let mut state = self.throttler.state.lock();
        let fits = state.hold_more(self.ticket, bytes);
        if fits.is_ok() {
            let ticket = self.ticket.number();
            state.tape.note(now(), || Event::HeldMore { ticket, bytes });
        }
        fits
    }

    /// Its place in the order of arrival.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// The throttler of this line.
    #[must_use]
    pub fn throttler(&self) -> &Arc<Throttler<C>> {
        &self.throttler
    }
}

impl<C: Kept> Future for Place<C> {
    type Output = Result<Permit<C>, Denied>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = this.throttler.state.lock();
        let turn = state
            .places
            .get_mut(&this.ticket)
            .expect("a place in line is in the map");
        if let Turn::Waiting(waker) = turn {
            match waker {
                Some(known) => known.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        this.left = true;
        match state.places.remove(&this.ticket) {
            Some(Turn::Granted(seat)) => {
                let replica = state.replica(seat);
                drop(state);
                let throttler = Arc::clone(&this.throttler);
                Poll::Ready(Ok(Permit::new(
                    throttler,
                    replica,
                    this.ticket,
                    seat,
                    now(),
                )))
            }
            Some(Turn::Dismissed(outage)) => Poll::Ready(Err(Denied::Outage(outage))),
            Some(Turn::GaveWay) => Poll::Ready(Err(Denied::GaveWay)),
            Some(Turn::Waiting(_)) | None => unreachable!("looked at under the same lock"),
        }
    }
}

impl<C: Kept> Drop for Place<C> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let now = now();
        let mut state = self.throttler.state.lock();
        match state.places.remove(&self.ticket) {
            Some(Turn::Granted(seat)) => {
                state.note_over(self.ticket, self.fate, now);
                state.admission.abandon(now);
                let left = state.admission.vacate(seat, now);
                self.throttler.pass_on(state, left, now);
            }
            Some(Turn::Waiting(_)) => {
                state.note_over(self.ticket, self.fate, now);
                state.cancel(self.ticket, now);
            }
            Some(Turn::Dismissed(_) | Turn::GaveWay) | None => {}
        }
    }
}

impl<C: Kept> fmt::Debug for Place<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({:?})", self.ticket)
    }
}
