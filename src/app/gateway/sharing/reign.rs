//! One reign of this gateway: who has joined, and whether everybody has said what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use crate::revision::RevisionId;
use crate::shares::MemberId;
use crate::sync::now;

/// Who has not said by then at which doors it listens is not going to.
const SAID_BY: Duration = Duration::from_secs(3);

/// At which doors gateways listen, by their pods' UIDs.
pub(in crate::app::gateway) type Listening = BTreeMap<Arc<str>, BTreeSet<u16>>;

/// One reign of this gateway.
#[derive(Debug)]
pub(super) struct Reign {
    pub(super) number: u64,
    me: MemberId,
    /// Who has joined, and whether it is heard.
    pub(super) joined: BTreeMap<MemberId, bool>,
    /// Books of revisions that are not here, or not yet: members may hold something of them.
    pub(super) closed: BTreeMap<RevisionId, Ledger>,
    pub(super) began: Instant,
    pub(super) accounts: Accounts,
    /// At which doors the others listen, by their pods' UIDs.
    pub(super) doors: Listening,
}

/// Whether everybody who may hold something has said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accounts {
    Open,
    /// They have, or had ended by `at`. What that means is reckoned at `due`: by then those who have
    /// joined have told how long an answer may take.
    Due {
        at: Instant,
        due: Instant,
    },
    /// They have, or had ended by then; `None` where nobody had to.
    Closed(Option<Instant>),
}

impl Reign {
    pub(super) fn begin(number: u64, me: MemberId) -> Self {
        Self {
            number,
            me,
            joined: BTreeMap::new(),
            closed: BTreeMap::new(),
            began: now(),
            accounts: Accounts::Open,
            doors: Listening::default(),
        }
    }

    /// A gateway has joined and is heard, by its pod's UID.
    pub(super) fn hears(&self, pod: &Arc<str>) -> bool {
        let mut joined = self.joined.iter();
        joined.any(|(member, heard)| member.pod == *pod && *heard)
    }

    /// What this gateway holds itself is in the books.
    pub(super) fn is_own_known(&self) -> bool {
        self.joined.contains_key(&self.me)
    }

    /// The book of a revision that is here from now on; what was sent of it may run for `wait`.
    pub(super) fn open(&mut self, id: &RevisionId, wait: Duration) -> Ledger {
        let closed = self.closed.remove(id);
        closed.unwrap_or_else(|| self.begun(wait))
    }

    /// At which doors the others listen, as soon as everybody has said so who is going to.
    pub(super) fn listening(&self, now: Instant) -> Option<&Listening> {
        let all = self.accounts != Accounts::Open && self.is_own_known();
        (all || now >= self.began + SAID_BY).then_some(&self.doors)
    }

    /// At which doors a member listens.
    pub(super) fn listens(&mut self, member: &MemberId, open: BTreeSet<u16>) {
        if *member != self.me {
            self.doors.insert(Arc::clone(&member.pod), open);
        }
    }

    /// A member listens nowhere any more, unless another life of it does.
    pub(super) fn closes(&mut self, member: &MemberId) {
        if !self.joined.keys().any(|other| other.pod == member.pod) {
            self.doors.remove(&member.pod);
        }
    }

    /// When the accounts are to be closed.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.accounts {
            Accounts::Due { due, .. } => Some(due),
            Accounts::Open | Accounts::Closed(_) => None,
        }
    }

    /// The book of a revision of which nobody said anything.
    pub(super) fn begun(&self, wait: Duration) -> Ledger {
        let mut ledger = Ledger::open();
        let now = now();
        for (member, heard) in &self.joined {
            ledger.join(member, *member == self.me, &[], now);
            if !heard {
                ledger.silent(member, now);
            }
        }
        match self.accounts {
            Accounts::Open | Accounts::Due { .. } => {}
            Accounts::Closed(None) => drop(ledger.account(now, Duration::ZERO, now)),
            Accounts::Closed(Some(at)) => drop(ledger.account(at, wait, now)),
        }
        ledger
    }

    /// A revision is not here any more; who holds something of it is not forgotten.
    pub(super) fn close(&mut self, id: RevisionId, ledger: Ledger) {
        self.closed.insert(id, ledger);
    }
}
