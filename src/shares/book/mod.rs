//! The book of who may use which slots of one revision, kept by the leader. Of each replica, what
//! members hold, what is withheld and what is in the pool are together its slots. It decides what
//! to say to whom; it neither says it nor has a clock.
//!
//! The pool is given to those who wait, else to everybody alike. Who waits beside slots that idle
//! elsewhere gets these. Where nothing idles, shares follow the demand.

mod ask;
mod drift;
mod give;
mod ledger;
mod member;
mod settle;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_heard;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{MemberId, Order, Pod, Report, Slots};
use ledger::Ledger;
use member::Member;
use settle::Unheard;

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
    /// Nobody unheard holds anything of these.
    vouched: BTreeSet<Pod>,
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
            if is_new && self.unheard.may_hold(now) && !self.vouched.contains(pod) {
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
            let ledger = self.pods.get(&busy.pod)?;
            Some(ledger.counted(member).min(busy.slots.into()))
        });
        known.report(report, busy.sum(), now);
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
        known.paid(slots.slots.into());
        let before = ledger.counted(member);
        ledger.debit(member, slots.slots);
        known.debit(before - ledger.counted(member));
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
        self.vouched.clear();
        for ledger in self.pods.values_mut() {
            ledger.known = ledger.slots.is_some();
            ledger.disclaim();
        }
        self.recount();
    }

    /// These replicas were made after the last moment at which somebody unheard can have been
    /// granted anything: nothing of them is withheld as unclaimed, be they ready already or not.
    pub fn vouch(&mut self, pods: &[Pod], now: Instant) -> Orders {
        if matches!(self.unheard, Unheard::Nobody) {
            return Orders::new();
        }
        for pod in pods {
            self.vouched.insert(pod.clone());
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
        match self.pods.get(pod) {
            Some(ledger) => ledger.is_vacant(),
            None => !matches!(self.unheard, Unheard::Somebody) || self.vouched.contains(pod),
        }
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
}
