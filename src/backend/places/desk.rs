//! One supervisor's desk at the places.

use std::sync::Arc;

use tokio::sync::Notify;

use super::arbiter::{Party, Standing};
use super::{Counter, Hall, Place, Places, Taken};
use crate::autoscale::Shortage;
use crate::counting::size;
use crate::ports::Occupancy;
use crate::revision::{ReplicaId, RevisionId};

/// One supervisor's desk at the places.
pub(in crate::backend) struct Desk {
    places: Places,
    party: Party,
    call: Arc<Notify>,
}

/// What a supervisor asks for.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend) struct Ask {
    /// For whom.
    pub(in crate::backend) replica: ReplicaId,
    /// Devices that it has to itself.
    pub(in crate::backend) devices: u32,
    /// Nothing of this revision serves or is on its way.
    pub(in crate::backend) is_bare: bool,
}

impl Desk {
    /// `keeps` replicas of this revision are never taken.
    pub(in crate::backend) fn new(
        places: Places,
        name: RevisionId,
        keeps: u32,
        occupancy: Arc<dyn Occupancy>,
    ) -> Self {
        let call = Arc::new(Notify::new());
        let mut hall = places.0.lock();
        let party = hall.arbiter.join(name, size(keeps));
        occupancy.tell_idle(hall.listens);
        let counter = Counter {
            occupancy,
            call: Arc::clone(&call),
            looks: false,
            is_bare: true,
            granted: None,
            taken: Vec::new(),
            told: None,
        };
        hall.counters.insert(party, counter);
        drop(hall);
        Self {
            places,
            party,
            call,
        }
    }

    /// From now on so many replicas are never taken.
    pub(in crate::backend) fn keep(&self, keeps: u32) {
        self.places.0.lock().arbiter.keep(self.party, size(keeps));
    }

    /// The supervisor looks at its replicas: until it has told how they stand nothing more is
    /// taken. Returns what was.
    pub(in crate::backend) fn sit_down(&self) -> Vec<Taken> {
        let mut hall = self.places.0.lock();
        hall.arbiter.shut(self.party);
        let counter = self.counter(&mut hall);
        counter.looks = true;
        std::mem::take(&mut counter.taken)
    }

    /// How the replicas stand now. Whatever happens from here on, the supervisor is called.
    pub(in crate::backend) fn get_up(&self, standings: &[(ReplicaId, Standing)]) {
        let mut hall = self.places.0.lock();
        hall.arbiter.open(self.party, standings);
        let counter = self.counter(&mut hall);
        counter.looks = false;
        if counter.granted.is_some() {
            counter.call();
        }
        hall.settle();
    }

    /// A place, or a turn in the line for one.
    pub(in crate::backend) fn take(&self, ask: Ask) -> Option<Place> {
        let mut hall = self.places.0.lock();
        let devices = size(ask.devices);
        self.counter(&mut hall).is_bare = ask.is_bare;
        let granted = self.counter(&mut hall).granted;
        let fits = granted.is_some_and(|place| hall.arbiter.devices(place).len() == devices);
        if !fits {
            self.give_back(&mut hall);
            hall.arbiter.ask(self.party, devices);
            hall.settle();
        }
        let id = self.counter(&mut hall).granted.take()?;
        hall.arbiter.assign(id, ask.replica);
        Some(Place {
            places: self.places.clone(),
            id,
            devices: hall.arbiter.devices(id),
        })
    }

    /// Nothing is to be started: gives back what was reserved.
    pub(in crate::backend) fn leave(&self) {
        let mut hall = self.places.0.lock();
        hall.arbiter.withdraw(self.party);
        self.give_back(&mut hall);
        self.counter(&mut hall).told = None;
    }

    /// Waits until something was granted or taken, or something else is lacking or elsewhere.
    pub(in crate::backend) async fn called(&self) {
        self.call.notified().await;
    }

    /// What a start waits for.
    pub(in crate::backend) fn shortage(&self) -> Option<Shortage> {
        self.places.0.lock().arbiter.lacks(self.party)
    }

    /// Why a start waits, for a person.
    pub(in crate::backend) fn complaint(&self) -> Option<String> {
        self.places.0.lock().arbiter.complaint(self.party)
    }

    fn give_back(&self, hall: &mut Hall) {
        if let Some(place) = self.counter(hall).granted.take() {
            hall.arbiter.release(place);
        }
    }

    fn counter<'a>(&self, hall: &'a mut Hall) -> &'a mut Counter {
        hall.counters
            .get_mut(&self.party)
            .expect("a desk has its counter until it is dropped")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let mut hall = self.places.0.lock();
        self.give_back(&mut hall);
        hall.counters.remove(&self.party);
        hall.arbiter.quit(self.party);
        hall.settle();
    }
}
