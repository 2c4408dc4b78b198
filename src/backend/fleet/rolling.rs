//! A changed spec, one replica at a time: what runs serves until what replaces it is ready.

use tokio::time::Instant;
use tracing::{info, warn};

use super::Fleet;
use super::balance::SETTLE;
use super::member::Phase;
use crate::backend::recovery::Crash;
use crate::backend::seams::{Launcher, Probe};
use crate::backend::spec::ProcessSpec;
use crate::ports::Occupancy;
use crate::revision::ReplicaId;

impl<L: Launcher, P: Probe, O: Occupancy> Fleet<L, P, O> {
    /// Starts this from now on. What is ready serves on; what is not ready yet never will be.
    pub(super) fn replace(&mut self, spec: ProcessSpec, now: Instant) {
        self.spec = spec.into();
        self.generation += 1;
        self.recovery.reset();
        for member in &mut self.members {
            if member.phase == Phase::Starting {
                member.leave(now);
            }
        }
    }

    /// Every new replica that takes requests relieves an old one, one that is vacant first.
    pub(super) fn relieve_old(&mut self, wanted: usize, now: Instant) {
        let generation = self.generation;
        let (mut relieved, mut settled_at) = (0, None);
        for member in &self.members {
            if member.phase != Phase::Ready || member.generation != generation {
                continue;
            }
            // Until the throttler knows it, nobody would serve.
            let settles = member.since + SETTLE;
            if settles <= now {
                relieved += 1;
            } else {
                settled_at = settled_at.into_iter().chain([settles]).min();
            }
        }
        let old = self.old_in_service();
        let surplus = old.len().saturating_sub(wanted.saturating_sub(relieved));
        for &id in old.iter().take(surplus) {
            self.retire_old(id, now);
        }
        if let Some(at) = settled_at.filter(|_| surplus < old.len()) {
            self.look_again(at);
        }
    }

    /// No place is free: an old replica gives up its own, one at a time. It waits while a place
    /// or a new replica is on its way.
    pub(super) fn make_room(&mut self, now: Instant) {
        let something_comes = self.members.iter().any(|member| match member.phase {
            Phase::Starting | Phase::Draining | Phase::Leaving => true,
            Phase::Ready => member.generation == self.generation && now < member.since + SETTLE,
        });
        // For a process that does not start no replica that serves is given up.
        if something_comes || self.recovery.is_hopeless(self.supply()) {
            return;
        }
        if let Some(&id) = self.old_in_service().first() {
            self.retire_old(id, now);
        }
    }

    /// Remembers that a start failed; says once when it means that the old spec has to do.
    pub(super) fn start_failed(&mut self, streak: u32, crash: Crash, now: Instant) {
        self.settings.stats.start_failed();
        let supply = self.supply();
        let was_hopeless = self.recovery.is_hopeless(supply);
        self.recovery.failed(streak, crash, supply, now);
        let serving = self.old_in_service().len();
        if serving > 0 && !was_hopeless && self.recovery.is_hopeless(supply) {
            warn!(
                revision = %self.settings.revision, serving,
                "the changed process does not start: the one before it stays in service"
            );
        }
    }

    /// Ready replicas of an older spec: vacant ones first, then the oldest.
    fn old_in_service(&self) -> Vec<ReplicaId> {
        let old = |phase, generation| phase == Phase::Ready && generation != self.generation;
        let mut ids: Vec<ReplicaId> = self
            .members
            .iter()
            .filter(|m| old(m.phase, m.generation))
            .map(|member| member.id)
            .collect();
        ids.sort_by_cached_key(|&id| !self.occupancy.is_vacant(id));
        ids
    }

    fn retire_old(&mut self, id: ReplicaId, now: Instant) {
        self.occupancy.retire_one(id);
        let revision = self.settings.revision.clone();
        if let Some(member) = self.member(id) {
            member.enter(Phase::Draining, now);
            info!(%revision, replica = %id, "draining, its process has been changed");
        }
    }
}
