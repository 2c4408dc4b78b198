//! One replica's counting semaphore, as data.

use crate::revision::{ContainerConcurrency, ReplicaId};

/// What one replica holds and whether it may take more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots<R> {
    /// Whose.
    pub id: ReplicaId,
    /// Occupied slots.
    pub in_flight: u32,
    /// The world lists it as ready. False while it has flapped out with requests still inside.
    pub present: bool,
    /// Taken out of service: finishes what it has.
    pub retired: bool,
    /// Could not be reached; probed until it can.
    pub suspect: bool,
    /// To fall idle: takes a request only where no other can.
    pub resting: bool,
    /// What the caller keeps beside it.
    pub kept: R,
}

impl<R> Slots<R> {
    pub(super) fn new(id: ReplicaId, kept: R) -> Self {
        Self {
            id,
            in_flight: 0,
            present: true,
            retired: false,
            suspect: false,
            resting: false,
            kept,
        }
    }

    /// Whether it takes requests at all.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.present && !self.retired && !self.suspect
    }

    /// Whether it takes one more.
    #[must_use]
    pub fn is_free(&self, limit: ContainerConcurrency) -> bool {
        self.serves() && self.in_flight < limit.slots()
    }

    pub(super) fn give_back(&mut self) {
        self.in_flight = self
            .in_flight
            .checked_sub(1)
            .expect("a seat is given back once");
    }

    pub(super) fn bare(&self) -> Slots<()> {
        Slots {
            id: self.id,
            in_flight: self.in_flight,
            present: self.present,
            retired: self.retired,
            suspect: self.suspect,
            resting: self.resting,
            kept: (),
        }
    }
}
