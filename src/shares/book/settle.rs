//! After whatever was said: what lapses, what is known of each member then, and who is told what.

use std::time::Instant;

use super::super::MemberId;
use super::{Book, Orders};

/// Whether somebody may hold slots who was not heard in this reign.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Unheard {
    #[default]
    Nobody,
    Somebody,
    /// All of them have ended, and what they left may run so long.
    Until(Instant),
}

impl Unheard {
    pub(super) fn may_hold(self, now: Instant) -> bool {
        match self {
            Self::Nobody => false,
            Self::Somebody => true,
            Self::Until(until) => now < until,
        }
    }
}

impl Book {
    pub(super) fn settle(&mut self, now: Instant) -> Orders {
        self.lapse(now);
        for member in self.members.values_mut() {
            member.forget_old_news(now);
        }
        let mut orders = Orders::new();
        self.retire(&mut orders, now);
        self.give(&mut orders, now);
        self.ask(&mut orders, now);
        self.wake = self.next(now);
        orders
    }

    /// What was withheld for long enough is to be had again.
    fn lapse(&mut self, now: Instant) {
        let over: Vec<MemberId> = {
            let over = self.ended.iter().filter(|(_, until)| **until <= now);
            over.map(|(member, _)| member.clone()).collect()
        };
        for member in &over {
            self.ended.remove(member);
            for ledger in self.pods.values_mut() {
                ledger.withheld.remove(member);
            }
        }
        let heard = matches!(self.unheard, Unheard::Until(until) if until <= now);
        if heard {
            self.unheard = Unheard::Nobody;
            self.vouched.clear();
            for ledger in self.pods.values_mut() {
                ledger.unclaimed = 0;
            }
        }
        if heard || !over.is_empty() {
            self.recount();
        }
    }

    /// Counts anew what each member has, after a change of many replicas.
    pub(super) fn recount(&mut self) {
        self.pods.retain(|_, ledger| !ledger.is_blank(self.unheard));
        self.unlisted.retain(|pod, _| self.pods.contains_key(pod));
        self.touched = self.pods.keys().cloned().collect();
        for (id, member) in &mut self.members {
            let held = self.pods.values().map(|ledger| ledger.counted(id)).sum();
            let busy = member.held.saturating_sub(member.idle);
            member.held = held;
            member.idle = held.saturating_sub(busy);
        }
    }
}
