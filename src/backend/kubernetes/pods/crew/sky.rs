//! What is to be thought of a pod that has no node: whether one comes, nobody knows, or none does.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::backend::kubernetes::objects::{NodeWord, PodView, Stage};
use crate::backend::kubernetes::pods::member::Member;
use crate::sync::wall;

/// So long it is believed that a node comes: what Cluster Autoscaler gives one
/// (`max-node-provision-time`).
const COMES_WITHIN: Duration = Duration::from_secs(900);

/// What is told in whole seconds, and heard a moment later, was said at the same time.
const AT_ONCE: Duration = Duration::from_secs(2);

/// So long after pods are seen, for the first time or again, what others say of them may be on its way.
const HEARING: Duration = Duration::from_secs(10);

/// What is to be thought of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prospect {
    /// It has a node.
    Placed,
    /// A node comes for it, or for one like it of which nobody has said anything else; or one that
    /// is there has room for it soon.
    NodeComing,
    /// Nobody knows; until when it is waited for, where the scheduler has looked for a node already and
    /// somebody sees what becomes of it.
    Open(Option<Instant>),
    /// None comes.
    Hopeless,
}

/// When a pod of this revision last found a node, or was promised one: what was said of others before
/// does not count any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relief {
    pub(super) at: Instant,
    pub(super) wall: SystemTime,
}

/// From when on it is seen what becomes of pods.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// `None`: it is not.
    since: Option<Instant>,
    /// Until when it was before that.
    until: Option<Instant>,
}

impl Watch {
    pub(super) fn see(&mut self, fresh: bool, now: Instant) {
        match (self.since, fresh) {
            (None, true) => self.since = Some(now),
            (Some(_), false) => (self.since, self.until) = (None, Some(now)),
            _ => {}
        }
    }

    /// When a patience ends: not while nobody sees, nor before what was said meanwhile is heard.
    fn ends(&self, patience: Instant) -> Option<Instant> {
        match self.until {
            Some(until) if patience <= until => Some(patience),
            _ => Some(patience.max(self.since? + HEARING)),
        }
    }
}

/// All that the prospect of a pod depends on beside itself.
pub(super) struct Sky {
    pub(super) now: Instant,
    pub(super) grace: Duration,
    pub(super) relief: Option<Relief>,
    pub(super) watch: Watch,
    /// Until when it is believed that a node comes for at least one of them.
    pub(super) comes_until: Option<Instant>,
}

impl Sky {
    pub(super) fn prospect(&self, member: &Member) -> Prospect {
        if !is_unplaced(&member.pod) {
            return Prospect::Placed;
        }
        let word = member.pod.node_word.as_ref();
        let none_comes = word.is_some_and(|word| self.says_none(word));
        let comes = self.promised(member).is_some() || self.nominated(member).is_some();
        if comes || (self.comes_until.is_some() && !none_comes) {
            return Prospect::NodeComing;
        }
        let Some(since) = member.unplaced else {
            return Prospect::Open(None);
        };
        let since = self.relief.map_or(since, |relief| since.max(relief.at));
        match self.watch.ends(since + self.grace) {
            _ if none_comes => Prospect::Hopeless,
            Some(end) if self.now >= end => Prospect::Hopeless,
            end => Prospect::Open(end),
        }
    }

    fn says_none(&self, word: &NodeWord) -> bool {
        let outdated = self
            .relief
            .is_some_and(|relief| word.at + AT_ONCE < relief.wall);
        !word.coming && !outdated
    }

    /// Until when it is believed that a node comes for it.
    pub(super) fn promised(&self, member: &Member) -> Option<Instant> {
        member.promised.filter(|until| *until > self.now)
    }

    /// Until when it is believed that there will be room for it, and nobody else, on a node that is there.
    pub(super) fn nominated(&self, member: &Member) -> Option<Instant> {
        member.nominated.filter(|until| *until > self.now)
    }
}

impl Member {
    /// What is new of its node.
    pub(super) fn see_node(&mut self, was: &PodView, now: Instant) {
        if was.node_word != self.pod.node_word {
            self.promised = promise(&self.pod, now);
        }
        if was.nominated != self.pod.nominated {
            self.nominated = nomination(&self.pod, now);
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

/// Until when it is believed that it finds room where the scheduler expects it: who is ended there in its
/// favour may take as long as was promised.
pub(super) fn nomination(pod: &PodView, now: Instant) -> Option<Instant> {
    pod.nominated.as_ref().map(|_| now + COMES_WITHIN)
}

/// The scheduler has looked, and found no node.
const UNSCHEDULABLE: &str = "Unschedulable";

/// The scheduler has found no node for it.
pub(super) fn is_unschedulable(pod: &PodView) -> bool {
    matches!(&pod.stage, Stage::Unscheduled(Some(why)) if why.reason == UNSCHEDULABLE)
}

/// It has no node.
pub(super) fn is_unplaced(pod: &PodView) -> bool {
    matches!(pod.stage, Stage::Unscheduled(_))
}
