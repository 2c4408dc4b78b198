//! Who gets the places and devices of one machine, as plain data: what is free goes to whoever
//! waits, urgent ones first, then in the order they came; who is urgent and finds nothing takes
//! from an idle replica of another revision. Who is idle, who is urgent and what becomes of a
//! replica that was taken is left to others.

mod grant;
mod take;
mod words;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::autoscale::Shortage;
use crate::revision::{ReplicaId, RevisionId};

/// One revision at this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party(u64);

/// One process's place with the devices that belong to it, from before its start until nothing is
/// left of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId(u64);

/// What a replica is about, as far as its place is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On its way, or finishing what it has: its place is not to be had.
    Kept,
    /// In service since then: its place is to be had when it is idle.
    Serving(Instant),
    /// It ends: its place will be free.
    Going,
}

/// A replica that nobody needs just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Whose.
    pub party: Party,
    /// Which one.
    pub replica: ReplicaId,
    /// When its last request left it; `None` before it had one.
    pub since: Option<Instant>,
}

/// An idle replica that has to give up its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taking {
    /// Which one.
    pub idle: Idle,
    /// For whom.
    pub by: RevisionId,
}

/// Places, devices, who holds them and who waits for them.
#[derive(Debug)]
pub struct Arbiter {
    limit: usize,
    devices: Vec<String>,
    parties: BTreeMap<Party, Member>,
    places: BTreeMap<PlaceId, Held>,
    /// Counts everything that is numbered.
    counted: u64,
}

#[derive(Debug)]
struct Member {
    name: RevisionId,
    /// So many of its replicas are never taken.
    keeps: usize,
    /// It is busy with its own replicas: nothing is taken behind its back.
    shut: bool,
    wish: Option<Wish>,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    turn: u64,
    devices: usize,
    urgent: bool,
    lacks: Shortage,
}

#[derive(Debug)]
struct Held {
    party: Party,
    replica: Option<ReplicaId>,
    /// Their numbers in the pool.
    devices: Vec<usize>,
    standing: Standing,
}

/// So many places and devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    places: usize,
    devices: usize,
}

impl Arbiter {
    /// So many processes at once, and these devices; all of them are free.
    #[must_use]
    pub const fn new(limit: usize, devices: Vec<String>) -> Self {
        Self {
            limit,
            devices,
            parties: BTreeMap::new(),
            places: BTreeMap::new(),
            counted: 0,
        }
    }

    /// These are the devices, where there were none.
    pub fn equip(&mut self, devices: Vec<String>) {
        if self.devices.is_empty() {
            self.devices = devices;
        }
    }

    /// A revision comes, of which `keeps` replicas are never taken.
    pub fn join(&mut self, name: RevisionId, keeps: usize) -> Party {
        let party = Party(self.count());
        let member = Member {
            name,
            keeps,
            shut: false,
            wish: None,
        };
        self.parties.insert(party, member);
        party
    }

    /// It goes; what it holds it gives back place by place.
    pub fn quit(&mut self, party: Party) {
        self.parties.remove(&party);
    }

    /// From now on so many of its replicas are never taken.
    pub fn keep(&mut self, party: Party, keeps: usize) {
        self.member(party).keeps = keeps;
    }

    /// Nothing is taken from it until it has told how its replicas stand.
    pub fn shut(&mut self, party: Party) {
        self.member(party).shut = true;
    }

    /// How its replicas stand now. What it holds for one that it does not name is kept.
    pub fn open(&mut self, party: Party, standings: &[(ReplicaId, Standing)]) {
        self.member(party).shut = false;
        for held in self.places.values_mut().filter(|p| p.party == party) {
            let named = standings.iter().find(|(id, _)| held.replica == Some(*id));
            held.standing = named.map_or(Standing::Kept, |(_, standing)| *standing);
        }
    }

    /// It wants a place with so many devices. Asking again changes the wish, and keeps its turn.
    pub fn ask(&mut self, party: Party, devices: usize) {
        let turn = self.count();
        let member = self.member(party);
        let wish = member.wish.get_or_insert(Wish {
            turn,
            devices,
            urgent: false,
            lacks: Shortage::MaxProcesses,
        });
        wish.devices = devices;
    }

    /// It wants none.
    pub fn withdraw(&mut self, party: Party) {
        self.member(party).wish = None;
    }

    /// Requests wait there that nothing of its own serves or will serve; or no longer.
    pub fn set_urgent(&mut self, party: Party, urgent: bool) {
        if let Some(wish) = &mut self.member(party).wish {
            wish.urgent = urgent;
        }
    }

    /// A place that was granted is for this replica.
    pub fn assign(&mut self, place: PlaceId, replica: ReplicaId) {
        if let Some(held) = self.places.get_mut(&place) {
            held.replica = Some(replica);
        }
    }

    /// The names of the devices that belong to a place.
    #[must_use]
    pub fn devices(&self, place: PlaceId) -> Vec<String> {
        let held = self.places.get(&place);
        let numbers = held.into_iter().flat_map(|held| &held.devices);
        numbers.map(|&i| self.devices[i].clone()).collect()
    }

    /// Nothing is left of what ran there.
    pub fn release(&mut self, place: PlaceId) {
        self.places.remove(&place);
    }

    /// Everybody who waits.
    pub fn waiting(&self) -> impl Iterator<Item = Party> {
        let waits = |(_, member): &(&Party, &Member)| member.wish.is_some();
        self.parties.iter().filter(waits).map(|(party, _)| *party)
    }

    fn member(&mut self, party: Party) -> &mut Member {
        self.parties
            .get_mut(&party)
            .expect("a party asks while it is there")
    }

    const fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }
}
