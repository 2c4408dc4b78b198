//! The roll of the other gateways, from what their pods tell: who lives, and since when others do not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::peers::{GatewayPod, PodState, Restart, Roll};
use crate::sync::now;

/// What the shipped manifests call the container of a gateway.
const CONTAINER: &str = "gateway";

/// So long a pod that is gone is remembered: no wait for what it may have left behind is longer.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Most pods that are remembered though they are gone.
const MOST_GONE: usize = 256;

/// Keeps the roll.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    pods: HashMap<Arc<str>, GatewayPod>,
    seen: Option<Instant>,
}

impl Registrar {
    /// A pod as it is now.
    pub(super) fn note(&mut self, pod: &Pod) {
        let uid: Arc<str> = pod.metadata.uid.clone().unwrap_or_default().into();
        let seen = of(pod, Arc::clone(&uid), self.pods.get(&uid));
        self.pods.insert(uid, seen);
    }

    /// A pod is gone.
    pub(super) fn gone(&mut self, uid: &str) {
        let Some(pod) = self.pods.get_mut(uid) else {
            return;
        };
        pod.state = match pod.state {
            // It never held anything.
            PodState::Coming => {
                self.pods.remove(uid);
                return;
            }
            PodState::Living => PodState::Ended(now()),
            PodState::Ended(at) => PodState::Ended(at),
        };
        (pod.ip, pod.since, pod.restarted) = (None, None, None);
    }

    /// These are all there are.
    pub(super) fn listed(&mut self, pods: &[Pod]) {
        let is_there = |uid: &str| {
            let mut uids = pods.iter().filter_map(|pod| pod.metadata.uid.as_deref());
            uids.any(|there| there == uid)
        };
        let missing: Vec<Arc<str>> = self.pods.keys().cloned().collect();
        for uid in missing.into_iter().filter(|uid| !is_there(uid)) {
            self.gone(&uid);
        }
        for pod in pods {
            self.note(pod);
        }
        self.seen.get_or_insert_with(now);
    }

    /// The roll as one of them reads it.
    pub(super) fn roll(&mut self, own: &str) -> Roll {
        self.forget();
        let others = self.pods.values().filter(|pod| &*pod.uid != own);
        let mut others: Vec<GatewayPod> = others.cloned().collect();
        others.sort_by(|a, b| (a.created, &a.uid).cmp(&(b.created, &b.uid)));
        Roll {
            others,
            seen: self.seen,
        }
    }

    fn forget(&mut self) {
        let gone = |pod: &GatewayPod| match (pod.state, pod.restarted) {
            (PodState::Ended(at), None) => Some(at),
            _ => None,
        };
        let now = now();
        let old = |at: Instant| now.saturating_duration_since(at) > REMEMBERED;
        self.pods.retain(|_, pod| !gone(pod).is_some_and(old));
        let mut ends: Vec<Instant> = self.pods.values().filter_map(gone).collect();
        if ends.len() > MOST_GONE {
            ends.sort_unstable();
            let from = ends[ends.len() - MOST_GONE];
            self.pods
                .retain(|_, pod| gone(pod).is_none_or(|at| at >= from));
        }
    }
}

/// A pod as it is now, and as it was seen before.
fn of(pod: &Pod, uid: Arc<str>, before: Option<&GatewayPod>) -> GatewayPod {
    let status = pod.status.as_ref();
    let created = pod.metadata.creation_timestamp.as_ref();
    let all = status.and_then(|status| status.container_statuses.as_deref());
    let container = all.and_then(container);
    let restarted = container.and_then(|container| restart(container, before));
    let ran_before = before.is_some_and(|before| before.state != PodState::Coming);
    let ended = || match before.map(|before| before.state) {
        Some(PodState::Ended(at)) => PodState::Ended(at),
        _ => PodState::Ended(now()),
    };
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
    let phase = status.and_then(|status| status.phase.as_deref());
    let leaves = pod.metadata.deletion_timestamp.is_some();
    let is_over = matches!(phase, Some("Succeeded" | "Failed"));
    let any_runs = all.is_some_and(|all| all.iter().any(runs));
    // Nothing is started again in a pod that is to go.
    let stopped = leaves && container.is_some_and(|container| ended_at(container).is_some());
    let (state, restarted) = if is_over || stopped {
        (ended(), None)
    } else if container.map_or(any_runs, runs) {
        (PodState::Living, restarted)
    } else if let Some(restart) = restarted {
        (PodState::Ended(restart.heard), restarted)
    } else if ran_before || (all.is_none() && phase == Some("Running")) {
        // Nobody says that it has ended.
        (before.map_or(PodState::Living, |before| before.state), None)
    } else {
        (PodState::Coming, None)
    };
    GatewayPod {
        uid,
        name: pod.metadata.name.clone().unwrap_or_default().into(),
        node: node.map(|node| node.as_str().into()),
        ip: status.and_then(|status| status.pod_ip.as_ref()?.parse().ok()),
        created: created.map_or(SystemTime::UNIX_EPOCH, at),
        state,
        since: container.and_then(since),
        restarted,
    }
}

/// The gateway's own container; none where it cannot be told from others.
fn container(all: &[ContainerStatus]) -> Option<&ContainerStatus> {
    match all {
        [only] => Some(only),
        all => all.iter().find(|container| container.name == CONTAINER),
    }
}

/// What is known of containers that have ended.
fn restart(container: &ContainerStatus, before: Option<&GatewayPod>) -> Option<Restart> {
    let last = container
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    let ended = last.and_then(|last| last.finished_at.as_ref()).map(at);
    let again = (container.restart_count > 0)
        .then(|| since(container))
        .flatten();
    let told = ended_at(container).max(ended).max(again);
    let known = before.and_then(|before| before.restarted);
    match (told, known) {
        (Some(told), Some(known)) if told <= known.before => Some(known),
        (Some(told), _) => Some(Restart {
            before: told,
            heard: now(),
        }),
        (None, known) => known,
    }
}

/// When it has ended, while it does not run again.
fn ended_at(container: &ContainerStatus) -> Option<SystemTime> {
    let terminated = container.state.as_ref()?.terminated.as_ref()?;
    Some(
        terminated
            .finished_at
            .as_ref()
            .map_or(SystemTime::UNIX_EPOCH, at),
    )
}

/// When it began to run.
fn since(container: &ContainerStatus) -> Option<SystemTime> {
    let running = container.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().map(at)
}

fn runs(container: &ContainerStatus) -> bool {
    container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some())
}

fn at(time: &Time) -> SystemTime {
    SystemTime::from(time.0)
}
