//! What the backend may ask before it stops a replica, where several gateways send requests to it: the
//! leader answers for all of them.

use std::cmp::Reverse;
use std::time::Instant;

use tokio::sync::watch;

use super::Command;
use super::commons::{Commons, Known};
use super::ledger::Ledger;
use crate::admission::slots::Slots;
use crate::ports::Occupancy;
use crate::revision::ReplicaId;
use crate::shares::Pod;

impl Commons {
    /// These take nothing more, at any gateway.
    fn note_retired(&self, replicas: &[ReplicaId]) {
        if replicas.is_empty() {
            return;
        }
        let mut known = self.known.lock();
        let Known { names, retired, .. } = &mut *known;
        retired.extend(replicas.iter().filter_map(|id| names.pod(*id).cloned()));
        drop(known);
        self.tell(Command::Look(self.id.clone()));
    }

    /// The least busy of all that serve, counted over all gateways; the newest first among equals.
    fn least_busy(&self, count: usize) -> Option<Vec<ReplicaId>> {
        let known = self.known.lock();
        known.ledger.as_ref()?;
        let mut serving = self.load(&known);
        serving.retain(|(_, slots)| slots.is_in_service());
        serving.sort_by_key(|(load, slots)| (*load, Reverse(slots.id)));
        let least = serving.iter().take(count);
        Some(least.map(|(_, slots)| slots.id).collect())
    }

    /// Those that are to fall idle where so many are enough: all but the most loaded, counted over all
    /// gateways. Among equals those that rest already go on resting.
    pub(super) fn resting(&self, known: &Known, enough: Option<u32>) -> Vec<ReplicaId> {
        let enough = enough.map_or(usize::MAX, |enough| enough as usize);
        let mut serving = self.load(known);
        serving.retain(|(_, slots)| slots.serves());
        serving.sort_by_key(|(load, slots)| (Reverse(*load), slots.resting));
        let mut resting: Vec<_> = serving.iter().skip(enough).map(|(_, s)| s.id).collect();
        resting.sort_unstable();
        resting
    }

    /// Every replica, and what occupies it at all gateways.
    fn load(&self, known: &Known) -> Vec<(u32, Slots<()>)> {
        let busy = known.ledger.as_ref().map(Ledger::busy).unwrap_or_default();
        let load = |slots: Slots<()>| {
            let elsewhere = known.names.pod(slots.id).and_then(|pod| busy.get(pod));
            let elsewhere = elsewhere.copied().unwrap_or(0);
            (slots.in_flight.saturating_add(elsewhere), slots)
        };
        let here = self.throttler.read().replicas;
        here.into_iter().map(load).collect()
    }

    /// Something is retired that nobody is busy with, and not everybody has returned its share.
    fn is_on_its_way_back(&self, known: &Known) -> bool {
        let Some(ledger) = &known.ledger else {
            return false;
        };
        let busy = ledger.busy();
        let comes = known
            .retired
            .iter()
            .filter(|pod| !ledger.is_vacant(pod, true));
        let comes = comes.filter(|pod| !busy.contains_key(*pod));
        let comes: Vec<ReplicaId> = comes.filter_map(|pod| known.names.id(pod)).collect();
        !self.throttler.vacant(comes).is_empty()
    }
}

/// Holds something at another gateway.
fn is_busy_elsewhere(known: &Known, replica: ReplicaId) -> bool {
    let pod = known.names.pod(replica);
    let busy = known.ledger.as_ref().map(Ledger::busy);
    pod.is_some_and(|pod| busy.is_some_and(|busy| busy.contains_key(pod)))
}

impl Occupancy for Commons {
    fn retire(&self, count: usize) -> Vec<ReplicaId> {
        let retired = match self.least_busy(count) {
            Some(least) => {
                for id in &least {
                    self.throttler.retire_one(*id);
                }
                least
            }
            None => self.throttler.retire(count),
        };
        self.note_retired(&retired);
        retired
    }

    fn retire_one(&self, replica: ReplicaId) {
        self.throttler.retire_one(replica);
        self.note_retired(&[replica]);
    }

    fn retire_idle(&self, replica: ReplicaId) -> bool {
        let elsewhere = is_busy_elsewhere(&self.known.lock(), replica);
        let retired = !elsewhere && self.throttler.retire_idle(replica);
        if retired {
            self.note_retired(&[replica]);
        }
        retired
    }

    fn revive(&self, replicas: &[ReplicaId]) -> Vec<ReplicaId> {
        let mut known = self.known.lock();
        let Known {
            names,
            retired,
            stuck,
            ..
        } = &mut *known;
        for pod in replicas.iter().filter_map(|id| names.pod(*id)) {
            retired.remove(pod);
        }
        stuck.retain(|id| !replicas.contains(id));
        drop(known);
        let revived = self.throttler.revive(replicas);
        self.tell(Command::Look(self.id.clone()));
        revived
    }

    fn stuck(&self) -> Vec<ReplicaId> {
        let mut stuck = self.throttler.stuck();
        let mut known = self.known.lock();
        known.stuck.extend(&stuck);
        let Known { names, ledger, .. } = &mut *known;
        let told: Vec<Pod> = ledger.as_mut().map(Ledger::take_stuck).unwrap_or_default();
        let told: Vec<ReplicaId> = told.iter().filter_map(|pod| names.id(pod)).collect();
        drop(known);
        for id in &told {
            self.throttler.retire_one(*id);
        }
        stuck.extend(told);
        self.note_retired(&stuck);
        stuck
    }

    fn suspects(&self) -> Vec<ReplicaId> {
        self.throttler.suspects()
    }

    fn vacant(&self, replicas: Vec<ReplicaId>) -> Vec<ReplicaId> {
        let mut vacant = self.throttler.vacant(replicas);
        if vacant.is_empty() || !self.is_divided() {
            return vacant;
        }
        let known = self.known.lock();
        match &known.ledger {
            Some(ledger) => vacant.retain(|id| {
                let pod = known.names.pod(*id);
                pod.is_none_or(|pod| ledger.is_vacant(pod, known.retired.contains(pod)))
            }),
            // Nobody who does not lead knows of others; what is stuck here is ours to know.
            None => vacant.retain(|id| known.stuck.contains(id)),
        }
        vacant
    }

    /// None while what was taken out of service is on its way back: it is not busy for that.
    fn idle(&self) -> Vec<(ReplicaId, Option<Instant>)> {
        let mut idle = self.throttler.idle();
        let known = self.known.lock();
        if self.is_on_its_way_back(&known) {
            return Vec::new();
        }
        idle.retain(|(id, _)| !is_busy_elsewhere(&known, *id));
        idle
    }

    fn tell_idle(&self, tell: bool) {
        self.throttler.tell_idle(tell);
    }

    fn is_waited_for(&self) -> bool {
        let elsewhere = || {
            let known = self.known.lock();
            known.ledger.as_ref().is_some_and(Ledger::is_waited_for)
        };
        self.throttler.is_waited_for() || elsewhere()
    }

    fn vacancies(&self) -> watch::Receiver<u64> {
        match self.hall {
            Some(_) => self.stirred(),
            None => self.throttler.vacancies(),
        }
    }
}
