//! Pods that find no node: which of them do not come, how many of those are worth keeping, and so how
//! many pods are asked for. Nobody here brings nodes: somebody may say that one comes, or that none does.

use std::time::SystemTime;

use tokio::time::Instant;

use super::Crew;
use super::sky::{Prospect, Relief, Sky, is_unplaced};
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::{LeavingOrder, PodView, Workload};
use crate::backend::kubernetes::pods::member::Member;
use crate::backend::kubernetes::pods::trouble::Hopeless;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::{Hindrance, Occupancy};
use crate::sync::wall;

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn sky(&self, now: Instant) -> Sky {
        let mut sky = Sky {
            now,
            grace: self.settings.pending_grace,
            relief: self.relief,
            watch: self.watch,
            comes_until: None,
        };
        let waiting = self.alive().filter(|member| is_unplaced(&member.pod));
        sky.comes_until = waiting.filter_map(|member| sky.promised(member)).max();
        sky
    }

    /// What is new of a pod may be good news for those like it: it has found a node, or one comes for it.
    pub(super) fn hear_of_node(&mut self, was: Option<&PodView>, pod: &PodView, now: Instant) {
        if was.is_some_and(is_unplaced) && !is_unplaced(pod) {
            self.relieve(now, wall());
        }
        let known = was.and_then(|was| was.node_word.as_ref());
        let word = pod.node_word.as_ref();
        if let Some(word) = word.filter(|word| word.coming && known != Some(*word)) {
            self.relieve(now, word.at);
        }
    }

    /// Something became better for all that wait for a node.
    pub(super) fn relieve(&mut self, now: Instant, wall: SystemTime) {
        let last = self.relief.map_or(wall, |relief| relief.wall.max(wall));
        self.forlorn = None;
        self.relief = Some(Relief {
            at: now,
            wall: last,
        });
    }

    /// How many pods are to be asked for: as many as are wanted, except that of those that do not come
    /// only a few are kept.
    pub(super) fn aim(&self, now: Instant) -> Option<u32> {
        let wanted = self.wish.as_ref()?.replicas;
        let most = self.most_that_come(now);
        Some(most.map_or(wanted, |most| wanted.min(most)))
    }

    /// How many pods it makes sense to ask for; `None` while nobody knows of one that does not come.
    fn most_that_come(&self, now: Instant) -> Option<u32> {
        let workload = self.present.workload.as_ref()?;
        let all = self.prospects(workload, now);
        if all.hopeless == 0 && self.forlorn.is_none() {
            return None;
        }
        let kept = self.settings.max_pending;
        // One that was just made has not been looked at, and is no reason for yet another.
        let most = all.coming + kept.max(all.open + kept.min(all.hopeless));
        match workload.leaving {
            // Others come than are asked for, and others go: what is asked for stays.
            _ if workload.rolling => Some(workload.replicas),
            // Nobody can choose which go.
            LeavingOrder::Ordinal => Some(most.max(all.highest)),
            _ => Some(most),
        }
    }

    fn prospects(&self, workload: &Workload, now: Instant) -> Prospects {
        let sky = self.sky(now);
        let mut all = Prospects::default();
        for member in self.alive() {
            match sky.prospect(member) {
                Prospect::Placed | Prospect::NodeComing => all.coming += 1,
                Prospect::Open(_) => all.open += 1,
                Prospect::Hopeless => {
                    all.hopeless += 1;
                    continue;
                }
            }
            let place = member.place(workload.first_ordinal);
            let above = place.map_or(u32::MAX, |place| place.saturating_add(1));
            all.highest = all.highest.max(above);
        }
        all
    }

    /// Remembers that some do not come: one that is made in the place of such a one is no reason to ask
    /// for all of them again. It is over when one of them may come after all, and when no more are wanted
    /// than come.
    pub(super) fn note_forlorn(&mut self, now: Instant) {
        let (Some(wish), Some(workload)) = (&self.wish, self.present.workload.clone()) else {
            self.forlorn = None;
            return;
        };
        let all = self.prospects(&workload, now);
        let was_there = |newest| {
            let mut waiting = self.alive().filter(|member| is_unplaced(&member.pod));
            waiting.any(|member| member.id.0 <= newest)
        };
        self.forlorn = match self.forlorn {
            _ if wish.replicas <= all.coming => None,
            _ if all.hopeless > 0 => Some(self.newest),
            Some(newest) if was_there(newest) => None,
            forlorn => forlorn,
        };
    }

    /// A pod is about to leave a node, on which there will be room then.
    pub(super) fn makes_room(&self) -> bool {
        let leaves = |member: &Member| member.pod.terminating || member.is_victim();
        let mut placed = self.members.iter().filter(|m| !is_unplaced(&m.pod));
        placed.any(leaves)
    }

    /// When something changes by time alone.
    pub(super) fn despairs_at(&self, now: Instant) -> Option<Instant> {
        let sky = self.sky(now);
        let patience = self
            .alive()
            .filter_map(|member| match sky.prospect(member) {
                Prospect::Open(until) => until,
                _ => None,
            });
        let nominated = self.alive().filter_map(|member| sky.nominated(member));
        let all = patience.chain(sky.comes_until).chain(nominated);
        all.filter(|&at| at > now).min()
    }

    /// Those that do not come.
    pub(super) fn hopeless<'a>(&'a self, sky: &'a Sky) -> impl Iterator<Item = &'a Member> {
        let is_hopeless = |member: &&Member| sky.prospect(member) == Prospect::Hopeless;
        self.alive().filter(is_hopeless)
    }
}

/// How many pods are to be thought of in which way.
#[derive(Default)]
struct Prospects {
    coming: u32,
    open: u32,
    hopeless: u32,
    /// One more than the highest ordinal of those that may come.
    highest: u32,
}

/// Why this pod does not come for want of a node; `None` while it may.
pub(super) fn finds_no_node(member: &Member, sky: &Sky) -> Option<Hopeless> {
    (sky.prospect(member) == Prospect::Hopeless).then(|| Hopeless {
        detail: format!("pod {}: {}", member.pod.name, why_none(member)),
        next_attempt: None,
    })
}

/// In the scheduler's words, and those of whoever brings nodes.
pub(super) fn why_none(member: &Member) -> String {
    match &member.hindrance {
        Some((Hindrance::Unschedulable, said)) => {
            format!("{said}; no autoscaler has said that a node comes")
        }
        // It was said too long ago.
        Some((Hindrance::NodeComing, said)) => format!("{said}, but it has not come"),
        Some((_, said)) => said.to_string(),
        None => "no node fits".to_owned(),
    }
}
