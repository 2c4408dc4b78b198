//! How far the start of a pod has come: how long each phase took, and when it is likely to take
//! requests. What a phase is, is told from what is seen of the pod; `now` is an argument.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

use crate::autoscale::{StartPhase, TypicalPhases, likely_end, typical_start};
use crate::backend::kubernetes::objects::{PodView, Stage};

/// The start of one pod, or of a later life of its containers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    phase: StartPhase,
    since: Instant,
    before: Spent,
    node: Node,
}

/// How long it was in each phase; `None` where it never was.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    schedule: Option<Duration>,
    pull: Option<Duration>,
    init: Option<Duration>,
    load: Option<Duration>,
}

/// What is known of a node for it while it has none.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The scheduler has found none at some time.
    lacked: bool,
    /// Somebody brings one.
    comes: bool,
    /// Somebody has brought one.
    came: bool,
}

impl Course {
    /// What was made then, and is seen for the first time.
    pub(super) fn begin(made: Instant, pod: &PodView, now: Instant) -> Self {
        let mut course = Self {
            phase: StartPhase::Schedule,
            since: made,
            before: Spent::default(),
            node: Node::default(),
        };
        course.see(pod, now);
        course
    }

    /// How the pod is now. Once it has taken requests, this start is over.
    pub(super) fn see(&mut self, pod: &PodView, now: Instant) {
        if self.phase == StartPhase::FirstAnswer {
            return;
        }
        if let Stage::Unscheduled(why) = &pod.stage {
            let word = pod.node_word.as_ref();
            self.node.lacked |= why.is_some();
            self.node.comes = word.is_some_and(|word| word.coming);
            self.node.came |= self.node.comes;
        }
        self.come_to(phase(pod), now);
    }

    /// It takes requests; somebody has been listening since `heard`, which kubelet may have noticed later,
    /// or not at all.
    pub(super) fn end(mut self, heard: Instant, now: Instant) -> Self {
        self.come_to(StartPhase::Load, heard.max(self.since));
        self.come_to(StartPhase::FirstAnswer, now);
        self
    }

    pub(super) const fn phase(&self) -> StartPhase {
        self.phase
    }

    /// How long each phase took in which it was.
    pub(super) fn took(&self) -> impl Iterator<Item = (StartPhase, Duration)> {
        let phases = StartPhase::ALL.into_iter();
        phases.filter_map(|phase| Some((phase, self.before.of(phase)?)))
    }

    /// What is typical after this one. Where there was no node at first and nobody said that one comes,
    /// the wait says nothing about others.
    pub(super) fn learned(&self, typical: TypicalPhases) -> TypicalPhases {
        let learn = |before, newest: Option<Duration>| {
            Some(typical_start(before, newest.unwrap_or_default()))
        };
        let TypicalPhases { schedule, node, .. } = typical;
        let wait = self.before.schedule;
        let (schedule, node) = match self.node {
            Node { came: true, .. } => (schedule, learn(node, wait)),
            Node { lacked: true, .. } => (schedule, node),
            Node { .. } => (learn(schedule, wait), node),
        };
        TypicalPhases {
            schedule,
            node,
            pull: learn(typical.pull, self.before.pull),
            init: learn(typical.init, self.before.init),
            load: learn(typical.load, self.before.load),
        }
    }

    /// When it is likely to take requests; `None` where nothing was measured, or a node is lacking and
    /// none is known to come.
    pub(super) fn expected(&self, typical: &TypicalPhases, now: Instant) -> Option<Instant> {
        let load = typical.load?;
        let left = |phase, typical: Option<Duration>| {
            let spent = self.before.of(phase).unwrap_or_default();
            typical.unwrap_or_default().saturating_sub(spent)
        };
        let pull = left(StartPhase::Pull, typical.pull);
        let init = left(StartPhase::Init, typical.init);
        let ahead = match self.phase {
            StartPhase::Schedule => pull + init + load,
            // The second time, with nothing but the last containers to come.
            StartPhase::Pull if self.before.init.is_some() => load,
            StartPhase::Pull => init + load,
            StartPhase::Init => pull + load,
            StartPhase::Load | StartPhase::FirstAnswer => Duration::ZERO,
        };
        Some(self.phase_ends(typical, now)? + ahead)
    }

    /// When the present phase is likely to be over: until then, what is expected stays the same.
    pub(super) fn phase_ends(&self, typical: &TypicalPhases, now: Instant) -> Option<Instant> {
        let typical = match (self.phase, self.node) {
            (StartPhase::Schedule, Node { comes: true, .. }) => Some(typical.node?),
            (StartPhase::Schedule, Node { lacked: true, .. }) | (StartPhase::FirstAnswer, _) => {
                return None;
            }
            (StartPhase::Schedule, _) => typical.schedule,
            (StartPhase::Pull, _) => typical.pull,
            (StartPhase::Init, _) => typical.init,
            (StartPhase::Load, _) => typical.load,
        };
        let spent = self.before.of(self.phase).unwrap_or_default();
        let began = self.since.checked_sub(spent).unwrap_or(self.since);
        let typical = typical.unwrap_or_default();
        Some(likely_end(began.into_std(), typical, now.into_std()).into())
    }

    fn come_to(&mut self, phase: StartPhase, now: Instant) {
        if phase == self.phase {
            return;
        }
        let spent = now.saturating_duration_since(self.since);
        if let Some(before) = self.before.of_mut(self.phase) {
            *before = Some(before.unwrap_or_default() + spent);
        }
        (self.phase, self.since) = (phase, now);
    }
}

impl Spent {
    const fn of(&self, phase: StartPhase) -> Option<Duration> {
        match phase {
            StartPhase::Schedule => self.schedule,
            StartPhase::Pull => self.pull,
            StartPhase::Init => self.init,
            StartPhase::Load => self.load,
            StartPhase::FirstAnswer => None,
        }
    }

    const fn of_mut(&mut self, phase: StartPhase) -> Option<&mut Option<Duration>> {
        match phase {
            StartPhase::Schedule => Some(&mut self.schedule),
            StartPhase::Pull => Some(&mut self.pull),
            StartPhase::Init => Some(&mut self.init),
            StartPhase::Load => Some(&mut self.load),
            StartPhase::FirstAnswer => None,
        }
    }
}

const fn phase(pod: &PodView) -> StartPhase {
    match pod.stage {
        Stage::Unscheduled(_) => StartPhase::Schedule,
        Stage::Waiting(_) if pod.initializing => StartPhase::Init,
        Stage::Waiting(_) => StartPhase::Pull,
        Stage::Running => StartPhase::Load,
    }
}
