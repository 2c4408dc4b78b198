//! What members are asked to return, so that nobody waits beside a slot that idles elsewhere, and
//! everybody has a part where nothing idles.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::super::{MemberId, Order};
use super::member::Member;
use super::{Book, FLAPS_FOR, Orders};
use crate::counting::count;

/// Who may have something idle that is not known of is asked so often while somebody waits.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Shares follow the demand, and idle slots are spread, at most so often.
const DRIFT_EVERY: Duration = Duration::from_secs(1);

impl Book {
    pub(super) fn ask(&mut self, orders: &mut Orders, now: Instant) {
        let unmet = self.heard().map(|(_, member)| member.unmet()).sum();
        if unmet > 0 {
            self.uneven = None;
            self.ask_who_has_some_idle(unmet, orders, now);
            self.recall_for_who_has_nothing(orders);
            if falls_due(&mut self.starved, true, now) {
                self.follow_demand(orders);
            }
            return;
        }
        self.starved = None;
        let (fewest, most) = self.least_and_most_idle();
        let spare = match (fewest, most) {
            (Some(0), Some((idle, member))) if idle >= 2 => Some((member, idle / 2)),
            _ => None,
        };
        if falls_due(&mut self.uneven, spare.is_some(), now)
            && let Some((id, slots)) = spare
        {
            let member = self.members.get_mut(&id).expect("it has idle slots");
            member.asked_until = Some(now + ASK_AGAIN);
            orders.push((id, Order::Spare(count(slots))));
        }
    }

    pub(super) fn heard(&self) -> impl Iterator<Item = (&MemberId, &Member)> {
        self.members.iter().filter(|(_, member)| !member.silent)
    }

    /// First those of whom it is known that something idles there; if that is not enough, whoever
    /// may have come to idle since it spoke last.
    fn ask_who_has_some_idle(&mut self, unmet: u64, orders: &mut Orders, now: Instant) {
        let coming = self.heard().map(|(_, member)| member.asked);
        let mut lacks = unmet.saturating_sub(coming.sum());
        let surely_waits =
            |member: &Member| member.surely_waits_until().is_some_and(|until| now < until);
        let mut others: Vec<(&MemberId, &mut Member)> = self.members.iter_mut().collect();
        others.retain(|(_, member)| {
            let may_be_asked = member.asked_until.is_none() && member.holds_until.is_none();
            may_be_asked && !member.silent && member.held > 0 && !surely_waits(member)
        });
        others.sort_by_key(|(_, member)| Reverse(member.idle));
        for (id, member) in others {
            let known = member.idle.saturating_sub(member.owes);
            if lacks == 0 {
                break;
            }
            let slots = if known > 0 && member.unmet() == 0 {
                member.asked = known.min(lacks);
                lacks -= member.asked;
                member.asked
            } else {
                lacks.saturating_sub(member.unmet())
            };
            if slots > 0 {
                member.asked_until = Some(now + ASK_AGAIN);
                orders.push((id.clone(), Order::Spare(count(slots))));
            }
        }
    }

    /// Who waits and has nothing at all gets what ends first at whoever has most.
    fn recall_for_who_has_nothing(&mut self, orders: &mut Orders) {
        let starving = |(_, member): &(&MemberId, &Member)| member.unmet() > 0 && member.held == 0;
        let starving = self.heard().filter(starving).count();
        let coming = self.heard().map(|(_, member)| member.owes + member.asked);
        for _ in coming.sum()..starving as u64 {
            let left = |member: &Member| member.held.saturating_sub(member.owes);
            let richest = self.members.iter_mut().filter(|(_, member)| {
                !member.silent && member.holds_until.is_none() && left(member) > 0
            });
            let Some((id, richest)) = richest.max_by_key(|(_, member)| left(member)) else {
                return;
            };
            richest.owes += 1;
            orders.push((id.clone(), Order::Recall(1)));
        }
    }

    fn least_and_most_idle(&self) -> (Option<u64>, Option<(u64, MemberId)>) {
        let stays = self.heard().filter(|(_, member)| !member.drains);
        let fewest = stays.map(|(_, member)| member.idle).min();
        let may_be_asked = |(_, member): &(&MemberId, &Member)| member.asked_until.is_none();
        let most = self.heard().filter(may_be_asked);
        let most = most.max_by_key(|(_, member)| member.idle);
        (fewest, most.map(|(id, member)| (member.idle, id.clone())))
    }

    /// When something falls due by itself.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let mut next: Vec<Instant> = self.ended.values().copied().collect();
        if let super::Unheard::Until(until) = self.unheard {
            next.push(until);
        }
        let drifts = self.starved.into_iter().chain(self.uneven);
        next.extend(drifts.map(|since| since + DRIFT_EVERY));
        next.extend(self.unlisted.values().map(|since| *since + FLAPS_FOR));
        if self.starved.is_some() {
            let again = |member: &Member| {
                [
                    member.asked_until,
                    member.holds_until,
                    member.surely_waits_until(),
                ]
            };
            next.extend(self.members.values().flat_map(again).flatten());
        }
        next.into_iter().filter(|at| *at > now).min()
    }
}

/// Whether what goes on has gone on for long enough to be acted on, which begins anew then.
fn falls_due(since: &mut Option<Instant>, goes_on: bool, now: Instant) -> bool {
    match since {
        _ if !goes_on => *since = None,
        None => *since = Some(now),
        Some(at) if now.saturating_duration_since(*at) >= DRIFT_EVERY => {
            *since = Some(now);
            return true;
        }
        Some(_) => {}
    }
    false
}
