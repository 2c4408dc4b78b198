//! What is given out, and what is called back because there is too much of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::{MemberId, Order, Pod, Slots, UNLIMITED};
use super::ledger::Ledger;
use super::member::Member;
use super::settle::Unheard;
use super::{Book, FLAPS_FOR, Orders};

/// What was granted to who waits is not taken back for another before that, or it might wander
/// between the two unused.
const LEAST_HOLD: Duration = Duration::from_millis(50);

impl Book {
    /// Tells who does not know yet of which replicas nobody is to hold anything. Those that do not
    /// come back are among them.
    pub(super) fn retire(&mut self, orders: &mut Orders, now: Instant) {
        let gone = |pod: &Pod, ledger: &Ledger| {
            let since = ledger.slots.is_none().then(|| self.unlisted.get(pod));
            let long = |since: &Instant| now >= *since + FLAPS_FOR;
            let left = !ledger.held.is_empty() && since.flatten().is_some_and(long);
            ledger.retired || left
        };
        let retired = self.pods.iter().filter(|(pod, ledger)| gone(pod, ledger));
        let retired: Vec<Pod> = retired.map(|(pod, _)| pod.clone()).collect();
        if self.retired.1 != retired {
            self.retired = (self.retired.0 + 1, retired);
        }
        let (version, retired) = &self.retired;
        for (id, member) in &mut self.members {
            if !member.silent && member.told != Some(*version) {
                member.told = Some(*version);
                orders.push((id.clone(), Order::Retire(retired.clone())));
            }
        }
    }

    /// Nobody else holds anything, nor may: not of replicas either that were not seen yet.
    #[must_use]
    pub fn is_all_of(&self, member: &MemberId) -> bool {
        let mut pods = self.pods.values();
        let all = pods.all(|ledger| {
            let others = ledger.held.keys().any(|holder| holder != member);
            !others && ledger.withheld.is_empty() && ledger.unclaimed == 0
        });
        all && matches!(self.unheard, Unheard::Nobody)
    }

    /// No replica is ready, nobody holds anything, nor may.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let mut pods = self.pods.values();
        let blank = pods.all(|ledger| ledger.slots.is_none() && ledger.is_vacant());
        blank && matches!(self.unheard, Unheard::Nobody)
    }

    pub(super) fn give(&mut self, orders: &mut Orders, now: Instant) {
        let mut pools = Vec::new();
        for pod in std::mem::take(&mut self.touched) {
            let Some(ledger) = self.pods.get_mut(&pod) else {
                continue;
            };
            if ledger.is_live() && ledger.is_unlimited() {
                give_all(&pod, ledger, &self.members, orders);
            } else if ledger.is_crowded() {
                make_fit(&pod, ledger, &self.members, orders);
            } else if ledger.pool() > 0 {
                pools.push((pod, ledger.pool()));
            } else if ledger.is_blank(self.unheard) {
                self.pods.remove(&pod);
                self.unlisted.remove(&pod);
            }
        }
        self.share_out(pools, orders, now);
    }

    /// Gives slot by slot to whoever needs it most, of each replica in turn.
    fn share_out(&mut self, mut pools: Vec<(Pod, u32)>, orders: &mut Orders, now: Instant) {
        pools.sort_by_key(|(_, pool)| Reverse(*pool));
        let mut granted: BTreeMap<(MemberId, Pod), u32> = BTreeMap::new();
        'given: while !pools.is_empty() {
            for (pod, pool) in &mut pools {
                let Some((to, waits)) = self.neediest(pod) else {
                    break 'given;
                };
                let ledger = self.pods.get_mut(pod).expect("it has a pool");
                ledger.credit(&to, 1);
                let member = self.members.get_mut(&to).expect("it needs a slot");
                member.credit(now);
                if waits {
                    member.holds_until = Some(now + LEAST_HOLD);
                }
                *granted.entry((to, pod.clone())).or_default() += 1;
                *pool -= 1;
            }
            pools.retain(|(_, pool)| *pool > 0);
        }
        // Whoever comes finds them.
        self.touched.extend(pools.into_iter().map(|(pod, _)| pod));
        grant_all(granted, orders);
    }

    /// Who gets the next slot, and whether somebody waits for it there; nobody where none but those
    /// that end are left. Of those who wait: who has
    /// nothing and waits longest for anything, then who has least for what is asked of it, which is
    /// D'Hondt's rule. If nobody waits: who has fewest idle ones.
    fn neediest(&self, pod: &Pod) -> Option<(MemberId, bool)> {
        let waiting = self.heard().filter(|(_, member)| member.unmet() > 0);
        let waiting = waiting.min_by(|(_, a), (_, b)| {
            let starves = |m: &Member| m.starves_since.filter(|_| m.held == 0);
            let (first, second) = (starves(a), starves(b));
            let (has, has_other) = (a.held + 1, b.held + 1);
            let by_demand = || (b.demand * has).cmp(&(a.demand * has_other));
            first.is_none().cmp(&second.is_none()).then_with(|| {
                let longest = first.cmp(&second);
                longest.then_with(by_demand)
            })
        });
        if let Some((id, _)) = waiting {
            return Some((id.clone(), true));
        }
        let ledger = self.pods.get(pod);
        let stays = self.heard().filter(|(_, member)| !member.drains);
        let calm = stays.min_by_key(|(id, member)| {
            let of_it = ledger.map_or(0, |ledger| ledger.held_by(id));
            (member.idle, of_it, member.held)
        });
        calm.map(|(id, _)| (id.clone(), false))
    }
}

fn grant_all(granted: BTreeMap<(MemberId, Pod), u32>, orders: &mut Orders) {
    let grant = |((member, pod), slots)| (member, Order::Grant(Slots { pod, slots }));
    orders.extend(granted.into_iter().map(grant));
}

/// A replica without a hard limit: everybody may send to it.
fn give_all(
    pod: &Pod,
    ledger: &mut Ledger,
    members: &BTreeMap<MemberId, Member>,
    orders: &mut Orders,
) {
    for (id, _) in members.iter().filter(|(_, member)| !member.silent) {
        let slots = UNLIMITED - ledger.held_by(id);
        if slots > 0 {
            ledger.credit(id, slots);
            let pod = pod.clone();
            orders.push((id.clone(), Order::Grant(Slots { pod, slots })));
        }
    }
}

/// More is held of a replica than it has slots, since its limit was lowered: who has most keeps
/// less, until it fits.
fn make_fit(
    pod: &Pod,
    ledger: &mut Ledger,
    members: &BTreeMap<MemberId, Member>,
    orders: &mut Orders,
) {
    let hears = |id: &MemberId| members.get(id).is_some_and(|member| !member.silent);
    let mut held: Vec<(u32, MemberId)> = Vec::new();
    for (id, share) in ledger.held.iter().filter(|(id, _)| hears(id)) {
        held.push((share.slots, id.clone()));
    }
    held.sort();
    let hearing: u64 = held.iter().map(|(slots, _)| u64::from(*slots)).sum();
    let slots = u64::from(ledger.slots.unwrap_or(0));
    let mut left = slots.saturating_sub(ledger.taken() - hearing);
    let mut others = held.len() as u64;
    for (slots, id) in held {
        let most = u64::from(slots).min(left / others);
        (left, others) = (left - most, others - 1);
        let most = u32::try_from(most).unwrap_or(slots);
        let share = ledger.held.get_mut(&id).expect("it was listed");
        if most < slots && share.keeps != Some(most) {
            share.keeps = Some(most);
            let (pod, slots) = (pod.clone(), most);
            orders.push((id, Order::Keep(Slots { pod, slots })));
        }
    }
}
