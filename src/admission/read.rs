//! What can be read off an admission: the demand, the present numbers, and what they promise.

use std::time::{Duration, Instant};

use super::slots::Slots;
use super::{Admission, Reading};
use crate::counting::count;
use crate::revision::ReplicaId;

impl<R: Clone> Admission<R> {
    /// Requests here, waiting or running for a client, and since when there is none.
    #[must_use]
    pub fn demand(&self) -> (u32, Option<Instant>) {
        (self.meter.in_flight(), self.meter.idle_since())
    }

    /// Replicas in service that are answering something.
    #[must_use]
    pub fn busy(&self) -> u32 {
        let busy = |slots: &&Slots<R>| slots.serves() && slots.in_flight > 0;
        count(self.replicas.iter().filter(busy).count())
    }

    /// Replicas that hold something, and how much.
    pub fn loads(&self) -> impl Iterator<Item = (ReplicaId, u32)> {
        let busy = self.replicas.iter().filter(|s| s.in_flight > 0);
        busy.map(|slots| (slots.id, slots.in_flight))
    }

    /// How long a request that arrives now may have to wait for a slot, from measured service
    /// times; `None` before the first answer or with no replica.
    #[must_use]
    pub fn estimated_wait(&self) -> Option<Duration> {
        let ours = |s: &Slots<R>| u64::from(s.share.min(self.limit.slots()));
        let serving = self.replicas.iter().filter(|s| s.serves());
        let slots = serving.map(ours).fold(0, u64::saturating_add);
        let rounds = (self.line.len() as u64 + 1).div_ceil(slots.max(1));
        (self.serving() > 0).then_some(())?;
        self.typical_service
            .map(|service| service.saturating_mul(count(rounds)))
    }

    /// The present numbers.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            waiting: self.line.len(),
            waiting_bytes: self.line.bytes(),
            oldest: self.line.oldest(),
            running: self.replicas.iter().map(|s| s.in_flight).sum(),
            serving: self.serving(),
            replicas: self.replicas.iter().map(Slots::bare).collect(),
            typical_service: self.typical_service,
            idle_since: self.meter.idle_since(),
        }
    }
}
