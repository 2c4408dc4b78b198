//! The revisions of this gateway as its peers hear of them: which there are, what is there of them, and
//! what is asked of them.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::commons::Commons;
use super::hall::{Actor, Mode};
use super::leading::UNKNOWN;
use super::member::Member;
use super::reign::Accounts;
use crate::ports::World;
use crate::revision::RevisionId;
use crate::sync::now;

impl Actor {
    pub(super) fn open(&mut self, commons: Arc<Commons>, world: watch::Receiver<World>) {
        let id = commons.id.clone();
        if self.mode == Mode::Alone {
            commons.throttler.unite();
        }
        if let Some(before) = self
            .members
            .get(&id)
            .map(|before| Arc::clone(&before.commons))
        {
            self.close(&before);
        }
        let early = self.early.remove(&id).unwrap_or_default();
        if let Some(reign) = &mut self.reign {
            let mut known = commons.known.lock();
            known.ledger = Some(reign.open(&id, commons.wait(&known)));
        }
        self.members
            .insert(id.clone(), Member::new(commons, world, early));
        self.look(&id);
    }

    pub(super) fn close(&mut self, commons: &Arc<Commons>) {
        let id = &commons.id;
        let is_it = |member: &Member| Arc::ptr_eq(&member.commons, commons);
        if !self.members.get(id).is_some_and(is_it) {
            return;
        }
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        let words = member.spare();
        self.say(id, words);
        self.cuts |= commons.throttler.read().running > 0;
        self.wakes.remove(id);
        let ledger = commons.known.lock().ledger.take();
        if let (Some(reign), Some(ledger)) = (&mut self.reign, ledger) {
            reign.close(id.clone(), ledger);
            self.of_closed(id, |ledger| ledger.close(now()));
        }
    }

    /// What is there of a revision, or what is wanted of it, has changed.
    pub(super) fn look(&mut self, id: &RevisionId) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let words = member.look();
        self.say(id, words);
        self.set(id);
    }

    pub(super) fn shares(&mut self, id: &RevisionId) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let mut words = member.due();
        if self.leader.is_some() {
            match member.hunger(now()) {
                Ok(word) => words.extend(word),
                Err(again) => self.wake_at(id, Some(again)),
            }
        }
        self.say(id, words);
    }

    /// A second is over: whoever is a member tells of it.
    pub(super) fn second(&mut self) {
        let Some(leader) = &self.leader else {
            return;
        };
        let (now, own) = (now(), *leader == self.peers.me().pod);
        // Who leads keeps what it has until somebody else does: nobody could give it anything meanwhile.
        let drains = self.drains && !own;
        let mut said = Vec::new();
        for (id, member) in &mut self.members {
            member.drains = drains;
            // The leader's own is measured by whoever decides.
            let word = member.second(!own, now);
            said.extend(word.map(|word| (id.clone(), word)));
            if drains {
                let spared = member.drain().into_iter();
                said.extend(spared.map(|word| (id.clone(), word)));
            }
        }
        if !said.is_empty() {
            self.peers.say(said);
        }
    }

    pub(super) fn wake(&mut self) {
        let now = now();
        let due = self.wakes.iter().filter(|(_, at)| **at <= now);
        let due: Vec<RevisionId> = due.map(|(id, _)| id.clone()).collect();
        for id in due {
            self.wakes.remove(&id);
            self.shares(&id);
            self.tick(&id);
        }
    }

    pub(super) fn wake_at(&mut self, id: &RevisionId, at: Option<Instant>) {
        if let Some(at) = at {
            let wake = self.wakes.entry(id.clone()).or_insert(at);
            *wake = at.min(*wake);
        }
    }

    /// Nobody else holds anything, and nothing is withheld, nor will be of a revision that is yet to come.
    pub(super) fn is_all_ours(&self) -> bool {
        let Some(reign) = &self.reign else {
            return false;
        };
        let Accounts::Closed(past) = reign.accounts else {
            return false;
        };
        let free = past.free_at(reign.inherits, UNKNOWN);
        if free.is_some_and(|at| now() < at) {
            return false;
        }
        let me = self.peers.me();
        let here = self.members.values().all(|member| {
            let known = member.commons.known.lock();
            known
                .ledger
                .as_ref()
                .is_some_and(|ledger| ledger.is_all_of(me))
        });
        let mut closed = reign.closed.values();
        here && reign.is_own_known() && closed.all(|ledger| ledger.is_all_of(me))
    }
}
