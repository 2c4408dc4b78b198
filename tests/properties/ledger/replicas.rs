//! Replicas come, are taken out of service, and go.

use holdgate::admission::slots::Slots;
use holdgate::revision::{ContainerConcurrency, QueueLimits, QueueOrder, ReplicaId};

use super::order::FAIR;
use super::{BOUNDS, Event, Ledger};

impl Ledger {
    pub(super) fn replica(&mut self, event: Event) {
        match event {
            Event::Restore(id) => {
                let grants = self.admission.restore(ReplicaId(id), self.now);
                self.granted(grants);
            }
            Event::Present(mask) => {
                let present = (0..5u64).filter(|id| mask & (1 << id) != 0);
                let present: Vec<_> = present.map(|id| (ReplicaId(id), ())).collect();
                let grants = self.admission.set_replicas(&present, self.now);
                self.granted(grants);
            }
            Event::Drain(mask) => {
                let drains = |id: ReplicaId| mask & (1 << id.0) != 0;
                self.admission.set_draining(drains);
                let there = self.admission.read().replicas.into_iter();
                let there: Vec<_> = there.filter(|s| s.present).map(|s| (s.id, ())).collect();
                let grants = self.admission.set_replicas(&there, self.now);
                self.granted(grants);
            }
            Event::Retire(count) => self.retire(count),
            Event::RetireOne(id) => self.admission.retire_one(ReplicaId(id)),
            Event::RetireIdle(id) => self.retire_idle(ReplicaId(id)),
            Event::Rest(enough) => self.rest((enough < 6).then_some(enough)),
            Event::Revive(id) => {
                let (_, grants) = self.admission.revive(&[ReplicaId(id)], self.now);
                self.granted(grants);
            }
            Event::Limit(limit) => {
                self.limit = ContainerConcurrency::new(limit);
                self.rebound(self.order);
            }
            Event::Order(fair) => self.rebound(if fair { FAIR } else { QueueOrder::Fifo }),
            _ => unreachable!("it is none of replicas"),
        }
    }

    fn rebound(&mut self, order: QueueOrder) {
        let bounds = QueueLimits { order, ..BOUNDS };
        let same = std::mem::replace(&mut self.order, order) == order;
        let grants = self.admission.set_limits(self.limit, bounds, self.now);
        if !same {
            self.expected = grants.iter().map(|grant| grant.ticket).collect();
        }
        self.granted(grants);
    }

    fn retire(&mut self, count: usize) {
        let idle = |ledger: &Self| {
            let reading = ledger.admission.read();
            let idle = reading.replicas.into_iter().filter(Slots::is_in_service);
            idle.filter(|s| s.in_flight == 0).count()
        };
        let (before, retired) = (idle(self), self.admission.retire(count));
        let busy = retired.iter().filter(|id| self.held(**id) > 0).count();
        assert!(
            busy == 0 || retired.len() - busy == before,
            "a busy one went before an idle one"
        );
    }

    fn retire_idle(&mut self, replica: ReplicaId) {
        let idle = self.admission.idle().any(|(id, _)| id == replica);
        assert!(
            !idle || self.held(replica) == 0,
            "a busy one is called idle"
        );
        assert_eq!(self.admission.retire_idle(replica), idle);
        let mut left = self.admission.idle();
        assert!(left.all(|(id, _)| id != replica), "it is taken, and idle");
    }

    fn rest(&mut self, enough: Option<u32>) {
        self.admission.rest(enough);
        let serving = self.admission.read().replicas.into_iter();
        let serving = serving.filter(Slots::serves);
        let (rest, awake): (Vec<_>, Vec<_>) = serving.partition(|s| s.resting);
        let all = rest.len() + awake.len();
        let enough = enough.map_or(all, |enough| all.min(enough as usize));
        assert_eq!(awake.len(), enough, "so many stay awake");
        let least = awake.iter().map(|s| s.in_flight).min();
        let most = rest.iter().map(|s| s.in_flight).max();
        assert!(least.is_none_or(|least| most.is_none_or(|most| least >= most)));
    }
}
