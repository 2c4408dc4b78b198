//! What a backend may ask of the throttler before it stops a replica.

use tokio::sync::watch;

use super::{Throttler, now, wake};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;
use crate::trace::Step;

impl<C: Default + Send + Sync + 'static> Occupancy for Throttler<C> {
    fn retire(&self, count: usize) -> Vec<ReplicaId> {
        let now = now();
        let mut state = self.state.lock();
        let retired = state.admission.retire(count);
        for &replica in &retired {
            state.note_step(replica, Step::Retired, now);
        }
        state.note_warmth(now);
        retired
    }

    fn retire_one(&self, replica: ReplicaId) {
        let now = now();
        let mut state = self.state.lock();
        state.admission.retire_one(replica);
        state.note_step(replica, Step::Retired, now);
        state.note_warmth(now);
    }

    fn revive(&self, replicas: &[ReplicaId]) -> Vec<ReplicaId> {
        let now = now();
        let mut state = self.state.lock();
        let (revived, grants) = state.admission.revive(replicas);
        for &replica in &revived {
            state.note_step(replica, Step::Listed, now);
        }
        state.note_warmth(now);
        let wakers = state.grant(grants, now);
        drop(state);
        wake(wakers);
        revived
    }

    fn stuck(&self) -> Vec<ReplicaId> {
        std::mem::take(&mut self.state.lock().stuck)
    }

    fn is_vacant(&self, replica: ReplicaId) -> bool {
        self.state.lock().admission.is_vacant(replica)
    }

    fn vacancies(&self) -> watch::Receiver<u64> {
        self.vacancies.subscribe()
    }
}
