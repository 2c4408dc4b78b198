//! The right to occupy one slot.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::notes::over;
use super::{Arrival, Kept, Replica, Throttler, now};
use crate::admission::{Back, Seat, Ticket, Verdict};
use crate::trace::{Event, Fate};

/// The right to occupy one slot at one replica. Dropping it gives the slot to whoever is next.
/// Not `Clone`: two holders would both believe the slot is theirs.
pub struct Permit<C: Kept> {
    throttler: Arc<Throttler<C>>,
    replica: Arc<Replica<C>>,
    ticket: Ticket,
    seat: Seat,
    since: Instant,
    held: Held,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Nothing was sent yet.
    Taken,
    /// The replica works on it, for a client that waits for the answer.
    Used,
    /// The client has left; the replica still works.
    Abandoned,
    /// Already given back.
    Returned,
}

impl<C: Kept> Permit<C> {
    pub(super) fn new(
        throttler: Arc<Throttler<C>>,
        replica: Arc<Replica<C>>,
        ticket: Ticket,
        seat: Seat,
        since: Instant,
    ) -> Self {
        Self {
            throttler,
            replica,
            ticket,
            seat,
            since,
            held: Held::Taken,
            fate: Fate::ClientLeft,
        }
    }

    /// How the request will have ended when the permit is dropped or its client is gone.
    pub fn ends(&mut self, fate: Fate) {
        self.fate = fate;
    }

    /// Where to send the request.
    #[must_use]
    pub fn replica(&self) -> &Arc<Replica<C>> {
        &self.replica
    }

    /// When the slot was taken.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The request is being sent: from now on the slot is in use.
    pub fn used(&mut self, now: Instant) {
        self.since = now;
        self.held = Held::Used;
    }

    /// The client has left, but the replica still works: the request counts no longer as demand,
    /// the slot stays occupied until the permit is dropped.
    pub fn abandon(&mut self) {
        if matches!(self.held, Held::Taken | Held::Used) {
            self.held = Held::Abandoned;
            let now = now();
            let mut state = self.throttler.state.lock();
            state.admission.abandon(now);
            state.tape.note(now, || over(self.ticket, self.fate, false));
        }
    }

    /// The replica could not be reached, so nothing of the request can have arrived there. It
    /// gets no further request until it is restored; this one keeps its place in the order.
    #[must_use]
    pub fn rebuffed(mut self, back: Back) -> Arrival<C> {
        let now = now();
        self.held = Held::Returned;
        let mut state = self.throttler.state.lock();
        let verdict = state.rebuff(self.ticket, self.seat, back, now);
        let ticket = self.ticket.number();
        state.tape.note(now, || Event::Rebuffed { ticket });
        state.note_warmth(now);
        let throttler = Arc::clone(&self.throttler);
        let arrival = match verdict {
            Verdict::Admitted(ticket, seat) => {
                state.note_seated(ticket, seat, now);
                let replica = state.replica(seat);
                Arrival::Admitted(Self::new(throttler, replica, ticket, seat, now))
            }
            Verdict::Queued(ticket) => throttler.queue(&mut state, ticket, now),
            Verdict::QueuedInstead(..) | Verdict::Refused(_) | Verdict::Late(_) => {
                unreachable!("a request that was accepted goes back to its place")
            }
        };
        let due = state.admission.is_due();
        drop(state);
        self.throttler.stir();
        if due {
            self.throttler.tell_news();
        }
        arrival
    }

    /// The throttler the slot belongs to.
    #[must_use]
    pub fn throttler(&self) -> &Arc<Throttler<C>> {
        &self.throttler
    }
}

impl<C: Kept> Drop for Permit<C> {
    fn drop(&mut self) {
        match self.held {
            Held::Used => {
                let now = now();
                let occupied = now.saturating_duration_since(self.since);
                let over = over(self.ticket, self.fate, true);
                self.throttler.release(self.seat, occupied, now, over);
            }
            Held::Taken => {
                // It says nothing about how long an answer takes.
                self.abandon();
                self.throttler.vacate(self.seat, None, self.ticket);
            }
            Held::Abandoned => {
                self.throttler
                    .vacate(self.seat, Some(self.since), self.ticket);
            }
            Held::Returned => {}
        }
    }
}

impl<C: Kept> fmt::Debug for Permit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.replica.id)
    }
}
