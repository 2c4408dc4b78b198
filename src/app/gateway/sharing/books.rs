//! The books that a leader keeps, one of each revision, here or not.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::commons::Known;
use super::hall::Actor;
use super::leading::UNKNOWN;
use super::ledger::Ledger;
use super::reign::Wait;
use crate::ports::ReplicaState;
use crate::revision::RevisionId;
use crate::shares::{MemberId, Orders, Slots};
use crate::sync::now;

impl Actor {
    /// What there is of a revision, and what its backend has retired.
    pub(super) fn set(&mut self, id: &RevisionId) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        let commons = Arc::clone(&member.commons);
        let world = member.world.borrow();
        let ready = world
            .replicas
            .iter()
            .filter(|view| view.state == ReplicaState::Ready);
        let mut known = commons.known.lock();
        let slots = known.slots;
        let ready = ready.filter_map(|view| {
            let pod = view.uid.clone()?;
            Some(Slots { pod, slots })
        });
        let ready: Vec<Slots> = ready.collect();
        let there: HashSet<_> = world
            .replicas
            .iter()
            .filter_map(|view| view.uid.clone())
            .collect();
        drop(world);
        let Known {
            names,
            retired,
            ledger,
            ..
        } = &mut *known;
        retired.retain(|pod| there.contains(pod));
        let (Some(ledger), Some(reign)) = (ledger, &self.reign) else {
            return;
        };
        let is_news = !ledger.knows_retired(retired);
        let mut orders = ledger.set(&ready, retired, now());
        orders.extend(ledger.vouch(&names.made_after(reign.began), now()));
        let wake = ledger.wake();
        drop(known);
        self.give(id, orders);
        self.wake_at(id, wake);
        if is_news {
            commons.stir();
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, id: &RevisionId) {
        let Some(commons) = self
            .members
            .get(id)
            .map(|member| Arc::clone(&member.commons))
        else {
            return self.of_closed(id, |ledger| ledger.tick(now()));
        };
        let mut known = commons.known.lock();
        let Some(ledger) = &mut known.ledger else {
            return;
        };
        let orders = ledger.tick(now());
        let wake = ledger.wake();
        drop(known);
        if !orders.is_empty() {
            commons.stir();
        }
        self.give(id, orders);
        self.wake_at(id, wake);
    }

    /// Changes the book of a revision that is not here, and closes it for good when nothing is in it.
    pub(super) fn of_closed(
        &mut self,
        id: &RevisionId,
        change: impl FnOnce(&mut Ledger) -> Orders,
    ) {
        let closed = self.reign.as_mut().map(|reign| &mut reign.closed);
        let Some(ledger) = closed.and_then(|closed| closed.get_mut(id)) else {
            return;
        };
        let orders = change(ledger);
        let (wake, is_blank) = (ledger.wake(), ledger.is_blank());
        self.give(id, orders);
        if is_blank && let Some(reign) = &mut self.reign {
            reign.closed.remove(id);
        } else {
            self.wake_at(id, wake);
        }
    }

    pub(super) fn each(&mut self, change: impl FnMut(&mut Ledger, Wait) -> Orders) {
        let mut change = change;
        self.each_by_name(|_, ledger, wait| change(ledger, wait));
    }

    /// Changes every book, and tells what follows; with how long what was sent of it may run on.
    pub(super) fn each_by_name(
        &mut self,
        mut change: impl FnMut(&RevisionId, &mut Ledger, Wait) -> Orders,
    ) {
        let mut said = Vec::new();
        for (id, member) in &self.members {
            let commons = &member.commons;
            let mut known = commons.known.lock();
            let wait = commons.wait(&known);
            let Some(ledger) = &mut known.ledger else {
                continue;
            };
            said.push((id.clone(), change(id, ledger, wait), ledger.wake()));
            drop(known);
            commons.stir();
        }
        for (id, ledger) in self.reign.iter_mut().flat_map(|reign| &mut reign.closed) {
            let known = ledger.longest(now());
            let wait = Wait { known, ..UNKNOWN };
            said.push((id.clone(), change(id, ledger, wait), ledger.wake()));
        }
        for (id, orders, wake) in said {
            self.give(&id, orders);
            self.wake_at(&id, wake);
        }
        if let Some(reign) = &mut self.reign {
            reign.closed.retain(|_, ledger| !ledger.is_blank());
        }
    }

    /// Tells members what to do.
    pub(super) fn give(&self, id: &RevisionId, orders: Orders) {
        let mut by_member: BTreeMap<MemberId, Vec<_>> = BTreeMap::new();
        for (member, order) in orders {
            let all = by_member.entry(member).or_default();
            all.push((id.clone(), order));
        }
        for (member, orders) in by_member {
            self.peers.order(&member, orders);
        }
    }
}
