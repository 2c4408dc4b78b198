//! What a gateway does that leads: keeps the book of every revision, and tells members what follows.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commons::Known;
use super::hall::Actor;
use super::ledger::Ledger;
use super::reign::{Accounts, Reign};
use crate::peers::{Holds, News};
use crate::ports::ReplicaState;
use crate::revision::RevisionId;
use crate::shares::{MemberId, Orders, Slots, Word};
use crate::sync::now;

/// How long what a gateway sent may run where nobody knows the revision.
const UNKNOWN: Duration = Duration::from_secs(300);

/// Who has joined has told within so long how long an answer may take.
const TELLING: Duration = Duration::from_millis(1500);

impl Actor {
    /// Leads from now on in this reign, or leads no more.
    pub(super) fn lead(&mut self, reign: Option<u64>) {
        if self.reign.is_none() && reign.is_none() {
            return;
        }
        tracing::info!(reign, "leads the other gateways, where it has a reign");
        self.wakes.clear();
        self.reign = reign.map(|number| Reign::begin(number, self.peers.me().clone()));
        for member in self.members.values() {
            let mut known = member.commons.known.lock();
            known.ledger = self.reign.as_ref().map(|reign| reign.begun(known.longest));
        }
        self.peers.lead(reign);
        let all: Vec<RevisionId> = self.members.keys().cloned().collect();
        for id in all {
            self.set(&id);
        }
    }

    pub(super) fn hear_as_leader(&mut self, news: News) {
        let now = now();
        match news {
            News::Joined {
                member,
                holds,
                doors,
            } => {
                self.listens(&member, doors);
                self.join(&member, holds, now);
            }
            News::Doors { member, open } => self.listens(&member, open),
            News::Said { member, words } => {
                for (id, word) in words {
                    self.hear_word(&id, &member, word, now);
                }
            }
            News::Silent(member) => {
                tracing::warn!(%member, "a gateway is not heard: it keeps its share, nothing shrinks");
                self.note(&member, Some(false));
                self.each(|ledger, _| ledger.silent(&member, now));
            }
            News::Ended { member, at } => {
                tracing::info!(%member, "a gateway has ended: its share is withheld for a while");
                self.note(&member, None);
                self.each(|ledger, wait| ledger.ended(&member, at, wait, now));
            }
            News::Left(member) => {
                tracing::info!(%member, "a gateway has left");
                self.note(&member, None);
                self.each(|ledger, _| ledger.left(&member, now));
            }
            News::AllAccounted { at } => {
                let due = now + TELLING;
                match (at, &mut self.reign) {
                    (Some(at), Some(reign)) => reign.accounts = Accounts::Due { at, due },
                    // Where nobody has ended, nobody's requests are waited for.
                    _ => self.account(None, now),
                }
            }
            // Heard only where the lease is ours: its number goes beyond that.
            News::Outdone(by) => drop(self.outdone.send_if_modified(|known| {
                let higher = by > *known;
                *known = by.max(*known);
                higher
            })),
            News::Led { .. } | News::Ordered(_) | News::Leaderless => {}
        }
    }

    /// Those who have joined have told what they know.
    pub(super) fn close_accounts(&mut self) {
        let now = now();
        if let Some(Accounts::Due { at, due }) = self.reign.as_ref().map(|reign| reign.accounts)
            && due <= now
        {
            self.account(Some(at), now);
        }
    }

    fn account(&mut self, ended: Option<Instant>, now: Instant) {
        if let Some(reign) = &mut self.reign {
            reign.accounts = Accounts::Closed(ended);
        }
        self.each(|ledger, wait| match ended {
            Some(at) => ledger.account(at, wait, now),
            None => ledger.account(now, Duration::ZERO, now),
        });
    }

    fn note(&mut self, member: &MemberId, heard: Option<bool>) {
        let Some(reign) = &mut self.reign else {
            return;
        };
        match heard {
            Some(heard) => reign.joined.insert(member.clone(), heard),
            None => reign.joined.remove(member),
        };
        if heard.is_none() {
            reign.closes(member);
        }
    }

    fn listens(&mut self, member: &MemberId, open: BTreeSet<u16>) {
        if let Some(reign) = &mut self.reign {
            reign.listens(member, open);
        }
    }

    fn join(&mut self, member: &MemberId, holds: Holds, now: Instant) {
        tracing::info!(%member, revisions = holds.len(), "a gateway has joined");
        let holds: BTreeMap<RevisionId, Vec<Slots>> = holds.into_iter().collect();
        let own = member == self.peers.me();
        if let Some(reign) = &mut self.reign {
            for id in holds.keys().filter(|id| !self.members.contains_key(*id)) {
                let begun = reign.begun(UNKNOWN);
                reign.closed.entry(id.clone()).or_insert(begun);
            }
        }
        self.note(member, Some(true));
        self.each_by_name(|id, ledger, _| {
            let held = holds.get(id).map_or(&[][..], Vec::as_slice);
            ledger.join(member, own, held, now)
        });
    }

    fn hear_word(&mut self, id: &RevisionId, member: &MemberId, word: Word, now: Instant) {
        if let Some(here) = self.members.get(id) {
            let commons = Arc::clone(&here.commons);
            let mut known = commons.known.lock();
            let Some(ledger) = &mut known.ledger else {
                return;
            };
            let (orders, waits, stirs) = match word {
                Word::Returned(slots) => (ledger.returned(member, &slots, now), false, true),
                Word::Report(report) => {
                    let (orders, stirs) = ledger.report(member, report, now);
                    (orders, stirs.waits, stirs.waits || stirs.pods)
                }
            };
            let wake = ledger.wake();
            drop(known);
            self.give(id, orders);
            self.wake_at(id, wake);
            if waits && commons.throttler.read().serving == 0 {
                commons.poke();
            }
            if stirs {
                commons.stir();
            }
        } else if let Some(ledger) = self
            .reign
            .as_mut()
            .and_then(|reign| reign.closed.get_mut(id))
        {
            let orders = match word {
                Word::Returned(slots) => ledger.returned(member, &slots, now),
                Word::Report(report) => ledger.report(member, report, now).0,
            };
            self.give(id, orders);
        }
    }

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
            return;
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

    fn each(&mut self, change: impl FnMut(&mut Ledger, Duration) -> Orders) {
        let mut change = change;
        self.each_by_name(|_, ledger, wait| change(ledger, wait));
    }

    /// Changes every book, and tells what follows; with how long what was sent of it may run on.
    fn each_by_name(
        &mut self,
        mut change: impl FnMut(&RevisionId, &mut Ledger, Duration) -> Orders,
    ) {
        let mut said = Vec::new();
        for (id, member) in &self.members {
            let commons = &member.commons;
            let own = commons.throttler.longest_service();
            let mut known = commons.known.lock();
            let Known {
                ledger, longest, ..
            } = &mut *known;
            let Some(ledger) = ledger else {
                continue;
            };
            let wait = ledger.longest().max(own).unwrap_or(*longest);
            said.push((id.clone(), change(id, ledger, wait), ledger.wake()));
            drop(known);
            commons.stir();
        }
        for (id, ledger) in self.reign.iter_mut().flat_map(|reign| &mut reign.closed) {
            let wait = ledger.longest().unwrap_or(UNKNOWN);
            said.push((id.clone(), change(id, ledger, wait), None));
        }
        for (id, orders, wake) in said {
            self.give(&id, orders);
            self.wake_at(&id, wake);
        }
    }

    /// Tells members what to do.
    fn give(&self, id: &RevisionId, orders: Orders) {
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
