//! Who is in service: replicas are taken out before they are stopped, idle ones first, and put back
//! when they are wanted again after all.

use std::collections::HashMap;
use std::time::Instant;

use super::slots::Slots;
use super::{Admission, Grant};
use crate::revision::ReplicaId;

/// How many replicas that were retired before they were listed are remembered. Ids do not come
/// back, so forgetting one costs nothing once it has ended.
const MOST_RETIRED_EARLY: usize = 64;

impl<R: Clone> Admission<R> {
    /// The replicas that exist and are ready. One that is missing takes nothing more, but keeps
    /// its count until what it holds has ended, and finds it again when it comes back.
    pub fn set_replicas(&mut self, ready: &[(ReplicaId, R)], now: Instant) -> Vec<Grant> {
        // Thousands of them change one by one, so a change is not to look at each for each.
        let mut places = HashMap::with_capacity(self.replicas.len());
        for (place, slots) in self.replicas.iter_mut().enumerate() {
            // One that comes back was looked at anew.
            slots.suspect &= slots.present;
            slots.present = false;
            places.insert(slots.id, place);
        }
        for (id, kept) in ready {
            let place = *places.entry(*id).or_insert(self.replicas.len());
            if let Some(slots) = self.replicas.get_mut(place) {
                slots.present = true;
                slots.kept = kept.clone();
            } else {
                let mut slots = Slots::new(*id, self.shares.list(*id), kept.clone());
                slots.retired = self.retired_early.contains(id);
                self.replicas.push(slots);
            }
        }
        self.replicas.retain(|s| {
            let stays = s.present || s.in_flight > 0;
            if !stays {
                self.shares.unlist(s);
            }
            stays
        });
        self.seat_waiting(now)
    }

    /// Takes up to `count` replicas out of service: idle ones first, then the least busy, the
    /// newest first among equals.
    pub fn retire(&mut self, count: usize) -> Vec<ReplicaId> {
        let mut serving: Vec<usize> = self.indices(Slots::is_in_service);
        serving.sort_by_key(|&i| {
            (
                self.replicas[i].in_flight,
                std::cmp::Reverse(self.replicas[i].id),
            )
        });
        serving.truncate(count);
        self.mark_retired(&serving, true)
    }

    /// Takes one replica out of service, even one that is not listed yet: whoever ends it may be
    /// ahead of whoever lists it.
    pub fn retire_one(&mut self, replica: ReplicaId) {
        let named = self.indices(|s| s.id == replica);
        if named.is_empty() {
            self.retired_early.truncate(MOST_RETIRED_EARLY - 1);
            self.retired_early.insert(0, replica);
        }
        self.mark_retired(&named, true);
    }

    /// Takes one replica out of service unless it holds something or takes nothing anyway.
    pub fn retire_idle(&mut self, replica: ReplicaId) -> bool {
        let idle = self.indices(|s| s.id == replica && s.serves() && s.in_flight == 0);
        !self.mark_retired(&idle, true).is_empty()
    }

    /// Replicas in service that hold nothing, each with when the last request left it; `None`
    /// before it had one.
    pub fn idle(&self) -> impl Iterator<Item = (ReplicaId, Option<Instant>)> {
        let idle = |s: &&Slots<R>| s.serves() && s.in_flight == 0;
        let replicas = self.replicas.iter().filter(idle);
        replicas.map(|s| (s.id, s.vacant_since))
    }

    /// Puts these replicas back into service; returns those of them that were retired.
    pub fn revive(&mut self, replicas: &[ReplicaId], now: Instant) -> (Vec<ReplicaId>, Vec<Grant>) {
        let retired = self.indices(|s| s.present && s.retired && replicas.contains(&s.id));
        let mut revived = self.mark_retired(&retired, false);
        self.retired_early.retain(|early| {
            let back = replicas.contains(early);
            if back && !revived.contains(early) {
                revived.push(*early);
            }
            !back
        });
        (revived, self.seat_waiting(now))
    }

    /// Which of the replicas are going away: they take nothing more. Returns those that it made a
    /// difference to, each with how it is now.
    pub fn set_draining(&mut self, draining: impl Fn(ReplicaId) -> bool) -> Vec<(ReplicaId, bool)> {
        let mut changed = Vec::new();
        for slots in &mut self.replicas {
            let drains = draining(slots.id);
            if slots.draining != drains {
                slots.draining = drains;
                // It was looked at anew.
                slots.suspect &= drains;
                let served = slots.present && !slots.retired;
                changed.extend(served.then_some((slots.id, drains)));
            }
        }
        changed
    }

    /// Replicas in service that could not be reached.
    pub fn suspects(&self) -> impl Iterator<Item = ReplicaId> {
        let suspects = |s: &&Slots<R>| s.is_in_service() && s.suspect;
        self.replicas.iter().filter(suspects).map(|s| s.id)
    }

    /// Replicas that are there to take requests, those that cannot be reached just now included.
    #[must_use]
    pub fn in_service(&self) -> usize {
        self.indices(Slots::is_in_service).len()
    }

    /// Replicas that hold something.
    pub fn occupied(&self) -> impl Iterator<Item = ReplicaId> {
        let occupied = self.replicas.iter().filter(|s| s.in_flight > 0);
        occupied.map(|s| s.id)
    }

    /// Whether a replica holds nothing (an unknown one holds nothing).
    #[must_use]
    pub fn is_vacant(&self, replica: ReplicaId) -> bool {
        self.replicas
            .iter()
            .all(|s| s.id != replica || s.in_flight == 0)
    }

    /// Every replica that the world reports as there.
    pub fn listed(&self) -> impl Iterator<Item = ReplicaId> {
        let listed = self.replicas.iter().filter(|slots| slots.present);
        listed.map(|slots| slots.id)
    }

    /// Whether the world still reports a replica as there.
    #[must_use]
    pub fn lists(&self, replica: ReplicaId) -> bool {
        self.replicas.iter().any(|s| s.id == replica && s.present)
    }

    fn indices(&self, wanted: impl Fn(&Slots<R>) -> bool) -> Vec<usize> {
        (0..self.replicas.len())
            .filter(|&i| wanted(&self.replicas[i]))
            .collect()
    }

    fn mark_retired(&mut self, indices: &[usize], retired: bool) -> Vec<ReplicaId> {
        let mark = |&i: &usize| {
            self.replicas[i].retired = retired;
            self.replicas[i].id
        };
        indices.iter().map(mark).collect()
    }
}
