//! A replica, and what the data path keeps beside it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::revision::{Endpoint, ReplicaId};

/// What the data path keeps beside a replica: its connections.
pub trait Kept: Default {
    /// The replica is going away or not there any more, so that nothing is kept and nothing begun; or it
    /// is there (again).
    fn leaves(&self, leaving: bool);
}

impl Kept for () {
    fn leaves(&self, _leaving: bool) {}
}

/// A replica as a permit's holder sees it.
#[derive(Debug)]
pub struct Replica<C> {
    /// Which one.
    pub id: ReplicaId,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// What the data path keeps for it: its connections.
    pub connections: C,
    /// It has answered nothing after a start that was seen from its beginning.
    pub(super) is_new: AtomicBool,
}

impl<C> Replica<C> {
    /// It answers: whether this is its first answer after a start that was seen from its beginning.
    pub fn answers_first(&self) -> bool {
        self.is_new.load(Relaxed) && self.is_new.swap(false, Relaxed)
    }
}
