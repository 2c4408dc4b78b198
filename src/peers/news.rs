//! What the gateway hears of its peers, and how it is kept from hearing what no longer holds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::actor::Command;
use crate::revision::RevisionId;
use crate::shares::{Holdings, MemberId, Order, Word};
use crate::sync::Mutex;

/// What a member holds, by revision.
pub type Holds = Vec<(RevisionId, Holdings)>;

/// What happens among peers. A gateway that leads is its own member: it hears both halves.
#[derive(Debug)]
pub enum News {
    /// To the leader: a member is reached, for the first time or again. All that it has said before is
    /// void, what it holds is this.
    Joined {
        /// Who.
        member: MemberId,
        /// What it holds.
        holds: Holds,
        /// The ports of doors that it listens on.
        doors: BTreeSet<u16>,
    },
    /// To the leader: a member has said something.
    Said {
        /// Who.
        member: MemberId,
        /// What, in its order.
        words: Vec<(RevisionId, Word)>,
    },
    /// To the leader: a member listens on other ports of doors.
    Doors {
        /// Who.
        member: MemberId,
        /// On which it does now.
        open: BTreeSet<u16>,
    },
    /// To the leader: a member is not heard any more. It may serve on with what it has.
    Silent(MemberId),
    /// To the leader: the connections of a member are closed. Said once, and nothing more of it.
    Ended {
        /// Who.
        member: MemberId,
        /// Since then, or earlier.
        at: Instant,
    },
    /// To the leader: a member has nothing any more, and goes. Nothing more of it is said.
    Left(MemberId),
    /// To the leader, once in a reign: every gateway that may hold something has joined, or has ended.
    AllAccounted {
        /// Of those that never joined in this reign the last had ended by then; `None` where there is
        /// none.
        at: Option<Instant>,
        /// Those that were gone before anybody looked have ended by then; `None` in the first reign, before
        /// which there was nobody.
        before: Option<Instant>,
    },
    /// To the leader: somebody obeys this reign, which is no earlier than ours. If we still are who
    /// should lead, our reign wants a higher number.
    Outdone(u64),
    /// To a member: somebody leads. Orders come when it is told what is held.
    Led {
        /// Which reign it is; they grow.
        reign: u64,
        /// The UID of the leader's pod.
        leader: Arc<str>,
        /// Wants to know what is held.
        ask: Ask,
    },
    /// To a member: its leader's orders, in their order.
    Ordered(Vec<(RevisionId, Order)>),
    /// To a member: it hears of no leader. It serves on with what it has.
    Leaderless,
}

/// A leader wants to know what a member holds.
#[derive(Debug)]
pub struct Ask {
    pub(super) of: u64,
    pub(super) commands: UnboundedSender<Command>,
}

impl Ask {
    /// Tells it. What is said before goes nowhere, what is said after goes to that leader: nothing may
    /// change between the look at what is held and this. Unanswered, the leader asks again.
    pub fn answer(self, holds: Holds) {
        let of = self.of;
        let _ = self.commands.send(Command::Answer { of, holds });
    }
}

/// What happens among peers, as it is to be heard.
#[derive(Debug)]
pub struct Inbox {
    pub(super) told: UnboundedReceiver<Told>,
    pub(super) desk: Arc<Desk>,
}

/// News, and as part of what they are.
#[derive(Debug)]
pub(super) struct Told {
    /// Of which time of ours as a leader; `None` for news to a member.
    pub(super) era: Option<u64>,
    /// Which session with the member they begin.
    pub(super) session: Option<u64>,
    pub(super) news: News,
}

/// What the one who reads the news knows: orders count for the session that they were made for.
#[derive(Debug)]
pub(super) struct Desk {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    reign: Option<u64>,
    /// Another one whenever the reign changes: the same reign may come back.
    era: u64,
    sessions: HashMap<MemberId, u64>,
}

impl Inbox {
    /// What happened next. `None` when nothing more will.
    pub async fn recv(&mut self) -> Option<News> {
        loop {
            let told = self.told.recv().await?;
            if self.desk.hears(&told) {
                return Some(told.news);
            }
        }
    }
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::new(Known::default()),
        }
    }

    /// Leads from now on, or leads no more: the era that begins. `None` where it is so already.
    pub(super) fn lead(&self, reign: Option<u64>) -> Option<u64> {
        let mut known = self.known.lock();
        if known.reign == reign {
            return None;
        }
        *known = Known {
            reign,
            era: known.era + 1,
            sessions: HashMap::new(),
        };
        Some(known.era)
    }

    /// The session with a member, as far as it was heard of.
    pub(super) fn session(&self, member: &MemberId) -> Option<u64> {
        self.known.lock().sessions.get(member).copied()
    }

    /// Whether it still holds; what was told as leader at another time does not.
    fn hears(&self, told: &Told) -> bool {
        let mut known = self.known.lock();
        if told.era.is_some_and(|era| era != known.era) {
            return false;
        }
        match &told.news {
            News::Joined { member, .. } => {
                let session = told.session.expect("who joins begins a session");
                known.sessions.insert(member.clone(), session);
            }
            News::Silent(member) | News::Ended { member, .. } | News::Left(member) => {
                known.sessions.remove(member);
            }
            _ => {}
        }
        true
    }
}
