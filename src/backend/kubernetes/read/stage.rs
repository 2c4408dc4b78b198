//! How far a pod has come, and what keeps it, in the words of who keeps it.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, PodCondition};
use serde::Deserialize;

use super::super::objects::{Obstruction, Stage};
use super::pod::Spec;
use crate::counting::count;

/// What kubelet says of a container that it will start again after a pause.
const CRASHES: &str = "CrashLoopBackOff";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    conditions: Option<Vec<PodCondition>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

impl Status {
    /// Its containers have ended and are not started again.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    /// Each of its containers has run once.
    pub(super) fn has_started(&self) -> bool {
        self.phase
            .as_deref()
            .is_some_and(|phase| phase != "Pending")
    }

    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.pod_ip.as_ref()?.parse().ok()
    }

    fn condition(&self, kind: &str) -> Option<&PodCondition> {
        let mut conditions = self.conditions.iter().flatten();
        conditions.find(|condition| condition.type_ == kind)
    }

    /// Each container, and whether it is one that goes first.
    fn all(&self) -> impl Iterator<Item = (&ContainerStatus, bool)> {
        let first = self.init_container_statuses.iter().flatten();
        let first = first.map(|container| (container, true));
        first.chain(self.containers().map(|container| (container, false)))
    }

    /// How often any of them has been started again.
    pub(super) fn begun_again(&self) -> u32 {
        self.all().map(|(container, _)| again(container)).sum()
    }

    fn containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.container_statuses.iter().flatten()
    }
}

/// What kubelet says.
pub(super) fn is_ready(status: &Status) -> bool {
    status
        .condition("Ready")
        .is_some_and(|ready| ready.status == "True")
}

/// How many of the containers that stay kubelet calls not ready.
pub(super) fn unready(status: &Status) -> u32 {
    let unready = status.containers().filter(|container| !container.ready);
    count(unready.count())
}

/// How often the containers that stay have been started again.
pub(super) fn restarts(status: &Status) -> u32 {
    status.containers().map(again).sum()
}

fn again(container: &ContainerStatus) -> u32 {
    u32::try_from(container.restart_count).unwrap_or(0)
}

/// How many of its containers have ended that should not have, and are not started again yet.
pub(super) fn down(spec: &Spec, status: &Status) -> u32 {
    let all = status.all();
    let down = all.filter(|&(container, first)| has_crashed(spec, container, first));
    count(down.count())
}

/// `first`: it goes before the others, unless it stays beside them.
fn has_crashed(spec: &Spec, container: &ContainerStatus, first: bool) -> bool {
    let Some(state) = &container.state else {
        return false;
    };
    let waits = state.waiting.as_ref();
    let backs_off = waits.is_some_and(|it| it.reason.as_deref() == Some(CRASHES));
    let may_end = first && !spec.stays(&container.name);
    let ended = state.terminated.as_ref();
    backs_off || ended.is_some_and(|ended| !may_end || ended.exit_code != 0)
}

pub(super) fn stage(spec: &Spec, status: &Status) -> Stage {
    if !spec.is_scheduled() {
        let scheduled = status.condition("PodScheduled");
        return Stage::Unscheduled(
            scheduled
                .filter(|it| it.status == "False")
                .and_then(why_not),
        );
    }
    if let Some(kept) = kept_before(spec, status) {
        return Stage::Waiting(Some(kept));
    }
    let runs = |it: &ContainerStatus| it.state.as_ref().is_some_and(|s| s.running.is_some());
    if status.containers().next().is_some() && status.containers().all(runs) {
        return Stage::Running;
    }
    let sidecar = kept_beside(spec, status);
    Stage::Waiting(sidecar.or_else(|| status.containers().find_map(kept)))
}

fn why_not(condition: &PodCondition) -> Option<Obstruction> {
    Some(Obstruction {
        reason: condition.reason.clone()?,
        message: condition.message.clone().unwrap_or_default(),
    })
}

/// The containers that go first have begun, and not all of them have ended well.
pub(super) fn is_initializing(spec: &Spec, status: &Status) -> bool {
    let first = status.init_container_statuses.iter().flatten();
    let first = || {
        first
            .clone()
            .filter(|container| !spec.stays(&container.name))
    };
    let has_begun = |container: &ContainerStatus| {
        let state = container.state.as_ref();
        let now = state.is_some_and(|it| it.running.is_some() || it.terminated.is_some());
        now || container
            .last_state
            .as_ref()
            .is_some_and(|it| it.terminated.is_some())
    };
    first().any(has_begun) && !first().all(is_done)
}

fn is_done(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    let ended = state.and_then(|state| state.terminated.as_ref());
    ended.is_some_and(|ended| ended.exit_code == 0)
}

/// What goes before the containers and has not ended: the one that fetches the model among them.
fn kept_before(spec: &Spec, status: &Status) -> Option<Obstruction> {
    let before = status.init_container_statuses.iter().flatten();
    let before = before.filter(|container| !spec.stays(&container.name));
    before.into_iter().find_map(|container| {
        let runs = container.state.as_ref()?.running.is_some();
        if runs {
            return Some(Obstruction {
                reason: "PodInitializing".to_owned(),
                message: format!("init container {} runs", container.name),
            });
        }
        if is_done(container) {
            None
        } else {
            kept(container)
        }
    })
}

/// What goes beside the containers, and does not run: they wait for it, and tell no more than that.
fn kept_beside(spec: &Spec, status: &Status) -> Option<Obstruction> {
    let beside = status.init_container_statuses.iter().flatten();
    let beside = beside.filter(|container| spec.stays(&container.name));
    let its_turn = |kept: &Obstruction| kept.reason != "PodInitializing";
    beside.filter_map(kept).find(its_turn)
}

/// What keeps a container from running; nothing where it runs.
fn kept(container: &ContainerStatus) -> Option<Obstruction> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let said = waiting.message.clone().unwrap_or_default();
        let earlier = container.last_state.as_ref();
        let ended = earlier
            .and_then(|state| state.terminated.as_ref())
            .map(ending);
        return Some(Obstruction {
            reason: waiting.reason.clone()?,
            message: match ended {
                Some(ended) if said.is_empty() => ended,
                Some(ended) => format!("{said}; {ended}"),
                None => said,
            },
        });
    }
    let ended = state.terminated.as_ref()?;
    Some(Obstruction {
        reason: ended
            .reason
            .clone()
            .unwrap_or_else(|| "Terminated".to_owned()),
        message: ending(ended),
    })
}

/// How a container ended, for a person.
fn ending(ended: &ContainerStateTerminated) -> String {
    let reason = ended.reason.as_deref().filter(|it| *it != "Error");
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("it ended with exit code {}{reason}", ended.exit_code)
}
