//! One reign of this gateway: who has joined, and whether everybody has said what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use crate::revision::RevisionId;
use crate::shares::{Holdings, MemberId};
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
    /// Somebody steered before who did not resign.
    pub(super) inherits: bool,
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
    /// They have, or had ended by then. What that means is reckoned once it is known what the leader
    /// before has left behind, at `due` at the latest.
    Due {
        past: Past,
        due: Instant,
    },
    /// They have, or had ended by then.
    Closed(Past),
}

/// Until when there was somebody who may have sent something, and cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// The last that was seen to end, had by then.
    pub(super) ended: Option<Instant>,
    /// Whoever was there before anybody looked was gone by then.
    pub(super) before: Option<Instant>,
}

/// How long what somebody sent may run on after its connections are closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// As far as it was ever measured.
    pub(super) known: Option<Duration>,
    /// It takes no longer.
    pub(super) most: Duration,
}

impl Wait {
    pub(super) fn long(self) -> Duration {
        self.known.unwrap_or(self.most)
    }
}

impl Past {
    /// There is nobody.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// When what those sent has ended. Who resigned has waited for its own: where nothing was ever measured
    /// nobody waits then for whom nobody saw.
    pub(super) fn free_at(self, inherits: bool, wait: Wait) -> Option<Instant> {
        let unseen = if inherits {
            wait.long()
        } else {
            wait.known.unwrap_or_default()
        };
        let ended = self.ended.map(|at| at + wait.long());
        ended.max(self.before.map(|at| at + unseen))
    }
}

impl Reign {
    pub(super) fn begin(number: u64, me: MemberId, inherits: bool) -> Self {
        Self {
            number,
            me,
            inherits,
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
    pub(super) fn open(&mut self, id: &RevisionId, wait: Wait) -> Ledger {
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

    /// A member listens nowhere any more, as far as anybody hears, unless another life of it does.
    pub(super) fn closes(&mut self, member: &MemberId) {
        if !self.hears(&member.pod) {
            self.doors.remove(&member.pod);
        }
    }

    /// When the accounts are to be closed at the latest.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.accounts {
            Accounts::Due { due, .. } => Some(due),
            Accounts::Open | Accounts::Closed(_) => None,
        }
    }

    /// The book of a revision of which nobody said anything.
    pub(super) fn begun(&self, wait: Wait) -> Ledger {
        let now = now();
        let mut ledger = Ledger::open(now);
        for (member, heard) in &self.joined {
            ledger.join(member, *member == self.me, &Holdings::default(), now);
            if !heard {
                ledger.silent(member, now);
            }
        }
        if let Accounts::Closed(past) = self.accounts {
            let free = past.free_at(self.inherits, wait).unwrap_or(now);
            drop(ledger.account(free, Duration::ZERO, now));
        }
        ledger
    }

    /// A revision is not here any more; who holds something of it is not forgotten.
    pub(super) fn close(&mut self, id: RevisionId, ledger: Ledger) {
        self.closed.insert(id, ledger);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_may_have_been_cut_off_unseen_is_waited_for_as_long_as_an_answer_may_take() {
        let (seen, secs) = (now(), Duration::from_secs);
        let unseen = Past {
            ended: None,
            before: Some(seen),
        };
        let wait = |known: Option<u64>| Wait {
            known: known.map(secs),
            most: secs(300),
        };
        let free = |inherits, known| unseen.free_at(inherits, wait(known));
        assert_eq!(free(true, None), Some(seen + secs(300)));
        assert_eq!(free(true, Some(7)), Some(seen + secs(7)));
        assert_eq!(free(false, Some(7)), Some(seen + secs(7)));
        assert_eq!(free(false, None), Some(seen), "who steered has resigned");
        let ended = Past {
            ended: Some(seen + secs(2)),
            ..unseen
        };
        let free = |inherits, known| ended.free_at(inherits, wait(known));
        assert_eq!(free(false, None), Some(seen + secs(302)), "it was seen");
        assert_eq!(free(true, Some(7)), Some(seen + secs(9)));
        assert_eq!(Past::default().free_at(true, wait(None)), None);
    }
}
