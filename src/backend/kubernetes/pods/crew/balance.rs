//! Who takes requests and who is to go: takes replicas out of service, those that are not ready first,
//! then idle ones, and puts them back when they are wanted after all.

use std::collections::HashSet;

use tokio::time::Instant;
use tracing::info;

use super::sky::Prospect;
use super::{Crew, SETTLE};
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::LeavingOrder;
use crate::backend::kubernetes::pods::member::{Member, Service};
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn balance(&mut self, now: Instant) {
        self.release_stuck();
        let leaving = self
            .present
            .workload
            .as_ref()
            .map(|workload| workload.leaving);
        if leaving == Some(LeavingOrder::Ordinal) {
            return self.balance_by_ordinal(now);
        }
        let needed = self.surplus(now);
        let victims = self.alive().filter(|member| member.is_victim()).count();
        if victims > needed {
            self.take_back(victims - needed, now);
        }
        self.retire_unready(needed, now);
        let victims = self.alive().filter(|member| member.is_victim()).count();
        if victims < needed {
            self.retire_ready(needed - victims, now);
        }
        self.prefer_idle(now);
    }

    /// One that has fallen idle goes in place of one that is busy, which serves on.
    fn prefer_idle(&mut self, now: Instant) {
        let may_go = self.who_may_go();
        let is_busy = |m: &&Member| m.service == Service::Retired && !may_go.contains(&m.id);
        let busy = self.alive().filter(is_busy);
        let busy: Vec<ReplicaId> = busy.map(|member| member.id).collect();
        self.occupancy.tell_idle(!busy.is_empty());
        if busy.is_empty() {
            return;
        }
        let idle = self.occupancy.idle().into_iter().map(|(id, _)| id);
        for (busy, idle) in busy.into_iter().zip(idle.collect::<Vec<_>>()) {
            let is_ours = self
                .alive()
                .any(|m| m.id == idle && m.service == Service::In);
            if is_ours && self.occupancy.retire_idle(idle) {
                self.retire_one(idle);
                self.revive(busy, now);
            }
        }
    }

    /// How many of the pods have to go.
    fn surplus(&self, now: Instant) -> usize {
        let (Some(aim), Some(workload)) = (self.aim(now), &self.present.workload) else {
            return 0;
        };
        let fresh = self.present.fresh;
        let present = self.number.present(workload.replicas, fresh, now);
        if !self.may_shrink() || aim >= present {
            return 0;
        }
        let alive = self.alive().count();
        // While nobody knows who would go, nobody does, unless all do.
        let all_or_none = workload.rolling || workload.leaving == LeavingOrder::Unknown;
        match aim {
            0 => alive,
            _ if all_or_none => 0,
            wanted => alive.saturating_sub(wanted as usize),
        }
    }

    /// Those that are not ready go first, the newest first, even in place of one that was chosen
    /// before: it serves on.
    fn retire_unready(&mut self, needed: usize, now: Instant) {
        if needed == 0 {
            return;
        }
        let unready = |m: &&Member| m.is_in_service() && !m.is_ready();
        let mut unready: Vec<&Member> = self.members.iter().filter(unready).collect();
        let sky = self.sky(now);
        let comes = |m: &Member| sky.prospect(m) != Prospect::Hopeless;
        unready.sort_by_key(|m| (m.rank(), comes(m), m.was_ready, std::cmp::Reverse(m.id)));
        let unready = unready.into_iter().map(|member| member.id).collect();
        let mut victims = self.alive().filter(|member| member.is_victim()).count();
        for id in self.occupancy.vacant(unready) {
            let serves_on =
                |m: &Member| m.is_alive() && m.is_ready() && m.service == Service::Retired;
            if victims < needed {
                self.retire_one(id);
                victims += 1;
            } else if victims == needed
                && let Some(other) = self.members.iter().find(|m| serves_on(m)).map(|m| m.id)
                && self.revive(other, now)
            {
                self.retire_one(id);
            } else {
                return;
            }
        }
    }

    fn retire_ready(&mut self, count: usize, now: Instant) {
        let retired: HashSet<ReplicaId> = self.occupancy.retire(count).into_iter().collect();
        let revision = &self.settings.revision;
        for member in self.members.iter_mut().filter(|m| retired.contains(&m.id)) {
            if member.service == Service::In {
                member.service = Service::Retired;
                info!(%revision, pod = %member.pod.name, "draining");
            }
        }
        if retired.len() < count {
            // The throttler has not heard of all of them yet.
            self.look_again(now + SETTLE);
        }
    }

    fn retire_one(&mut self, id: ReplicaId) {
        self.occupancy.retire_one(id);
        if let Some(member) = self.member(id) {
            member.service = Service::Retired;
            member.looker = None;
        }
    }

    /// Puts up to so many back into service: ready ones first, the oldest first.
    fn take_back(&mut self, count: usize, now: Instant) {
        let may_come_back = self.who_may_come_back(now);
        let victims = self.alive().filter(|m| m.is_victim() && may_come_back(m));
        let mut victims: Vec<&Member> = victims.collect();
        victims.sort_by_key(|member| !member.is_ready());
        let victims: Vec<ReplicaId> = victims.iter().map(|member| member.id).collect();
        let mut left = count;
        for id in victims {
            if left > 0 && self.revive(id, now) {
                left -= 1;
            }
        }
    }

    /// One that its controller may be taking away at this moment is not given requests again before it
    /// is clear that it stays.
    fn who_may_come_back(&self, now: Instant) -> impl Fn(&Member) -> bool + use<A, N, L, O> {
        let workload = self.present.workload.as_ref();
        let asked = workload.map_or(0, |w| self.number.present(w.replicas, true, now));
        let all_stay = self.present.fresh && self.alive().count() <= asked as usize;
        let settled = all_stay && self.number.has_settled(now);
        move |member| match member.service {
            Service::Released(at) => settled && now >= at + SETTLE,
            _ => true,
        }
    }

    /// False: not yet.
    fn revive(&mut self, id: ReplicaId, now: Instant) -> bool {
        let back = self.occupancy.revive(&[id]).contains(&id);
        let revision = self.settings.revision.clone();
        let Some(member) = self.member(id) else {
            return false;
        };
        // The throttler hears of one that it did not list only after we have published it.
        member.unheard = if back { 0 } else { member.unheard + 1 };
        if !back && member.unheard <= 2 {
            self.look_again(now + SETTLE);
            return false;
        }
        member.unheard = 0;
        member.service = Service::In;
        info!(%revision, pod = %member.pod.name, "back in service");
        true
    }

    /// What it did not answer has ended: it may try again.
    fn release_stuck(&mut self) {
        let is_stuck = |m: &&Member| m.service == Service::Stuck;
        let stuck = self.members.iter().filter(is_stuck).map(|m| m.id).collect();
        for id in self.occupancy.vacant(stuck) {
            self.occupancy.revive(&[id]);
            if let Some(member) = self.member(id) {
                member.service = Service::In;
            }
        }
    }

    /// The highest ordinals go, whatever they hold: nobody can choose others.
    fn balance_by_ordinal(&mut self, now: Instant) {
        let shrinks = self.surplus(now) > 0;
        let wanted = self.aim(now).unwrap_or(0);
        let workload = self.present.workload.as_ref();
        let first = workload.map_or(0, |workload| workload.first_ordinal);
        let goes = |m: &Member| shrinks && m.place(first).is_none_or(|place| place >= wanted);
        let may_come_back = self.who_may_come_back(now);
        let (mut out, mut back) = (Vec::new(), Vec::new());
        for member in self.alive() {
            match (goes(member), member.service) {
                (true, Service::In) => out.push(member.id),
                (false, Service::Retired | Service::Released(_)) if may_come_back(member) => {
                    back.push(member.id);
                }
                _ => {}
            }
        }
        for id in out {
            self.retire_one(id);
        }
        for id in back {
            self.revive(id, now);
        }
    }
}
