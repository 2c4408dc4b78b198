//! What a gateway does that leads: keeps the book of every revision, and tells members what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hall::Actor;
use super::reign::{Accounts, Past, Reign, Wait};
use crate::peers::{Holds, News};
use crate::revision::RevisionId;
use crate::shares::{Holdings, MemberId, Word};
use crate::sync::now;

/// How long what a gateway sent may run where nobody knows the revision.
pub(super) const UNKNOWN: Wait = Wait {
    known: None,
    most: Duration::from_secs(300),
};

/// What the leader before has left behind is known within so long, or is not waited for.
const LEARNED: Duration = Duration::from_millis(1500);

impl Actor {
    /// Leads from now on in this reign, or leads no more.
    pub(super) fn lead(&mut self, reign: Option<u64>) {
        if self.reign.is_none() && reign.is_none() {
            return;
        }
        tracing::info!(reign, "leads the other gateways, where it has a reign");
        self.wakes.clear();
        let inherits = *self.inherits.borrow();
        self.reign = reign.map(|number| Reign::begin(number, self.peers.me().clone(), inherits));
        for member in self.members.values() {
            let mut known = member.commons.known.lock();
            let wait = member.commons.wait(&known);
            known.ledger = self.reign.as_ref().map(|reign| reign.begun(wait));
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
                self.each(|ledger, wait| ledger.ended(&member, at, wait.long(), now));
            }
            News::Left(member) => {
                tracing::info!(%member, "a gateway has left");
                self.note(&member, None);
                self.each(|ledger, _| ledger.left(&member, now));
            }
            News::AllAccounted { at, before } => {
                let (past, due) = (Past { ended: at, before }, now + LEARNED);
                if let Some(reign) = &mut self.reign {
                    reign.accounts = Accounts::Due { past, due };
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

    /// Those who have joined have told how long an answer took there. What it took at whoever led before
    /// is in the notebook.
    pub(super) fn close_accounts(&mut self) {
        let (now, learned) = (now(), *self.learned.borrow_and_update());
        let Some(reign) = &mut self.reign else {
            return;
        };
        let Accounts::Due { past, due } = reign.accounts else {
            return;
        };
        // Where nobody has ended, nobody's requests are waited for.
        if !learned && !past.is_empty() && now < due {
            return;
        }
        reign.accounts = Accounts::Closed(past);
        let inherits = reign.inherits;
        self.each(|ledger, wait| {
            let free = past.free_at(inherits, wait).unwrap_or(now);
            ledger.account(free, Duration::ZERO, now)
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
        // Who is not heard may be dead with its node: callers are led to the others.
        if heard != Some(true) {
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
        let holds: BTreeMap<RevisionId, Holdings> = holds.into_iter().collect();
        let own = member == self.peers.me();
        if let Some(reign) = &mut self.reign {
            for id in holds.keys().filter(|id| !self.members.contains_key(*id)) {
                let begun = reign.begun(UNKNOWN);
                reign.closed.entry(id.clone()).or_insert(begun);
            }
        }
        self.note(member, Some(true));
        let nothing = Holdings::default();
        self.each_by_name(|id, ledger, _| {
            ledger.join(member, own, holds.get(id).unwrap_or(&nothing), now)
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
        } else {
            self.of_closed(id, |ledger| match word {
                Word::Returned(slots) => ledger.returned(member, &slots, now),
                Word::Report(report) => ledger.report(member, report, now).0,
            });
        }
    }
}
