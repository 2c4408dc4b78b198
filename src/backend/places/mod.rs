//! The places and devices of one machine, shared by the supervisors of its revisions. Each has a
//! desk: there it asks, is called when something was granted or taken, and tells how its replicas
//! stand. Who gets what is decided in [`arbiter`]; here its word is carried out.

pub mod arbiter;
mod desk;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::arbiter::{Arbiter, Idle, Party, PlaceId, Taking};
use crate::ports::Occupancy;
use crate::revision::{ReplicaId, RevisionId};

pub(super) use desk::{Ask, Desk};

/// The places and devices of one machine; clones share them.
#[derive(Clone)]
pub struct Places(Arc<Mutex<Hall>>);

/// Who decides, and everybody who is told.
struct Hall {
    arbiter: Arbiter,
    counters: BTreeMap<Party, Counter>,
    /// Replicas that fall idle are told of.
    listens: bool,
}

/// Where one supervisor is reached.
struct Counter {
    occupancy: Arc<dyn Occupancy>,
    call: Arc<Notify>,
    /// It looks for itself before it waits to be called.
    looks: bool,
    /// Nothing of its own serves or will.
    is_bare: bool,
    granted: Option<PlaceId>,
    taken: Vec<Taken>,
    /// What it was last told that its start waits for.
    told: Option<String>,
}

/// A replica that gives up its place: it was idle, and gets no further request.
pub(super) struct Taken {
    pub(super) replica: ReplicaId,
    /// For whom.
    pub(super) by: RevisionId,
}

/// One process's place and its devices, from before its start until nothing is left of its group.
pub(super) struct Place {
    places: Places,
    id: PlaceId,
    /// Their names.
    pub(super) devices: Vec<String>,
}

impl Places {
    /// So many processes at once, and no devices.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::with_devices(limit, Vec::new())
    }

    /// So many processes at once, and these devices between them.
    #[must_use]
    pub fn with_devices(limit: usize, devices: Vec<String>) -> Self {
        Self(Arc::new(Mutex::new(Hall {
            arbiter: Arbiter::new(limit, devices),
            counters: BTreeMap::new(),
            listens: false,
        })))
    }

    /// Adds devices where there were none: they were looked for late.
    pub fn equip(&self, devices: Vec<String>) {
        let mut hall = self.0.lock();
        hall.arbiter.equip(devices);
        hall.settle();
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({:?})", self.0.lock().arbiter)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hall = self.places.0.lock();
        hall.arbiter.release(self.id);
        hall.settle();
    }
}

impl Hall {
    /// Grants what can be granted, takes what may be taken, and calls everybody concerned.
    fn settle(&mut self) {
        if self.arbiter.waiting().next().is_none() {
            return self.listen(false);
        }
        self.find_urgent();
        for (party, place) in self.arbiter.grant() {
            if let Some(counter) = self.counters.get_mut(&party) {
                (counter.granted, counter.told) = (Some(place), None);
                counter.call();
            }
        }
        self.take();
        for party in self.arbiter.waiting() {
            // Who holds what it waits for is part of it.
            let complaint = self.arbiter.complaint(party);
            let counter = self.counters.get_mut(&party);
            if let Some(counter) = counter.filter(|counter| counter.told != complaint) {
                counter.told = complaint;
                counter.call();
            }
        }
    }

    fn find_urgent(&mut self) {
        let waiting: Vec<Party> = self.arbiter.waiting().collect();
        for party in waiting {
            let is_urgent = |c: &Counter| c.is_bare && c.occupancy.is_waited_for();
            let urgent = self.counters.get(&party).is_some_and(is_urgent);
            self.arbiter.set_urgent(party, urgent);
        }
    }

    fn take(&mut self) {
        let wants = self.arbiter.wants_victims();
        // Before anybody is looked at: whoever falls idle after the look is told of.
        self.listen(wants);
        if !wants {
            return;
        }
        let mut idle = self.idle();
        while let Some(Taking { idle: victim, by }) = self.arbiter.victim(&idle) {
            idle.retain(|other| *other != victim);
            let Some(counter) = self.counters.get_mut(&victim.party) else {
                continue;
            };
            // A request that came in between has won.
            if counter.occupancy.retire_idle(victim.replica) {
                self.arbiter.take(&victim);
                let replica = victim.replica;
                counter.taken.push(Taken { replica, by });
                counter.call();
            }
        }
        self.listen(self.arbiter.wants_victims());
    }

    fn idle(&self) -> Vec<Idle> {
        let mut all = Vec::new();
        for (&party, counter) in &self.counters {
            let idle = counter.occupancy.idle().into_iter();
            all.extend(idle.map(|(replica, since)| Idle {
                party,
                replica,
                since,
            }));
        }
        all
    }

    fn listen(&mut self, listens: bool) {
        if self.listens != listens {
            self.listens = listens;
            for counter in self.counters.values() {
                counter.occupancy.tell_idle(listens);
            }
        }
    }
}

impl Counter {
    fn call(&self) {
        if !self.looks {
            self.call.notify_one();
        }
    }
}
