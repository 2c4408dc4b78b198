//! The places and devices of the machine, given out by the arbiter that gives them out in a running
//! gate. Who waits and who is idle is seen at every settling; whose replica was taken is told.

use std::time::Instant;

use crate::autoscale::Shortage;
use crate::backend::places::arbiter::{Arbiter, Idle, Party, PlaceId, Standing, Taking};
use crate::revision::{ReplicaId, RevisionId};

/// The places of one machine. A revision is named by its index.
#[derive(Debug)]
pub(super) struct Places {
    arbiter: Arbiter,
    desks: Vec<Desk>,
    /// Something was asked for, given back, or fell idle since the last settling.
    stirred: bool,
}

/// Where one revision asks.
#[derive(Debug)]
struct Desk {
    party: Party,
    /// Nothing of its own serves or will.
    is_bare: bool,
    granted: Option<PlaceId>,
}

impl Places {
    /// So many processes at once, and so many devices between them.
    pub(super) fn new(processes: u32, devices: u32) -> Self {
        let names = (0..devices).map(|device| device.to_string());
        Self {
            arbiter: Arbiter::new(processes as usize, names.collect()),
            desks: Vec::new(),
            stirred: false,
        }
    }

    /// The next revision, of which so many replicas are never taken.
    pub(super) fn join(&mut self, name: RevisionId, keeps: u32) {
        self.desks.push(Desk {
            party: self.arbiter.join(name, keeps as usize),
            is_bare: true,
            granted: None,
        });
    }

    /// A place with so many devices, or a turn in the line for one.
    pub(super) fn take(&mut self, site: u32, devices: u32, is_bare: bool) -> Option<PlaceId> {
        let desk = &mut self.desks[site as usize];
        desk.is_bare = is_bare;
        if desk.granted.is_none() {
            self.arbiter.ask(desk.party, devices as usize);
            self.grant();
        }
        self.desks[site as usize].granted.take()
    }

    /// A place that was taken is for this replica.
    pub(super) fn assign(&mut self, place: PlaceId, replica: ReplicaId) {
        self.arbiter.assign(place, replica);
    }

    /// A revision needs none any more.
    pub(super) fn leave(&mut self, site: u32) {
        let desk = &mut self.desks[site as usize];
        self.arbiter.withdraw(desk.party);
        if let Some(place) = desk.granted.take() {
            self.release(place);
        }
    }

    /// Nothing is left of what ran there.
    pub(super) fn release(&mut self, place: PlaceId) {
        self.arbiter.release(place);
        self.stirred = true;
    }

    /// How the replicas of a revision stand now.
    pub(super) fn stand(&mut self, site: u32, standings: &[(ReplicaId, Standing)]) {
        self.arbiter
            .open(self.desks[site as usize].party, standings);
        self.stirred = true;
    }

    /// Somebody came in vain, or a replica may have fallen idle.
    pub(super) const fn stir(&mut self) {
        self.stirred = true;
    }

    /// Whether it is to be settled anew, because somebody waits.
    pub(super) fn is_due(&mut self) -> bool {
        std::mem::take(&mut self.stirred) && self.arbiter.waiting().next().is_some()
    }

    /// What a revision waits for.
    pub(super) fn lacks(&self, site: u32) -> Option<Shortage> {
        self.arbiter.lacks(self.desks[site as usize].party)
    }

    /// Gives out what is free; `waited_for` says by the index whether requests wait there. Returns
    /// who has got something.
    pub(super) fn settle(&mut self, waited_for: impl Fn(usize) -> bool) -> Vec<u32> {
        for (site, desk) in self.desks.iter().enumerate() {
            let urgent = desk.is_bare && waited_for(site);
            self.arbiter.set_urgent(desk.party, urgent);
        }
        self.grant();
        let sites = (0..).zip(&self.desks);
        let granted = sites.filter(|(_, desk)| desk.granted.is_some());
        granted.map(|(site, _)| site).collect()
    }

    /// Whose replica is taken next, of those that are idle.
    pub(super) fn victim(
        &self,
        idle: &[(u32, ReplicaId, Option<Instant>)],
    ) -> Option<(u32, ReplicaId)> {
        let party = |site: u32| self.desks[site as usize].party;
        let all = idle.iter().map(|&(site, replica, since)| Idle {
            party: party(site),
            replica,
            since,
        });
        let all: Vec<Idle> = all.collect();
        let Taking { idle: victim, .. } = self.arbiter.victim(&all)?;
        let at = all.iter().position(|idle| *idle == victim)?;
        Some((idle[at].0, idle[at].1))
    }

    /// Somebody urgent waits for more than is free.
    pub(super) fn wants_victims(&self) -> bool {
        self.arbiter.wants_victims()
    }

    fn grant(&mut self) {
        for (party, place) in self.arbiter.grant() {
            let desk = self.desks.iter_mut().find(|desk| desk.party == party);
            desk.expect("who waits has a desk").granted = Some(place);
        }
    }
}
