//! A throttler that exists in memory only.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::ports::{Occupancy, ReplicaState, World};
use crate::revision::ReplicaId;

/// Stands for the throttler: knows ready replicas from the published world, as it does.
#[derive(Debug)]
pub(super) struct Requests {
    inside: Mutex<Held>,
    vacancies: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    ready: Vec<ReplicaId>,
    retired: Vec<ReplicaId>,
    busy: HashMap<ReplicaId, u32>,
    stuck: Vec<ReplicaId>,
    finished: HashMap<ReplicaId, Instant>,
    waiting: bool,
    tells_idle: bool,
}

impl Held {
    fn load(&self, replica: ReplicaId) -> u32 {
        self.busy.get(&replica).copied().unwrap_or(0)
    }
}

impl Requests {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inside: Mutex::default(),
            vacancies: watch::Sender::new(0),
        })
    }

    /// Follows what is published for as long as somebody publishes.
    pub(super) fn follow(self: &Arc<Self>, mut world: watch::Receiver<World>) {
        let requests = self.clone();
        tokio::spawn(async move {
            while world.changed().await.is_ok() {
                let present = world.borrow_and_update().clone();
                let mut inside = requests.inside.lock();
                let exists = |id: &ReplicaId| present.replicas.iter().any(|r| r.id == *id);
                inside.ready.retain(exists);
                inside.retired.retain(exists);
                for replica in &present.replicas {
                    let known =
                        inside.ready.contains(&replica.id) || inside.retired.contains(&replica.id);
                    if replica.state == ReplicaState::Ready && !known {
                        inside.ready.push(replica.id);
                    }
                }
                let told = inside.tells_idle;
                drop(inside);
                if told {
                    requests.stir();
                }
            }
        });
    }

    pub(super) fn hold(&self, replica: ReplicaId, requests: u32) {
        self.inside.lock().busy.insert(replica, requests);
    }

    pub(super) fn finish(&self, replica: ReplicaId) {
        let mut inside = self.inside.lock();
        inside.busy.remove(&replica);
        inside.finished.insert(replica, crate::sync::now());
        let told = inside.tells_idle || inside.retired.contains(&replica);
        drop(inside);
        if told {
            self.stir();
        }
    }

    /// Requests wait in line, or none does any more.
    pub(super) fn wait(&self, waiting: bool) {
        self.inside.lock().waiting = waiting;
        self.stir();
    }

    pub(super) fn stir(&self) {
        self.vacancies.send_modify(|changes| *changes += 1);
    }

    /// It holds a request that it does not answer.
    pub(super) fn report_stuck(&self, replica: ReplicaId) {
        self.hold(replica, 1);
        self.retire_one(replica);
        self.inside.lock().stuck.push(replica);
        self.stir();
    }
}

impl Occupancy for Requests {
    fn retire(&self, count: usize) -> Vec<ReplicaId> {
        let mut inside = self.inside.lock();
        let mut ready = std::mem::take(&mut inside.ready);
        ready.sort_by_key(|&id| inside.load(id));
        inside.ready = ready.split_off(count.min(ready.len()));
        inside.retired.extend(&ready);
        ready
    }

    fn retire_one(&self, replica: ReplicaId) {
        let mut inside = self.inside.lock();
        inside.ready.retain(|&id| id != replica);
        if !inside.retired.contains(&replica) {
            inside.retired.push(replica);
        }
    }

    fn retire_idle(&self, replica: ReplicaId) -> bool {
        let inside = self.inside.lock();
        let idle = inside.ready.contains(&replica) && inside.load(replica) == 0;
        drop(inside);
        if idle {
            self.retire_one(replica);
        }
        idle
    }

    fn revive(&self, replicas: &[ReplicaId]) -> Vec<ReplicaId> {
        let mut inside = self.inside.lock();
        let retired = std::mem::take(&mut inside.retired);
        let (back, out) = retired.into_iter().partition(|id| replicas.contains(id));
        inside.retired = out;
        let back: Vec<ReplicaId> = back;
        inside.ready.extend(&back);
        back
    }

    fn stuck(&self) -> Vec<ReplicaId> {
        std::mem::take(&mut self.inside.lock().stuck)
    }

    fn vacant(&self, mut replicas: Vec<ReplicaId>) -> Vec<ReplicaId> {
        let inside = self.inside.lock();
        replicas.retain(|&replica| inside.load(replica) == 0);
        replicas
    }

    fn idle(&self) -> Vec<(ReplicaId, Option<Instant>)> {
        let inside = self.inside.lock();
        let idle = inside.ready.iter().filter(|&&id| inside.load(id) == 0);
        idle.map(|id| (*id, inside.finished.get(id).copied()))
            .collect()
    }

    fn tell_idle(&self, tell: bool) {
        self.inside.lock().tells_idle = tell;
    }

    fn is_waited_for(&self) -> bool {
        self.inside.lock().waiting
    }

    fn vacancies(&self) -> watch::Receiver<u64> {
        self.vacancies.subscribe()
    }
}
