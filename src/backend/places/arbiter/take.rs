//! Who gives up a place for whom: urgent wishes that neither what is free nor what is on its way
//! satisfies, and the idle replicas that are of use to them.

use std::time::Instant;

use super::{Arbiter, Held, Idle, Party, Standing, Taking};
use crate::revision::ReplicaId;

impl Arbiter {
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
}
