//! Admission: the decision whether a request is admitted to a replica, queued or refused.
//!
//! One authority per revision: replicas, slots, the line and the meter sit in one value and change
//! together, so that a freed slot goes to the head of the line in the same step. It decides and
//! counts; it neither waits nor wakes anybody (the throttler does) and has no clock of its own.

pub mod line;
pub mod meter;
pub mod pick;
pub mod slots;

use std::time::{Duration, Instant};

use crate::revision::{ContainerConcurrency, QueueLimits, ReplicaId};
use line::Line;
use meter::Meter;
use slots::Slots;

/// A request's place in the order of arrival. Lower came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// One occupied slot: whose, and where to look for it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The replica that holds the slot.
    pub replica: ReplicaId,
    /// Its index when the seat was taken. A hint: the list may have changed since.
    hint: usize,
}

/// What becomes of an arriving request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has a slot.
    Admitted(Ticket, Seat),
    /// It waits in line.
    Queued(Ticket),
    /// The line is full, by count or by bytes.
    Refused,
}

/// A ticket that got a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose turn it is.
    pub ticket: Ticket,
    /// Where it goes.
    pub seat: Seat,
}

/// What follows from a slot being given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The head of the line, if it took the slot.
    pub grant: Option<Grant>,
    /// The replica is retired and now holds nothing.
    pub vacated: bool,
}

/// The present numbers of one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Requests waiting.
    pub waiting: usize,
    /// Bytes of request bodies that waiting requests hold or have announced.
    pub waiting_bytes: u64,
    /// When the one at the head of the line arrived.
    pub oldest: Option<Instant>,
    /// Slots occupied, over all replicas.
    pub running: u32,
    /// Replicas that take requests.
    pub serving: u32,
    /// Every replica with what it holds.
    pub replicas: Vec<Slots<()>>,
    /// Smoothed time a slot stays occupied.
    pub typical_service: Option<Duration>,
    /// No request waits or runs since then; `None` while one does.
    pub idle_since: Option<Instant>,
}

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
}

impl<R: Clone> Admission<R> {
    /// No replicas, nobody waiting.
    #[must_use]
    pub fn new(limit: ContainerConcurrency, bounds: QueueLimits, now: Instant) -> Self {
        Self {
            limit,
            bounds,
            replicas: Vec::new(),
            line: Line::default(),
            meter: Meter::new(now),
            arrivals: 0,
            turn: 0,
            typical_service: None,
        }
    }

    /// A request arrives, with `bytes` of body to be held should it have to wait.
    pub fn arrive(&mut self, bytes: u64, now: Instant) -> Verdict {
        let ticket = Ticket(self.arrivals);
        if self.line.is_empty()
            && let Some(seat) = self.take_slot()
        {
            self.arrivals += 1;
            self.meter.arrive(now);
            return Verdict::Admitted(ticket, seat);
        }
        let full = self.line.len() >= self.bounds.max_requests
            || self.line.bytes().saturating_add(bytes) > self.bounds.max_bytes;
        if full {
            return Verdict::Refused;
        }
        self.arrivals += 1;
        self.meter.arrive(now);
        self.line.join(ticket, bytes, now);
        Verdict::Queued(ticket)
    }

    /// A waiting request's body turns out larger than announced. False: over the byte bound.
    pub fn hold_more(&mut self, ticket: Ticket, bytes: u64) -> bool {
        let fits = self.line.bytes().saturating_add(bytes) <= self.bounds.max_bytes;
        fits && self.line.hold_more(ticket, bytes)
    }

    /// A request is over: its slot goes to the head of the line, or becomes free.
    pub fn leave(&mut self, seat: Seat, occupied: Duration, now: Instant) -> Left {
        self.meter.leave(now);
        self.typical_service = Some(smooth(self.typical_service, occupied));
        self.vacate(seat)
    }

    /// The client of a running request has left. The slot stays occupied: the replica still works.
    pub fn abandon(&mut self, now: Instant) {
        self.meter.leave(now);
    }

    /// The replica is done with an abandoned request.
    pub fn vacate(&mut self, seat: Seat) -> Left {
        let Some(index) = self.find(seat) else {
            return Left::default();
        };
        let slots = &mut self.replicas[index];
        slots.give_back();
        let vacated = slots.retired && slots.in_flight == 0;
        if !slots.present && slots.in_flight == 0 {
            self.replicas.swap_remove(index);
            return Left {
                grant: None,
                vacated,
            };
        }
        let free = slots.is_free(self.limit);
        let grant = if free { self.seat_next(index) } else { None };
        Left { grant, vacated }
    }

    /// A replica could not be reached: it gets nothing more until it is restored, and the request
    /// goes elsewhere or back to its own place in line. Bounds do not apply: it was accepted.
    pub fn rebuff(
        &mut self,
        ticket: Ticket,
        seat: Seat,
        bytes: u64,
        now: Instant,
    ) -> (Verdict, Left) {
        if let Some(index) = self.find(seat) {
            self.replicas[index].suspect = true;
        }
        let left = self.vacate(seat);
        let verdict = if let Some(seat) = self.take_slot() {
            Verdict::Admitted(ticket, seat)
        } else {
            self.line.join(ticket, bytes, now);
            Verdict::Queued(ticket)
        };
        (verdict, left)
    }

    /// A replica that could not be reached can be again.
    pub fn restore(&mut self, replica: ReplicaId) -> Vec<Grant> {
        if let Some(slots) = self.replicas.iter_mut().find(|s| s.id == replica) {
            slots.suspect = false;
        }
        self.seat_waiting()
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

    /// The replicas that exist and are ready. One that is missing takes nothing more, but keeps
    /// its count until what it holds has ended, and finds it again when it comes back.
    pub fn set_replicas(&mut self, ready: &[(ReplicaId, R)]) -> Vec<Grant> {
        for slots in &mut self.replicas {
            slots.present = false;
        }
        for (id, kept) in ready {
            match self.replicas.iter_mut().find(|s| s.id == *id) {
                Some(slots) => slots.present = true,
                None => self.replicas.push(Slots::new(*id, kept.clone())),
            }
        }
        self.replicas.retain(|s| s.present || s.in_flight > 0);
        self.seat_waiting()
    }

    /// Changes the bounds in place. A lower limit interrupts nobody.
    pub fn set_limits(&mut self, limit: ContainerConcurrency, bounds: QueueLimits) -> Vec<Grant> {
        self.limit = limit;
        self.bounds = bounds;
        self.seat_waiting()
    }

    /// Takes up to `count` replicas out of service: idle ones first, then the least busy, the
    /// newest first among equals.
    pub fn retire(&mut self, count: usize) -> Vec<ReplicaId> {
        let mut serving: Vec<usize> = self.indices(|s| s.present && !s.retired);
        serving.sort_by_key(|&i| {
            (
                self.replicas[i].in_flight,
                std::cmp::Reverse(self.replicas[i].id),
            )
        });
        serving.truncate(count);
        self.mark_retired(&serving, true)
    }

    /// Takes one replica out of service.
    pub fn retire_one(&mut self, replica: ReplicaId) {
        let named = self.indices(|s| s.id == replica);
        self.mark_retired(&named, true);
    }

    /// Puts up to `count` retired replicas back, the busiest first.
    pub fn revive(&mut self, count: usize) -> (Vec<ReplicaId>, Vec<Grant>) {
        let mut retired: Vec<usize> = self.indices(|s| s.present && s.retired);
        retired.sort_by_key(|&i| std::cmp::Reverse(self.replicas[i].in_flight));
        retired.truncate(count);
        let revived = self.mark_retired(&retired, false);
        (revived, self.seat_waiting())
    }

    /// Whether a replica holds nothing (an unknown one holds nothing).
    #[must_use]
    pub fn is_vacant(&self, replica: ReplicaId) -> bool {
        self.replicas
            .iter()
            .all(|s| s.id != replica || s.in_flight == 0)
    }

    /// Whether the world still reports a replica as there.
    #[must_use]
    pub fn lists(&self, replica: ReplicaId) -> bool {
        self.replicas.iter().any(|s| s.id == replica && s.present)
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
        let n = self.replicas.iter().filter(|s| s.serves()).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// Requests waiting in line.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// The average since the last report, and how many arrived.
    pub fn report(&mut self, now: Instant) -> meter::Report {
        self.meter.report(now)
    }

    /// Requests here, waiting or running for a client, and since when there is none.
    #[must_use]
    pub fn demand(&self) -> (u32, Option<Instant>) {
        (self.meter.in_flight(), self.meter.idle_since())
    }

    /// How long a request that arrives now may have to wait for a slot, from measured service
    /// times; `None` before the first answer or with no replica.
    #[must_use]
    pub fn estimated_wait(&self) -> Option<Duration> {
        let slots = u64::from(self.serving()).saturating_mul(u64::from(self.limit.slots()));
        let rounds = (self.line.len() as u64 + 1).div_ceil(slots.max(1));
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        (slots > 0).then_some(())?;
        self.typical_service
            .map(|service| service.saturating_mul(rounds))
    }

    /// The present numbers.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            waiting: self.line.len(),
            waiting_bytes: self.line.bytes(),
            oldest: self.line.oldest(),
            running: self.replicas.iter().map(|s| s.in_flight).sum(),
            serving: self.serving(),
            replicas: self.replicas.iter().map(Slots::bare).collect(),
            typical_service: self.typical_service,
            idle_since: self.meter.idle_since(),
        }
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

    fn seat_next(&mut self, index: usize) -> Option<Grant> {
        let ticket = self.line.pop()?;
        Some(Grant {
            ticket,
            seat: self.sit(index),
        })
    }

    fn seat_waiting(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        while !self.line.is_empty()
            && let Some(seat) = self.take_slot()
            && let Some(ticket) = self.line.pop()
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

    fn indices(&self, wanted: impl Fn(&Slots<R>) -> bool) -> Vec<usize> {
        (0..self.replicas.len())
            .filter(|&i| wanted(&self.replicas[i]))
            .collect()
    }

    fn mark_retired(&mut self, indices: &[usize], retired: bool) -> Vec<ReplicaId> {
        let mark = |&i: &usize| {
            self.replicas[i].retired = retired;
            self.replicas[i].id
        };
        indices.iter().map(mark).collect()
    }
}

/// Exponential smoothing, a fifth of the newest: a handful of answers make the estimate, one
/// outlier does not.
fn smooth(old: Option<Duration>, new: Duration) -> Duration {
    old.map_or(new, |old| (old * 4 + new) / 5)
}
