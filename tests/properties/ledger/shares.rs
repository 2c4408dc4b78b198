//! Others use the same replicas, and what is ours comes and goes.

use std::collections::BTreeMap;

use holdgate::revision::ReplicaId;

use super::{Event, Ledger};

impl Ledger {
    pub(super) fn share(&mut self, event: Event) {
        let among = |mask: u8| move |id: ReplicaId| mask & (1 << id.0) != 0;
        match event {
            Event::Divide(keep) => {
                self.admission.divide(keep);
                if self.ours.is_none() {
                    let held = self.admission.holdings().into_iter();
                    self.ours = Some(held.map(|h| (h.replica, h.slots)).collect());
                }
            }
            Event::Unite => {
                self.ours = None;
                let grants = self.admission.unite(self.now);
                self.granted(grants);
            }
            Event::Lend(id, slots) => self.lend(ReplicaId(id), slots),
            Event::Recall(slots) => {
                let returned = self.admission.recall(slots);
                self.gone(returned);
            }
            Event::Spare(slots) => {
                let returned = self.admission.spare(slots);
                assert!(returned.iter().map(|(_, n)| n).sum::<u32>() <= slots);
                self.gone(returned);
            }
            Event::Keep(id, most) => {
                let returned = self.admission.keep(ReplicaId(id), most);
                self.gone(vec![(ReplicaId(id), returned)]);
            }
            Event::GiveUp(mask) => {
                let up: Vec<ReplicaId> = (0..5)
                    .map(ReplicaId)
                    .filter(|&id| among(mask)(id))
                    .collect();
                let returned = self.admission.give_up(&up);
                self.gone(returned);
            }
            Event::Void(mask) => self.admission.void_shares(|id| !among(mask)(id)),
            _ => unreachable!("it is none of sharing"),
        }
    }

    fn lend(&mut self, id: ReplicaId, slots: u32) {
        if let Some(ours) = &mut self.ours
            && ours.get(&id).is_none_or(|ours| *ours < u32::MAX - slots)
            && slots > 0
        {
            *ours.entry(id).or_default() += slots;
            let grants = self.admission.grant(id, slots, self.now);
            self.granted(grants);
        }
    }

    /// It was told that these are ours no longer.
    fn gone(&mut self, returned: Vec<(ReplicaId, u32)>) {
        for (id, slots) in returned.into_iter().filter(|(_, slots)| *slots > 0) {
            let ours = self.ours.as_mut().expect("they are shared");
            let left = ours.get_mut(&id).expect("it was ours");
            *left = left.checked_sub(slots).expect("no more than was ours");
            ours.retain(|_, slots| *slots > 0);
        }
    }

    pub(super) fn check_shares(&mut self) {
        let Some(ours) = &self.ours else {
            assert!(!self.admission.is_due());
            return;
        };
        let held = self.admission.holdings().into_iter();
        let held: BTreeMap<_, _> = held.map(|h| (h.replica, h.slots)).collect();
        assert_eq!(&held, ours, "nothing is made, nothing is lost");
        let returned = self.admission.returned();
        self.gone(returned);
        for slots in &self.admission.read().replicas {
            assert!(slots.in_flight <= slots.ours(), "more runs than is ours");
            assert!(
                slots.owed == 0 || slots.idle() == 0,
                "it is owed, and idles"
            );
        }
    }
}
