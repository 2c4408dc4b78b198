//! The right to occupy one slot.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::{Arrival, Place, Replica, Throttler, Turn, now, wake};
use crate::admission::{Seat, Ticket, Verdict};

/// The right to occupy one slot at one replica. Dropping it gives the slot to whoever is next.
/// Not `Clone`: two holders would both believe the slot is theirs.
pub struct Permit<C: Default> {
    throttler: Arc<Throttler<C>>,
    replica: Arc<Replica<C>>,
    ticket: Ticket,
    seat: Seat,
    since: Instant,
    held: Held,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// For a client that waits for the answer.
    Wanted,
    /// The client has left; the replica still works.
    Abandoned,
    /// Already given back.
    Returned,
}

impl<C: Default> Permit<C> {
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
            held: Held::Wanted,
        }
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

    /// The client has left, but the replica still works: the request counts no longer as demand,
    /// the slot stays occupied until the permit is dropped.
    pub fn abandon(&mut self) {
        if self.held == Held::Wanted {
            self.held = Held::Abandoned;
            self.throttler.state.lock().admission.abandon(now());
        }
    }

    /// The replica could not be reached, so nothing of the request can have arrived there. It
    /// gets no further request until it is restored; this one keeps its place in the order.
    #[must_use]
    pub fn rebuffed(mut self, bytes: u64) -> Arrival<C> {
        let now = now();
        self.held = Held::Returned;
        let mut state = self.throttler.state.lock();
        let (verdict, left) = state.admission.rebuff(self.ticket, self.seat, bytes, now);
        state.note_warmth(now);
        let throttler = Arc::clone(&self.throttler);
        let arrival = match verdict {
            Verdict::Admitted(ticket, seat) => {
                let replica = state.replica(seat);
                Arrival::Admitted(Self::new(throttler, replica, ticket, seat, now))
            }
            Verdict::Queued(ticket) => {
                state.places.insert(ticket, Turn::Waiting(None));
                Arrival::Waiting(Place::new(throttler, ticket))
            }
            Verdict::Refused => unreachable!("a request that was accepted is not refused"),
        };
        let wakers = state.grant(left.grant.into_iter().collect());
        drop(state);
        wake(wakers);
        if left.vacated {
            self.throttler.vacancies.send_modify(|count| *count += 1);
        }
        arrival
    }

    /// The throttler the slot belongs to.
    #[must_use]
    pub fn throttler(&self) -> &Arc<Throttler<C>> {
        &self.throttler
    }
}

impl<C: Default> Drop for Permit<C> {
    fn drop(&mut self) {
        match self.held {
            Held::Wanted => {
                let now = now();
                let occupied = now.saturating_duration_since(self.since);
                self.throttler.release(self.seat, occupied, now);
            }
            Held::Abandoned => self.throttler.vacate(self.seat),
            Held::Returned => {}
        }
    }
}

impl<C: Default> fmt::Debug for Permit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.replica.id)
    }
}
