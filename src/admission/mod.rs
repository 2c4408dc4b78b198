//! Admission: the decision whether a request is admitted to a replica, queued or refused.
//!
//! One authority per revision: replicas, slots, the line and the meter sit in one value and change
//! together, so that a freed slot goes to the head of the line in the same step. It decides and
//! counts; it neither waits nor wakes anybody (the throttler does) and has no clock of its own.

mod fair;
pub mod line;
pub mod meter;
mod patience;
pub mod pick;
mod read;
mod service;
mod shares;
pub mod slots;
mod terms;
mod verdict;

use std::time::{Duration, Instant};

use crate::counting::count;
use crate::revision::{ContainerConcurrency, QueueLimits, ReplicaId};
pub use line::Parts;
pub use patience::{Starts, deadline, warm_since};
pub use shares::Holding;
pub use terms::{Class, Deadline, Tenant, Terms};
pub use verdict::{Back, Full, Grant, Left, Reading, Seat, Ticket, Verdict};

use line::Line;
use meter::Meter;
use shares::Shares;
use slots::Slots;

/// Replicas, their slots, the line and the meter of one revision. `R` is what the caller keeps
/// beside each replica.
#[derive(Debug)]
pub struct Admission<R> {
    limit: ContainerConcurrency,
    bounds: QueueLimits,
    /// `Vec`, not a map: least-loaded scans it for every request.
    replicas: Vec<Slots<R>>,
    line: Line,
    meter: Meter,
    arrivals: u64,
    /// Where the scan begins, so that equally loaded replicas take turns.
    turn: usize,
    typical_service: Option<Duration>,
    starts: Starts,
    /// Retired before they were listed.
    retired_early: Vec<ReplicaId>,
    shares: Shares,
}

impl<R: Clone> Admission<R> {
    /// No replicas, nobody waiting.
    #[must_use]
    pub fn new(limit: ContainerConcurrency, bounds: QueueLimits, now: Instant) -> Self {
        Self {
            limit,
            bounds,
            replicas: Vec::new(),
            line: Line::new(bounds.order, now),
            meter: Meter::new(now),
            arrivals: 0,
            turn: 0,
            typical_service: None,
            starts: Starts::default(),
            retired_early: Vec::new(),
            shares: Shares::default(),
        }
    }

    /// A request arrives, with `bytes` of body to be held should it have to wait.
    pub fn arrive(&mut self, bytes: u64, now: Instant) -> Verdict {
        self.arrive_on(bytes, now, || Ok(Terms::default()))
    }

    /// The same on terms of its own, which are asked for only where it does not get a slot at once;
    /// then it may turn out that it cannot wait.
    pub fn arrive_on(
        &mut self,
        bytes: u64,
        now: Instant,
        terms: impl FnOnce() -> Result<Terms, Full>,
    ) -> Verdict {
        let ticket = Ticket(self.arrivals);
        if self.line.is_empty()
            && let Some(seat) = self.take_slot()
        {
            self.arrivals += 1;
            self.meter.arrive(now);
            return Verdict::Admitted(ticket, seat);
        }
        let terms = match terms() {
            Ok(terms) => terms,
            Err(full) => return Verdict::Refused(full),
        };
        if let Some(wait) = self.is_too_late(terms, now) {
            // It is as good a sign as any that somebody wants what is on its way.
            self.meter.turn_away(now);
            return Verdict::Late(wait);
        }
        let mut instead = None;
        if let Some(full) = self.is_full(bytes) {
            let bound = (bytes, self.bounds.max_bytes);
            instead = self.line.gives_way(bound, terms, now);
            if instead.is_none_or(|ticket| !self.cancel(ticket, now)) {
                return Verdict::Refused(full);
            }
        }
        self.arrivals += 1;
        self.meter.arrive(now);
        self.line.join(ticket, bytes, terms, now);
        match instead {
            None => Verdict::Queued(ticket),
            Some(other) => Verdict::QueuedInstead(ticket, other),
        }
    }

    fn is_full(&self, bytes: u64) -> Option<Full> {
        if self.line.len() >= self.bounds.max_requests {
            return Some(Full::Requests);
        }
        let over = self.line.bytes().saturating_add(bytes) > self.bounds.max_bytes;
        over.then_some(Full::Bytes)
    }

    /// What is known of replicas on their way, for those who have no time to wait for one.
    pub fn expect(&mut self, starts: Starts) {
        self.starts = starts;
    }

    /// Who would be served before a ticket if nobody else came; `None` if it does not wait.
    pub fn position(&mut self, ticket: Ticket, now: Instant) -> Option<usize> {
        self.line.position(ticket, now)
    }

    /// Of whom a fair line is made.
    #[must_use]
    pub fn parts(&self) -> Option<Parts> {
        self.line.parts()
    }

    /// A request arrives while no replica can come, and is not let in.
    pub fn turn_away(&mut self, now: Instant) {
        self.meter.turn_away(now);
    }

    /// A waiting request's body turns out larger than announced. False: over the byte bound. What
    /// is no longer in line is bounded by its replica.
    pub fn hold_more(&mut self, ticket: Ticket, bytes: u64) -> bool {
        if !self.line.contains(ticket) {
            return true;
        }
        let fits = self.line.bytes().saturating_add(bytes) <= self.bounds.max_bytes;
        if fits {
            self.line.hold_more(ticket, bytes);
        }
        fits
    }

    /// A request is over: its slot goes to the head of the line, or becomes free, or back to whom it
    /// is owed.
    pub fn leave(&mut self, seat: Seat, occupied: Duration, now: Instant) -> Left {
        self.meter.leave(now);
        self.typical_service = Some(smooth(self.typical_service, occupied));
        self.vacate(seat, now)
    }

    /// The client of a running request has left. The slot stays occupied: the replica still works.
    pub fn abandon(&mut self, now: Instant) {
        self.meter.leave(now);
    }

    /// The replica is done with an abandoned request.
    pub fn vacate(&mut self, seat: Seat, now: Instant) -> Left {
        let Some(index) = self.find(seat) else {
            return Left::default();
        };
        let slots = &mut self.replicas[index];
        slots.give_back(now);
        self.shares.pay(slots);
        let vacant = slots.in_flight == 0;
        let vacated = vacant && (slots.retired || slots.draining);
        if vacant && !slots.present {
            self.shares.unlist(&self.replicas.swap_remove(index));
            return Left {
                vacated,
                ..Left::default()
            };
        }
        let serves = slots.serves();
        let free = slots.is_free(self.limit);
        let grant = if free {
            self.seat_next(index, now)
        } else {
            None
        };
        Left {
            idled: vacant && serves && grant.is_none(),
            grant,
            vacated,
        }
    }

    /// A replica could not be reached: it gets nothing more until it is restored, and the request
    /// goes elsewhere or back to its own place in line. Bounds do not apply: it was accepted.
    pub fn rebuff(&mut self, ticket: Ticket, seat: Seat, back: Back, now: Instant) -> Verdict {
        if let Some(index) = self.find(seat) {
            self.replicas[index].suspect = true;
        }
        // Nobody takes the slot: what cannot be reached is never free.
        let _ = self.vacate(seat, now);
        if let Some(seat) = self.take_slot() {
            return Verdict::Admitted(ticket, seat);
        }
        self.line.rejoin(ticket, back, now);
        Verdict::Queued(ticket)
    }

    /// A replica that could not be reached can be again.
    pub fn restore(&mut self, replica: ReplicaId, now: Instant) -> Vec<Grant> {
        if let Some(slots) = self.replicas.iter_mut().find(|s| s.id == replica) {
            slots.suspect = false;
        }
        self.seat_waiting(now)
    }

    /// A waiting request leaves the line. False: it was not in it.
    pub fn cancel(&mut self, ticket: Ticket, now: Instant) -> bool {
        let waited = self.line.remove(ticket);
        if waited {
            self.meter.leave(now);
        }
        waited
    }

    /// Empties the line, oldest first: none of them can be served.
    pub fn dismiss(&mut self, now: Instant) -> Vec<Ticket> {
        let tickets = self.line.drain();
        for _ in &tickets {
            self.meter.leave(now);
        }
        tickets
    }

    /// Changes the bounds in place. A lower limit interrupts nobody.
    pub fn set_limits(
        &mut self,
        limit: ContainerConcurrency,
        bounds: QueueLimits,
        now: Instant,
    ) -> Vec<Grant> {
        self.limit = limit;
        self.bounds = bounds;
        self.line.set_order(bounds.order, now);
        self.seat_waiting(now)
    }

    /// So many replicas are enough: the most loaded of them work on, the others rest, so that they
    /// fall idle. `None` wakes all of them.
    pub fn rest(&mut self, enough: Option<u32>) {
        let Some(enough) = enough else {
            self.replicas.iter_mut().for_each(|s| s.resting = false);
            return;
        };
        let mut serving: Vec<usize> = (0..self.replicas.len())
            .filter(|&index| self.replicas[index].serves())
            .collect();
        serving.sort_by_key(|&index| std::cmp::Reverse(self.replicas[index].in_flight));
        for (place, index) in (0..).zip(serving) {
            self.replicas[index].resting = place >= enough;
        }
    }

    /// Exactly these rest.
    pub fn rest_these(&mut self, replicas: &[ReplicaId]) {
        for slots in &mut self.replicas {
            slots.resting = replicas.contains(&slots.id);
        }
    }

    /// What the caller keeps beside the replica of a seat.
    #[must_use]
    pub fn kept(&self, seat: Seat) -> Option<&R> {
        self.find(seat).map(|index| &self.replicas[index].kept)
    }

    /// What the caller keeps beside every replica.
    pub fn every_kept(&self) -> impl Iterator<Item = &R> {
        self.replicas.iter().map(|slots| &slots.kept)
    }

    /// Replicas that take requests, full ones included.
    #[must_use]
    pub fn serving(&self) -> u32 {
        count(self.replicas.iter().filter(|s| s.serves()).count())
    }

    /// Requests waiting in line.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Bytes that they hold or have announced.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.line.bytes()
    }

    /// The average since the last report, and how many arrived.
    pub fn report(&mut self, now: Instant) -> meter::Report {
        self.meter.report(now)
    }

    fn take_slot(&mut self) -> Option<Seat> {
        let index = pick::pick(&self.replicas, self.limit, self.turn)?;
        self.turn = index + 1;
        Some(self.sit(index))
    }

    fn sit(&mut self, index: usize) -> Seat {
        let slots = &mut self.replicas[index];
        slots.in_flight += 1;
        Seat {
            replica: slots.id,
            hint: index,
        }
    }

    fn seat_next(&mut self, index: usize, now: Instant) -> Option<Grant> {
        let ticket = self.line.pop(now)?;
        Some(Grant {
            ticket,
            seat: self.sit(index),
        })
    }

    fn seat_waiting(&mut self, now: Instant) -> Vec<Grant> {
        let mut grants = Vec::new();
        while !self.line.is_empty()
            && let Some(seat) = self.take_slot()
            && let Some(ticket) = self.line.pop(now)
        {
            grants.push(Grant { ticket, seat });
        }
        grants
    }

    fn find(&self, seat: Seat) -> Option<usize> {
        match self.replicas.get(seat.hint) {
            Some(slots) if slots.id == seat.replica => Some(seat.hint),
            _ => self.replicas.iter().position(|s| s.id == seat.replica),
        }
    }
}

/// Exponential smoothing, a fifth of the newest: a handful of answers make the estimate, one
/// outlier does not.
fn smooth(old: Option<Duration>, new: Duration) -> Duration {
    old.map_or(new, |old| (old * 4 + new) / 5)
}
