//! The words of admission: what is asked, answered and read.

use std::time::{Duration, Instant};

use super::slots::Slots;
use super::{Parts, Terms};
use crate::revision::ReplicaId;

/// A request's place in the order of arrival. Lower came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

impl Ticket {
    /// Its number, from 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// One occupied slot: whose, and where to look for it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The replica that holds the slot.
    pub replica: ReplicaId,
    /// Its index when the seat was taken. A hint: the list may have changed since.
    pub(super) hint: usize,
}

/// What becomes of an arriving request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has a slot.
    Admitted(Ticket, Seat),
    /// It waits in line.
    Queued(Ticket),
    /// It waits in the line, which was full, and another, the second, does so no longer.
    QueuedInstead(Ticket, Ticket),
    /// The line is full.
    Refused(Full),
    /// Its deadline would pass before its answer could be there: it would wait at least so long.
    Late(Duration),
}

/// What a line is full by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// As many requests wait as may.
    Requests,
    /// They hold as many bytes as they may.
    Bytes,
    /// As many requests wait as may wait for all revisions together.
    AllRequests,
    /// Those hold as many bytes as they may.
    AllBytes,
}

/// A request that goes back to its place in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// What it holds.
    pub bytes: u64,
    /// On what terms it waits.
    pub terms: Terms,
    /// When it arrived.
    pub since: Instant,
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
    /// The replica was retired or drains, and now holds nothing.
    pub vacated: bool,
    /// The replica is in service and now holds nothing.
    pub idled: bool,
}

/// The present numbers of one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Requests waiting.
    pub waiting: usize,
    /// Bytes of request bodies that waiting requests hold or have announced.
    pub waiting_bytes: u64,
    /// Of whom the line is made, where it is a fair one.
    pub parts: Option<Parts>,
    /// When the one that has waited longest arrived.
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
