//! What can be read off an admission: the demand, the present numbers, and what they promise.

use std::time::{Duration, Instant};

use super::slots::Slots;
use super::{Admission, Reading, Terms};
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

    /// How long one that comes now waits at least, where that is too long for it. What is not known
    /// is no reason to turn anybody away, and whoever comes first to a revision that has nothing
    /// wakes it by waiting.
    pub(super) fn is_too_late(&mut self, terms: Terms, now: Instant) -> Option<Duration> {
        let deadline = terms.deadline?;
        let start = self.starts.left(now);
        let wait = if self.serving() > 0 {
            let wait = self.least_wait(terms, now)?;
            start.map_or(wait, |start| wait.min(start))
        } else {
            start?
        };
        let missed = deadline.is_missed(wait, self.typical_service, now);
        missed.then_some(wait)
    }

    /// How long one that comes now waits if a slot falls free at once and then one after the other,
    /// as long as an answer usually takes.
    fn least_wait(&mut self, terms: Terms, now: Instant) -> Option<Duration> {
        let service = self.typical_service?;
        let slots = u64::from(self.serving()) * u64::from(self.limit.slots());
        let rounds = self.line.ahead_of(terms, now) as u64 / slots.max(1);
        Some(service.saturating_mul(count(rounds)))
    }

    /// The present numbers.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            waiting: self.line.len(),
            waiting_bytes: self.line.bytes(),
            parts: self.line.parts(),
            oldest: self.line.oldest(),
            running: self.replicas.iter().map(|s| s.in_flight).sum(),
            serving: self.serving(),
            replicas: self.replicas.iter().map(Slots::bare).collect(),
            typical_service: self.typical_service,
            idle_since: self.meter.idle_since(),
        }
    }
}
