//! What a backend may ask of the throttler before it stops a replica, and what makes it look again.

use std::collections::HashSet;
use std::task::Waker;
use std::time::Instant;

use tokio::sync::watch;

use super::{Guard, Kept, Throttler, now, sharing, wake};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;
use crate::trace::Step;

impl<C: Kept> Throttler<C> {
    /// A replica did not answer within any budget: it takes nothing more, and its backend is told.
    pub fn report_stuck(&self, replica: ReplicaId) {
        let now = now();
        let mut state = self.state.lock();
        state.admission.retire_one(replica);
        state.note_step(replica, Step::Retired, now);
        state.note_warmth(now);
        state.stuck.push(replica);
        drop(state);
        self.stir();
    }

    /// Replicas serve that did not: wakes those whose turn it is, the backend if it waits for a
    /// replica that nobody needs, and those who share the replicas.
    pub(super) fn wake(&self, state: Guard<'_, C>, wakers: Vec<Waker>) {
        let stirs = state.tells_idle && state.admission.idle().next().is_some();
        let news = sharing::is_news(&state);
        drop(state);
        wake(wakers);
        if stirs {
            self.stir();
        }
        if news {
            self.tell_news();
        }
    }

    /// The backend looks again.
    pub(super) fn stir(&self) {
        self.vacancies.send_modify(|count| *count += 1);
    }
}

impl<C: Kept + Send + Sync + 'static> Occupancy for Throttler<C> {
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

    fn retire_idle(&self, replica: ReplicaId) -> bool {
        let now = now();
        let mut state = self.state.lock();
        let retired = state.admission.retire_idle(replica);
        if retired {
            state.note_step(replica, Step::Retired, now);
            state.note_warmth(now);
        }
        retired
    }

    fn revive(&self, replicas: &[ReplicaId]) -> Vec<ReplicaId> {
        let now = now();
        let mut state = self.state.lock();
        let (revived, grants) = state.admission.revive(replicas, now);
        for &replica in &revived {
            state.note_step(replica, Step::Listed, now);
        }
        state.note_warmth(now);
        let wakers = state.grant(grants, now);
        let news = sharing::is_news(&state);
        drop(state);
        wake(wakers);
        if news {
            self.tell_news();
        }
        revived
    }

    fn stuck(&self) -> Vec<ReplicaId> {
        std::mem::take(&mut self.state.lock().stuck)
    }

    fn suspects(&self) -> Vec<ReplicaId> {
        self.state.lock().admission.suspects().collect()
    }

    fn vacant(&self, mut replicas: Vec<ReplicaId>) -> Vec<ReplicaId> {
        if !replicas.is_empty() {
            let occupied: Vec<ReplicaId> = self.state.lock().admission.occupied().collect();
            let occupied: HashSet<ReplicaId> = occupied.into_iter().collect();
            replicas.retain(|replica| !occupied.contains(replica));
        }
        replicas
    }

    fn idle(&self) -> Vec<(ReplicaId, Option<Instant>)> {
        self.state.lock().admission.idle().collect()
    }

    fn tell_idle(&self, tell: bool) {
        self.state.lock().tells_idle = tell;
    }

    fn is_waited_for(&self) -> bool {
        self.state.lock().admission.waiting() > 0
    }

    fn vacancies(&self) -> watch::Receiver<u64> {
        self.vacancies.subscribe()
    }
}
