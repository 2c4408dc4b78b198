//! Who gets what is free: the order of the line, and what is held back for whom.

use std::cmp::Reverse;

use super::{Amount, Arbiter, Held, Party, PlaceId, Standing, Wish};
use crate::autoscale::Shortage;

impl Arbiter {
    /// Gives what is free to those who wait for it. Nobody overtakes: what the first one in line
    /// still lacks devices for is held back for it, unless it cannot have enough of them anyway.
    pub fn grant(&mut self) -> Vec<(Party, PlaceId)> {
        let mut granted = Vec::new();
        let mut held_back = 0;
        for (party, wish) in self.line() {
            let free = self.free_devices();
            let lacks = if wish.devices > 0 && free.len() < held_back + wish.devices {
                Shortage::NoFreeGpu
            } else if self.places.len() >= self.limit {
                Shortage::MaxProcesses
            } else {
                let devices = free.into_iter().take(wish.devices).collect();
                granted.push((party, self.give(party, devices)));
                continue;
            };
            self.member(party).wish = Some(Wish { lacks, ..wish });
            if self.is_in_reach(party, wish.devices) {
                held_back += wish.devices;
            }
        }
        granted
    }

    fn give(&mut self, party: Party, devices: Vec<usize>) -> PlaceId {
        self.member(party).wish = None;
        let place = PlaceId(self.count());
        let held = Held {
            party,
            replica: None,
            devices,
            standing: Standing::Kept,
        };
        self.places.insert(place, held);
        place
    }

    /// Everybody who waits, urgent ones first.
    pub(super) fn line(&self) -> Vec<(Party, Wish)> {
        let wishes = self.parties.iter();
        let mut line: Vec<(Party, Wish)> = wishes
            .filter_map(|(party, member)| Some((*party, member.wish?)))
            .collect();
        line.sort_by_key(|(_, wish)| (Reverse(wish.urgent), wish.turn));
        line
    }

    /// Whether so much may ever be free: all but what stays with others, and with itself.
    pub(super) fn is_in_reach(&self, party: Party, devices: usize) -> bool {
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

    pub(super) fn free(&self) -> Amount {
        Amount {
            places: self.limit.saturating_sub(self.places.len()),
            devices: self.free_devices().len(),
        }
    }

    pub(super) fn free_devices(&self) -> Vec<usize> {
        let is_free = |i: &usize| self.places.values().all(|held| !held.devices.contains(i));
        (0..self.devices.len()).filter(is_free).collect()
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
