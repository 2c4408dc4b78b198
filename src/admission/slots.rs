//! One replica's counting semaphore, as data.

use std::time::Instant;

use crate::revision::{ContainerConcurrency, ReplicaId};

/// The share of a replica that nobody else uses, or that has no hard limit.
pub const WHOLE: u32 = u32::MAX;

/// What one replica holds and whether it may take more.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is told by somebody else, and all of them may hold at once"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots<R> {
    /// Whose.
    pub id: ReplicaId,
    /// Occupied slots.
    pub in_flight: u32,
    /// How many of its slots a new request may find to be ours.
    pub share: u32,
    /// Slots that are ours until what runs in them has ended, and then are not.
    pub owed: u32,
    /// When the last slot was given back; `None` before any was.
    pub vacant_since: Option<Instant>,
    /// The world lists it as ready. False while it has flapped out with requests still inside.
    pub present: bool,
    /// Taken out of service: finishes what it has.
    pub retired: bool,
    /// The world says that it is going away: finishes what it has.
    pub draining: bool,
    /// Could not be reached; probed until it can.
    pub suspect: bool,
    /// To fall idle: takes a request only where no other can.
    pub resting: bool,
    /// What the caller keeps beside it.
    pub kept: R,
}

impl<R> Slots<R> {
    pub(super) fn new(id: ReplicaId, share: u32, kept: R) -> Self {
        Self {
            id,
            in_flight: 0,
            share,
            owed: 0,
            vacant_since: None,
            present: true,
            retired: false,
            draining: false,
            suspect: false,
            resting: false,
            kept,
        }
    }

    /// Whether it is there to take requests, though it may not be reached just now.
    #[must_use]
    pub fn is_in_service(&self) -> bool {
        self.present && !self.retired && !self.draining
    }

    /// Whether it takes requests at all.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.is_in_service() && !self.suspect
    }

    /// Whether it takes one more.
    #[must_use]
    pub fn is_free(&self, limit: ContainerConcurrency) -> bool {
        self.serves() && self.in_flight < limit.slots().min(self.share)
    }

    /// Slots that are ours, to be used or to be returned.
    #[must_use]
    pub fn ours(&self) -> u32 {
        self.share.saturating_add(self.owed)
    }

    /// Slots that are ours and in which nothing runs.
    #[must_use]
    pub fn idle(&self) -> u32 {
        self.share.saturating_sub(self.in_flight)
    }

    /// What is owed and in which nothing runs any more: it is ours no longer.
    pub(super) fn settle(&mut self) -> u32 {
        let settled = self.owed.min(self.ours() - self.in_flight);
        self.owed -= settled;
        settled
    }

    /// Up to so many idle slots, which are ours no longer.
    pub(super) fn spare(&mut self, most: u32) -> u32 {
        let spared = self.idle().min(most);
        self.share -= spared;
        spared
    }

    pub(super) fn give_back(&mut self, now: Instant) {
        self.in_flight = self
            .in_flight
            .checked_sub(1)
            .expect("a seat is given back once");
        self.vacant_since = Some(now);
    }

    pub(super) fn bare(&self) -> Slots<()> {
        Slots {
            id: self.id,
            in_flight: self.in_flight,
            share: self.share,
            owed: self.owed,
            vacant_since: self.vacant_since,
            present: self.present,
            retired: self.retired,
            draining: self.draining,
            suspect: self.suspect,
            resting: self.resting,
            kept: (),
        }
    }
}
