//! Pods that find no node: which of them do not come, how many of those are worth keeping, and so how
//! many pods are asked for. Nobody here brings nodes: somebody may say that one comes, or that none does.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Crew;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::{LeavingOrder, NodeWord, PodView, Stage};
use crate::backend::kubernetes::pods::hindrance::keeps;
use crate::backend::kubernetes::pods::member::Member;
use crate::backend::kubernetes::pods::trouble::Hopeless;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::{Hindrance, Occupancy};
use crate::sync::wall;

/// So long it is believed that a node comes: what Cluster Autoscaler gives one
/// (`max-node-provision-time`).
const COMES_WITHIN: Duration = Duration::from_secs(900);

/// What is told in whole seconds, and heard a moment later, was said at the same time.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What is to be thought of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    /// It has a node.
    Placed,
    /// A node comes for it, or for one like it of which nobody has said anything else.
    NodeComing,
    /// Nobody knows; until when it is waited for, where the scheduler has looked for a node already.
    Open(Option<Instant>),
    /// None comes.
    Hopeless,
}

/// When a pod of this revision last found a node, or was promised one: what was said of others before
/// does not count any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relief {
    at: Instant,
    wall: SystemTime,
}

/// All that the prospect of a pod depends on beside itself.
pub(super) struct Sky {
    now: Instant,
    grace: Duration,
    relief: Option<Relief>,
    /// Until when it is believed that a node comes for at least one of them.
    comes_until: Option<Instant>,
}

impl Sky {
    pub(super) fn prospect(&self, member: &Member) -> Prospect {
        let Stage::Unscheduled(why) = &member.pod.stage else {
            return Prospect::Placed;
        };
        let sought = why.as_ref().is_some_and(|why| why.reason == UNSCHEDULABLE);
        let word = member.pod.node_word.as_ref();
        let none_comes = word.is_some_and(|word| self.says_none(word));
        let comes = self.promised(member).is_some();
        if comes || (self.comes_until.is_some() && !none_comes) {
            return Prospect::NodeComing;
        }
        let (true, Some(since)) = (sought, member.unplaced) else {
            return Prospect::Open(None);
        };
        let since = self.relief.map_or(since, |relief| since.max(relief.at));
        let patience = since + self.grace;
        if none_comes || self.now >= patience {
            Prospect::Hopeless
        } else {
            Prospect::Open(Some(patience))
        }
    }

    fn says_none(&self, word: &NodeWord) -> bool {
        let outdated = self
            .relief
            .is_some_and(|relief| word.at + AT_ONCE < relief.wall);
        !word.coming && !outdated
    }

    /// Until when it is believed that a node comes for it.
    fn promised(&self, member: &Member) -> Option<Instant> {
        member.promised.filter(|until| *until > self.now)
    }
}

impl Member {
    /// What is new of its node.
    pub(super) fn see_node(&mut self, was: &PodView, now: Instant) {
        if was.node_word != self.pod.node_word {
            self.promised = promise(&self.pod, now);
        }
        if is_unschedulable(&self.pod) {
            self.unplaced.get_or_insert(now);
        } else if !is_unplaced(&self.pod) {
            self.unplaced = None;
        }
    }
}

/// Until when the last word of a node for this pod is believed, if it says that one comes.
pub(super) fn promise(pod: &PodView, now: Instant) -> Option<Instant> {
    let word = pod.node_word.as_ref().filter(|word| word.coming)?;
    let age = wall().duration_since(word.at).unwrap_or_default();
    Some(now + COMES_WITHIN.saturating_sub(age))
}

/// The scheduler has looked, and found no node.
const UNSCHEDULABLE: &str = "Unschedulable";

/// The scheduler has found no node for it.
pub(super) fn is_unschedulable(pod: &PodView) -> bool {
    matches!(&pod.stage, Stage::Unscheduled(Some(why)) if why.reason == UNSCHEDULABLE)
}

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn sky(&self, now: Instant) -> Sky {
        let mut sky = Sky {
            now,
            grace: self.settings.pending_grace,
            relief: self.relief,
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
        let sky = self.sky(now);
        let (mut coming, mut open, mut hopeless, mut highest) = (0, 0, 0, 0);
        for member in self.alive() {
            match sky.prospect(member) {
                Prospect::Placed | Prospect::NodeComing => coming += 1,
                Prospect::Open(_) => open += 1,
                Prospect::Hopeless => {
                    hopeless += 1;
                    continue;
                }
            }
            let place = member.place(workload.first_ordinal);
            highest = highest.max(place.map_or(u32::MAX, |place| place.saturating_add(1)));
        }
        if hopeless == 0 {
            return None;
        }
        let kept = self.settings.max_pending;
        // One that was just made has not been looked at, and is no reason for yet another.
        let most = coming + kept.max(open + kept.min(hopeless));
        match workload.leaving {
            // Others come than are asked for, and others go: what is asked for stays.
            _ if workload.rolling => Some(workload.replicas),
            // Nobody can choose which go.
            LeavingOrder::Ordinal => Some(most.max(highest)),
            _ => Some(most),
        }
    }

    /// A pod is about to leave a node, on which there will be room then.
    pub(super) fn makes_room(&self) -> bool {
        let leaves = |member: &Member| member.pod.terminating && !is_unplaced(&member.pod);
        self.members.iter().any(leaves)
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
        patience.chain(sky.comes_until).filter(|&at| at > now).min()
    }

    /// Those that do not come.
    pub(super) fn hopeless<'a>(&'a self, sky: &'a Sky) -> impl Iterator<Item = &'a Member> {
        let is_hopeless = |member: &&Member| sky.prospect(member) == Prospect::Hopeless;
        self.alive().filter(is_hopeless)
    }
}

/// Why this pod does not come for want of a node; `None` while it may.
pub(super) fn finds_no_node(member: &Member, sky: &Sky) -> Option<Hopeless> {
    (sky.prospect(member) == Prospect::Hopeless).then(|| Hopeless {
        detail: format!("no node for {}: {}", member.pod.name, why_none(member)),
        next_attempt: None,
    })
}

pub(super) fn is_unplaced(pod: &PodView) -> bool {
    matches!(pod.stage, Stage::Unscheduled(_))
}

/// In the scheduler's words, and those of whoever brings nodes.
pub(super) fn why_none(member: &Member) -> String {
    match keeps(&member.pod, false) {
        Some((Hindrance::Unschedulable, said)) => {
            format!("{said}; no autoscaler has said that a node comes")
        }
        // It was said too long ago.
        Some((Hindrance::NodeComing, said)) => format!("{said}, but it has not come"),
        Some((_, said)) => said,
        None => "no node fits".to_owned(),
    }
}
