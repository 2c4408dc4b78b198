//! The book of who may use which slots of one revision, kept by the leader. Of each replica, what
//! members hold, what is withheld and what is in the pool are together its slots. It decides what
//! to say to whom; it neither says it nor has a clock.
//!
//! The pool is given to those who wait, else to everybody alike. Who waits beside slots that idle
//! elsewhere gets these. Where nothing idles, shares follow the demand.

mod ask;
mod give;
mod ledger;
mod member;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{MemberId, Order, Pod, Report, Slots};
use ledger::Ledger;
use member::Member;

/// Who is told what.
pub type Orders = Vec<(MemberId, Order)>;

/// A replica that was not ready for so long is taken for gone: whoever still holds something of it
/// is to return it.
const FLAPS_FOR: Duration = Duration::from_secs(60);

/// Who holds which slots of one revision.
#[derive(Debug, Default)]
pub struct Book {
    pods: BTreeMap<Pod, Ledger>,
    members: BTreeMap<MemberId, Member>,
    /// Whose slots are withheld until when.
    ended: BTreeMap<MemberId, Instant>,
    unheard: Unheard,
    /// Replicas that are not ready, and since when.
    unlisted: BTreeMap<Pod, Instant>,
    /// Those of which nobody is to hold anything, and how often that has changed.
    retired: (u64, Vec<Pod>),
    /// Those of which something may be to give or to take.
    touched: BTreeSet<Pod>,
    /// Since when somebody waits and nothing idles, or shares last followed the demand.
    starved: Option<Instant>,
    /// Since when somebody has nothing idle while another has, or idle slots were last spread.
    uneven: Option<Instant>,
    wake: Option<Instant>,
}

/// Whether somebody may hold slots who was not heard in this reign.
#[derive(Clone, Copy, Debug, Default)]
enum Unheard {
    #[default]
    Nobody,
    Somebody,
    /// All of them have ended, and what they left may run so long.
    Until(Instant),
}

impl Book {
    /// No replicas, no members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The replicas that are ready, with their slots, and those of which nobody is to hold anything.
    pub fn set(&mut self, pods: &[Slots], retired: &[Pod], now: Instant) -> Orders {
        let ready: BTreeMap<&Pod, u32> = pods.iter().map(|s| (&s.pod, s.slots)).collect();
        for (pod, ledger) in &mut self.pods {
            if !ready.contains_key(pod) && ledger.slots.take().is_some() {
                self.unlisted.insert(pod.clone(), now);
            }
        }
        for (pod, slots) in ready {
            let ledger = self.pods.entry(pod.clone()).or_default();
            ledger.resize(slots);
            self.unlisted.remove(pod);
            let is_new = !std::mem::replace(&mut ledger.known, true);
            if is_new && self.unheard.may_hold(now) {
                ledger.disclaim();
            }
        }
        let retired: BTreeSet<&Pod> = retired.iter().collect();
        for (pod, ledger) in &mut self.pods {
            ledger.retired = retired.contains(pod);
        }
        self.recount();
        self.settle(now)
    }

    /// A member is reached, for the first time or again, and says what it holds: that is so, and
    /// what was on its way to it is lost.
    pub fn join(&mut self, member: &MemberId, holds: &[Slots], now: Instant) -> Orders {
        self.ended.remove(member);
        let holds: BTreeMap<&Pod, u32> = holds.iter().map(|s| (&s.pod, s.slots)).collect();
        for &pod in holds.keys() {
            self.pods.entry(pod.clone()).or_insert_with(|| {
                self.unlisted.insert(pod.clone(), now);
                Ledger::default()
            });
        }
        for (pod, ledger) in &mut self.pods {
            ledger.withheld.remove(member);
            let before = ledger.held.remove(member).map_or(0, |held| held.slots);
            let held = holds.get(pod).copied().unwrap_or(0);
            ledger.claim(held.saturating_sub(before));
            if held > 0 {
                ledger.credit(member, held);
            }
        }
        self.members.insert(member.clone(), Member::default());
        self.recount();
        self.settle(now)
    }

    /// A member says what is asked of it.
    pub fn report(&mut self, member: &MemberId, report: &Report, now: Instant) -> Orders {
        self.hear(member);
        let Some(known) = self.members.get_mut(member) else {
            return Orders::new();
        };
        let busy = report.busy.iter().filter_map(|busy| {
            let ledger = self.pods.get(&busy.pod).filter(|ledger| ledger.counts())?;
            Some(busy.slots.min(ledger.held_by(member)))
        });
        let busy = busy.fold(0, u32::saturating_add);
        known.report(report, busy, now);
        self.settle(now)
    }

    /// A member holds so many slots no longer.
    pub fn returned(&mut self, member: &MemberId, slots: &Slots, now: Instant) -> Orders {
        self.hear(member);
        let (Some(known), Some(ledger)) =
            (self.members.get_mut(member), self.pods.get_mut(&slots.pod))
        else {
            return Orders::new();
        };
        known.paid(slots.slots);
        let paid = ledger.debit(member, slots.slots);
        if ledger.counts() {
            known.debit(paid);
        }
        self.touched.insert(slots.pod.clone());
        self.settle(now)
    }

    /// Nothing is heard of a member: it is told nothing more, and keeps what it has.
    pub fn silent(&mut self, member: &MemberId, now: Instant) -> Orders {
        if let Some(known) = self.members.get_mut(member) {
            known.silent = true;
        }
        self.settle(now)
    }

    /// A member has ended, and its connections are closed since `at`. What it held is withheld for
    /// so long as its requests may run on.
    pub fn ended(
        &mut self,
        member: &MemberId,
        at: Instant,
        wait: Duration,
        now: Instant,
    ) -> Orders {
        if self.members.remove(member).is_some() {
            for ledger in self.pods.values_mut() {
                if let Some(held) = ledger.held.remove(member) {
                    ledger.withheld.insert(member.clone(), held.slots);
                }
            }
            self.ended.insert(member.clone(), at + wait);
            self.recount();
        }
        self.settle(now)
    }

    /// A member has said that it has nothing any more, and nothing of it runs.
    pub fn left(&mut self, member: &MemberId, now: Instant) -> Orders {
        self.members.remove(member);
        self.ended.remove(member);
        for ledger in self.pods.values_mut() {
            ledger.held.remove(member);
            ledger.withheld.remove(member);
        }
        self.recount();
        self.settle(now)
    }

    /// A reign begins: what no member claims may be held by somebody who was not heard yet, until
    /// `release_unclaimed`.
    pub fn withhold_unclaimed(&mut self) {
        self.unheard = Unheard::Somebody;
        for ledger in self.pods.values_mut() {
            ledger.known = ledger.slots.is_some();
            ledger.disclaim();
        }
        self.recount();
    }

    /// These replicas were made after the last moment at which somebody unheard can have been
    /// granted anything: nothing of them is withheld as unclaimed.
    pub fn vouch(&mut self, pods: &[Pod], now: Instant) -> Orders {
        for pod in pods {
            if let Some(ledger) = self.pods.get_mut(pod) {
                ledger.unclaimed = 0;
                self.touched.insert(pod.clone());
            }
        }
        self.settle(now)
    }

    /// Everybody was heard or has ended, the last of them `at`: what nobody claims is given out once
    /// its requests can no longer run.
    pub fn release_unclaimed(&mut self, at: Instant, wait: Duration, now: Instant) -> Orders {
        if matches!(self.unheard, Unheard::Somebody) {
            self.unheard = Unheard::Until(at + wait);
        }
        self.settle(now)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> Orders {
        self.settle(now)
    }

    /// When to `tick` at the latest, if nothing happens before.
    #[must_use]
    pub fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Nobody holds anything of this replica, nor may.
    #[must_use]
    pub fn is_vacant(&self, pod: &Pod) -> bool {
        self.pods.get(pod).is_none_or(Ledger::is_vacant)
    }

    /// What each member holds of this replica.
    pub fn holders(&self, pod: &Pod) -> impl Iterator<Item = (&MemberId, u32)> {
        let ledger = self.pods.get(pod).into_iter();
        ledger.flat_map(|ledger| {
            ledger
                .held
                .iter()
                .map(|(member, held)| (member, held.slots))
        })
    }

    /// A member has said something.
    fn hear(&mut self, member: &MemberId) {
        let silent = self.members.get_mut(member).map(|m| &mut m.silent);
        if silent.is_some_and(std::mem::take) {
            self.touched.extend(self.pods.keys().cloned());
        }
    }

    /// Counts anew what each member has, after a change of many replicas.
    fn recount(&mut self) {
        self.pods.retain(|_, ledger| !ledger.is_blank());
        self.unlisted.retain(|pod, _| self.pods.contains_key(pod));
        self.touched = self.pods.keys().cloned().collect();
        for (id, member) in &mut self.members {
            let counted = self.pods.values().filter(|ledger| ledger.counts());
            let held = counted.map(|ledger| ledger.held_by(id));
            let held = held.fold(0, u32::saturating_add);
            let busy = member.held.saturating_sub(member.idle);
            member.held = held;
            member.idle = held.saturating_sub(busy);
        }
    }

    fn settle(&mut self, now: Instant) -> Orders {
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
            for ledger in self.pods.values_mut() {
                ledger.unclaimed = 0;
            }
        }
        if heard || !over.is_empty() {
            self.recount();
        }
    }
}

impl Unheard {
    fn may_hold(self, now: Instant) -> bool {
        match self {
            Self::Nobody => false,
            Self::Somebody => true,
            Self::Until(until) => now < until,
        }
    }
}
