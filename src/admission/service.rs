//! Who is in service: replicas are taken out before they are stopped, idle ones first, and put back
//! when they are wanted again after all.

use super::slots::Slots;
use super::{Admission, Grant};
use crate::revision::ReplicaId;

impl<R: Clone> Admission<R> {
    /// Takes up to `count` replicas out of service: idle ones first, then the least busy, the
    /// newest first among equals.
    pub fn retire(&mut self, count: usize) -> Vec<ReplicaId> {
        let mut serving: Vec<usize> = self.indices(|s| s.present && !s.retired);
        serving.sort_by_key(|&i| {
            (
                self.replicas[i].in_flight,
                std::cmp::Reverse(self.replicas[i].id),
            )
        });
        serving.truncate(count);
        self.mark_retired(&serving, true)
    }

    /// Takes one replica out of service.
    pub fn retire_one(&mut self, replica: ReplicaId) {
        let named = self.indices(|s| s.id == replica);
        self.mark_retired(&named, true);
    }

    /// Puts up to `count` retired replicas back, the busiest first.
    pub fn revive(&mut self, count: usize) -> (Vec<ReplicaId>, Vec<Grant>) {
        let mut retired: Vec<usize> = self.indices(|s| s.present && s.retired);
        retired.sort_by_key(|&i| std::cmp::Reverse(self.replicas[i].in_flight));
        retired.truncate(count);
        let revived = self.mark_retired(&retired, false);
        (revived, self.seat_waiting())
    }

    /// Whether a replica holds nothing (an unknown one holds nothing).
    #[must_use]
    pub fn is_vacant(&self, replica: ReplicaId) -> bool {
        self.replicas
            .iter()
            .all(|s| s.id != replica || s.in_flight == 0)
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
