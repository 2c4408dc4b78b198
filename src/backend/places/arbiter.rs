//! Who gets the places and devices of one machine, as plain data: what is free goes to whoever
//! waits, urgent ones first, then in the order they came; who is urgent and finds nothing takes
//! from an idle replica of another revision. Who is idle, who is urgent and what becomes of a
//! replica that was taken is left to others.

use std::cmp::Reverse;
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

    /// Gives what is free to those who wait for it. Nobody overtakes: what the first one in line
    /// still lacks devices for is held back for it, unless it cannot have enough of them anyway.
    pub fn grant(&mut self) -> Vec<(Party, PlaceId)> {
        let mut granted = Vec::new();
        let mut held_back = 0;
        for (party, wish) in self.line() {
            let free = self.free_devices();
            let short = wish.devices > 0 && free.len() < held_back + wish.devices;
            if short || self.places.len() >= self.limit {
                let lacks = if short {
                    Shortage::NoFreeGpu
                } else {
                    Shortage::MaxProcesses
                };
                self.member(party).wish = Some(Wish { lacks, ..wish });
                held_back += if self.is_in_reach(party, wish.devices) {
                    wish.devices
                } else {
                    0
                };
                continue;
            }
            let place = PlaceId(self.count());
            let held = Held {
                party,
                replica: None,
                devices: free.into_iter().take(wish.devices).collect(),
                standing: Standing::Kept,
            };
            self.places.insert(place, held);
            self.member(party).wish = None;
            granted.push((party, place));
        }
        granted
    }

    /// Who of the idle ones is taken next: the longest idle whose place helps an urgent wish that
    /// neither what is free nor what is on its way satisfies.
    ///
    /// A wish for several devices takes each as soon as it falls idle. Waiting until enough of them
    /// are idle at once might take for ever between revisions that are busy in turn.
    #[must_use]
    pub fn victim(&self, idle: &[Idle]) -> Option<Taking> {
        self.short().into_iter().find_map(|(party, lacks_devices)| {
            let helps = |idle: &&Idle| {
                let held = self.held(idle.party, idle.replica);
                let has_devices = held.is_some_and(|held| !held.devices.is_empty());
                idle.party != party && self.is_takeable(idle) && (has_devices || !lacks_devices)
            };
            let longest = |idle: &&Idle| (self.idle_since(idle), idle.party, idle.replica);
            let idle = idle.iter().filter(helps).min_by_key(longest).copied()?;
            let by = self.parties.get(&party)?.name.clone();
            Some(Taking { idle, by })
        })
    }

    /// Somebody urgent waits for more than is free or on its way.
    #[must_use]
    pub fn wants_victims(&self) -> bool {
        !self.short().is_empty()
    }

    /// This replica was taken: its place is on its way.
    pub fn take(&mut self, idle: &Idle) {
        let mut places = self.places.values_mut();
        let (party, replica) = (idle.party, Some(idle.replica));
        if let Some(held) = places.find(|p| p.party == party && p.replica == replica) {
            held.standing = Standing::Going;
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

    /// What its wish waits for; `None` when it has none.
    #[must_use]
    pub fn lacks(&self, party: Party) -> Option<Shortage> {
        Some(self.parties.get(&party)?.wish?.lacks)
    }

    /// The same for a person.
    #[must_use]
    pub fn complaint(&self, party: Party) -> Option<String> {
        let wish = self.parties.get(&party)?.wish?;
        Some(match wish.lacks {
            Shortage::MaxProcesses if self.limit == 1 => {
                "1 process is the most --max-processes allows".to_owned()
            }
            Shortage::MaxProcesses => {
                format!(
                    "{} processes are the most --max-processes allows",
                    self.limit
                )
            }
            Shortage::NoFreeGpu => self.complain_of_devices(wish.devices),
        })
    }

    fn complain_of_devices(&self, wanted: usize) -> String {
        let (free, all) = (self.free_devices().len(), self.devices.len());
        let text = match free {
            0 => "no GPU is free".to_owned(),
            _ => format!("{free} of {all} GPUs free, a replica needs {wanted}"),
        };
        let mut users: Vec<&str> = self
            .places
            .values()
            .filter(|held| !held.devices.is_empty())
            .filter_map(|held| Some(self.parties.get(&held.party)?.name.as_str()))
            .collect();
        users.sort_unstable();
        users.dedup();
        match users.as_slice() {
            [] => text,
            users => format!("{text}; in use by {}", users.join(", ")),
        }
    }

    /// Everybody who waits, urgent ones first.
    fn line(&self) -> Vec<(Party, Wish)> {
        let wishes = self.parties.iter();
        let mut line: Vec<(Party, Wish)> = wishes
            .filter_map(|(party, member)| Some((*party, member.wish?)))
            .collect();
        line.sort_by_key(|(_, wish)| (Reverse(wish.urgent), wish.turn));
        line
    }

    /// Urgent wishes that what is free or on its way does not satisfy, and whether they lack
    /// devices. It goes to them in their order, as it will when it is granted.
    fn short(&self) -> Vec<(Party, bool)> {
        let mut coming = self.free();
        for held in self.places.values() {
            if held.standing == Standing::Going {
                coming.places += 1;
                coming.devices += held.devices.len();
            }
        }
        let mut short = Vec::new();
        for (party, wish) in self.line().into_iter().take_while(|(_, wish)| wish.urgent) {
            if !self.is_in_reach(party, wish.devices) {
                continue;
            }
            let lacks_devices = coming.devices < wish.devices;
            if lacks_devices || coming.places == 0 {
                short.push((party, lacks_devices));
            }
            coming.places = coming.places.saturating_sub(1);
            coming.devices = coming.devices.saturating_sub(wish.devices);
        }
        short
    }

    /// Whether so much may ever be free: all but what stays with others, and with itself.
    fn is_in_reach(&self, party: Party, devices: usize) -> bool {
        let stay = self.parties.iter().map(|(other, member)| {
            let most = if *other == party {
                usize::MAX
            } else {
                member.keeps
            };
            let theirs = self.places.values().filter(|held| held.party == *other);
            let staying = theirs.filter(|held| held.standing != Standing::Going);
            staying.take(most).fold(Amount::default(), Amount::plus)
        });
        let stay = stay.fold(Amount::default(), |a, b| Amount {
            places: a.places + b.places,
            devices: a.devices + b.devices,
        });
        stay.places < self.limit && stay.devices + devices <= self.devices.len()
    }

    fn is_takeable(&self, idle: &Idle) -> bool {
        let Some(member) = self.parties.get(&idle.party).filter(|m| !m.shut) else {
            return false;
        };
        let serves = |held: &&Held| matches!(held.standing, Standing::Serving(_));
        let of_party = |held: &&Held| held.party == idle.party;
        let serving = self.places.values().filter(of_party).filter(serves);
        serving.count() > member.keeps
            && self
                .held(idle.party, idle.replica)
                .as_ref()
                .is_some_and(serves)
    }

    fn idle_since(&self, idle: &Idle) -> Option<Instant> {
        let ready = self.held(idle.party, idle.replica).map(|h| h.standing);
        idle.since.or(match ready {
            Some(Standing::Serving(since)) => Some(since),
            _ => None,
        })
    }

    fn held(&self, party: Party, replica: ReplicaId) -> Option<&Held> {
        let idle = |held: &&Held| held.party == party && held.replica == Some(replica);
        self.places.values().find(idle)
    }

    fn free(&self) -> Amount {
        Amount {
            places: self.limit.saturating_sub(self.places.len()),
            devices: self.free_devices().len(),
        }
    }

    fn free_devices(&self) -> Vec<usize> {
        let is_free = |i: &usize| self.places.values().all(|held| !held.devices.contains(i));
        (0..self.devices.len()).filter(is_free).collect()
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

impl Amount {
    fn plus(self, held: &Held) -> Self {
        Self {
            places: self.places + 1,
            devices: self.devices + held.devices.len(),
        }
    }
}
