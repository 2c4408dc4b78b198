//! What this gateway does as a member: whom it obeys, and what it tells them.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::actor::{Actor, Asked, Leader};
use super::door::Came;
use super::link::Outbox;
use super::net::Net;
use super::news::{Holds, News};
use super::wire::{self, FromMember, Hello, Refusal, VERSION, Welcome};
use crate::revision::RevisionId;
use crate::shares::Word;
use crate::sync::now;

impl<N: Net> Actor<N> {
    pub(super) fn receive(&mut self, from: u64, came: Came) {
        let obeyed = matches!(&self.leader, Leader::Other { visit, .. } if *visit == from);
        match came {
            Came::Hello(hello, outbox, judge) => self.greet(from, &hello, outbox, judge),
            Came::Orders(orders) if obeyed => self.tell(News::Ordered(wire::read(orders))),
            Came::Lost if obeyed => {
                self.leader = Leader::Nobody;
                self.tell(News::Leaderless);
            }
            // Of a connection that nobody obeys any more.
            Came::Orders(_) | Came::Lost => {}
        }
    }

    fn greet(&mut self, from: u64, hello: &Hello, outbox: Outbox, judge: oneshot::Sender<bool>) {
        let refusal = self.refusal(hello);
        let _ = judge.send(refusal.is_none() && !self.leaves);
        if let Some(refusal) = refusal {
            outbox.send(&FromMember::Refused(refusal));
        } else if self.leaves {
            outbox.send(&FromMember::Welcome(self.welcome(&Holds::new(), true)));
        } else {
            self.warned = false;
            let asked = self.begin(hello.reign, Arc::clone(&hello.leader));
            self.leader = Leader::Other {
                visit: from,
                outbox,
                asked,
            };
            self.ask(asked);
        }
    }

    /// Why a leader is not obeyed, if so.
    fn refusal(&mut self, hello: &Hello) -> Option<Refusal> {
        if !self.credential.accepts(&hello.token) {
            self.credential.doubt();
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!("somebody leads with a token that is not ours: it is not obeyed");
            }
            return Some(Refusal::Token);
        }
        if hello.version != VERSION {
            return Some(Refusal::Version(VERSION));
        }
        let may = self.may_lead(hello.reign, &hello.leader);
        (!may).then_some(Refusal::Reign(self.highest.0))
    }

    fn welcome(&self, holds: &Holds, leaves: bool) -> Welcome {
        let (started, at) = self.started;
        Welcome {
            member: self.me.clone(),
            started: started
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default(),
            age: now().saturating_duration_since(at),
            leaves,
            holds: wire::holds(holds),
            doors: self.doors.borrow().clone(),
        }
    }

    /// Tells whoever has asked what is held. An answer to an older question is nobody's.
    pub(super) fn answer(&mut self, of: u64, holds: Holds) {
        match &self.leader {
            Leader::Other { outbox, asked, .. } if *asked == Asked::Waits(of) => {
                outbox.send(&FromMember::Welcome(self.welcome(&holds, false)));
            }
            Leader::Own(asked) if *asked == Asked::Waits(of) => {}
            _ => return,
        }
        let session = self.own_joins(holds);
        if let Leader::Other { asked, .. } | Leader::Own(asked) = &mut self.leader {
            *asked = Asked::Answered(session);
        }
    }

    /// As a leader we are our own member: the session that begins.
    fn own_joins(&mut self, holds: Holds) -> u64 {
        let (Leader::Own(_), Some(leading)) = (&self.leader, &mut self.leading) else {
            return 0;
        };
        let session = leading.session();
        let joined = News::Joined {
            member: self.me.clone(),
            holds,
            doors: self.doors.borrow().clone(),
        };
        let mut telling = vec![(joined, Some(session))];
        leading.own_joined(&mut telling);
        self.tell_as_leader(telling);
        session
    }

    pub(super) fn say(&mut self, words: Vec<(RevisionId, Word)>) {
        match &self.leader {
            Leader::Other {
                outbox,
                asked: Asked::Answered(_),
                ..
            } => {
                for batch in wire::batches(&words) {
                    outbox.send(&FromMember::Words(batch));
                }
            }
            Leader::Own(Asked::Answered(_)) => {
                let member = self.me.clone();
                self.tell_as_leader(vec![(News::Said { member, words }, None)]);
            }
            // What is held is told when it is asked for: this is part of it.
            Leader::Other { .. } | Leader::Own(_) | Leader::Nobody => {}
        }
    }

    pub(super) fn tell_doors(&mut self) {
        let open = self.doors.borrow_and_update().clone();
        match &self.leader {
            Leader::Other {
                outbox,
                asked: Asked::Answered(_),
                ..
            } => outbox.send(&FromMember::Doors(open)),
            Leader::Own(Asked::Answered(_)) => {
                let member = self.me.clone();
                self.tell_as_leader(vec![(News::Doors { member, open }, None)]);
            }
            Leader::Other { .. } | Leader::Own(_) | Leader::Nobody => {}
        }
    }

    /// It has nothing any more, and says so; `done` when that has gone out.
    pub(super) fn leave(&mut self, done: oneshot::Sender<()>) {
        self.leaves = true;
        match std::mem::replace(&mut self.leader, Leader::Nobody) {
            Leader::Other { outbox, .. } => {
                outbox.send(&FromMember::Bye);
                outbox.tell_gone(done);
                self.parting = Some(outbox);
            }
            Leader::Own(asked) => {
                if matches!(asked, Asked::Answered(_)) {
                    self.tell_as_leader(vec![(News::Left(self.me.clone()), None)]);
                }
                let _ = done.send(());
            }
            Leader::Nobody => {
                let _ = done.send(());
            }
        }
    }
}
