//! The other gateway pods of the installation: whether one of them answers requests.

use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{ContainerStateRunning, Pod, PodStatus};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;

use super::roll::Registrar;
use super::{PodIdentity, Soon};
use crate::peers::Roll;
use crate::sync::now;

/// A pod may answer so long after it should have been gone: kubelet takes its time to kill it.
const AFTER_ITS_TIME: Duration = Duration::from_secs(5);

/// The others, as far as they answer requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// Every one.
    pub(super) all: Group,
    /// Those that were made before us.
    pub(super) older: Group,
}

/// Several of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// One of them is ready for requests.
    serving: bool,
    /// Those that end have ended by then; `None` where none does.
    pub(super) gone_by: Option<Instant>,
}

/// One pod of the installation, us among them.
#[derive(Clone, Copy, Debug)]
struct Gateway {
    created: SystemTime,
    /// `None` while it does nothing for requests.
    doing: Option<Doing>,
}

/// What one of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Serving,
    /// Finishes what it has, and may still be sent more, until then.
    Leaving(Instant),
}

impl Others {
    /// Of two made in the same second the one with the smaller UID is the older. As long as we have not
    /// seen ourselves, everybody may be.
    fn of(all: &HashMap<String, Gateway>, own: &str) -> Self {
        let us = all.get(own).map(|us| (us.created, own));
        let others = || all.iter().filter(|(uid, _)| *uid != own);
        let older = |uid: &str, gateway: &Gateway| us.is_none_or(|us| (gateway.created, uid) < us);
        Self {
            all: Group::of(others().filter_map(|(_, gateway)| gateway.doing)),
            older: Group::of(
                others()
                    .filter(|(uid, gateway)| older(uid, gateway))
                    .filter_map(|(_, gateway)| gateway.doing),
            ),
        }
    }
}

impl Group {
    fn of(all: impl Iterator<Item = Doing>) -> Self {
        all.fold(Self::default(), |group, doing| match doing {
            Doing::Serving => Self {
                serving: true,
                ..group
            },
            Doing::Leaving(by) => Self {
                gone_by: group.gone_by.max(Some(by)),
                ..group
            },
        })
    }

    /// None of them answers requests any more.
    pub(super) fn have_ended(self, now: Instant) -> bool {
        !self.serving && self.gone_by.is_none_or(|by| by <= now)
    }
}

/// Watches them. While the API server is away they are as they were last seen.
pub(super) async fn follow(
    client: Client,
    own: PodIdentity,
    tell: watch::Sender<Option<Others>>,
    call: watch::Sender<Roll>,
) {
    let pods: Api<Pod> = Api::namespaced(client, &own.namespace);
    let config = watcher::Config::default().labels(&own.selector);
    let mut events = pin!(watcher::watcher(pods, config).backoff(Soon));
    let mut all = HashMap::new();
    let mut listed = HashMap::new();
    let (mut registrar, mut pods) = (Registrar::default(), Vec::new());
    let mut told = false;
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => {
                listed.clear();
                pods.clear();
                continue;
            }
            Ok(Some(Event::InitApply(pod))) => {
                let uid = uid(&pod);
                let gateway = gateway(&pod, all.get(&uid));
                listed.insert(uid, gateway);
                pods.push(pod);
                continue;
            }
            Ok(Some(Event::InitDone)) => {
                all = std::mem::take(&mut listed);
                registrar.listed(&std::mem::take(&mut pods));
            }
            Ok(Some(Event::Apply(pod))) => {
                let uid = uid(&pod);
                let gateway = gateway(&pod, all.get(&uid));
                all.insert(uid, gateway);
                registrar.note(&pod);
            }
            Ok(Some(Event::Delete(pod))) => {
                all.remove(&uid(&pod));
                registrar.gone(&uid(&pod));
            }
            Err(error) => {
                // Without them nothing shrinks, and hard limits may keep requests waiting.
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "the gateway's own pods cannot be watched");
                }
                continue;
            }
            Ok(None) => return,
        }
        told = false;
        let seen = Some(Others::of(&all, &own.uid));
        tell.send_if_modified(|known| std::mem::replace(known, seen) != seen);
        let roll = registrar.roll(&own.uid);
        call.send_if_modified(|known| {
            let changed = *known != roll;
            *known = roll;
            changed
        });
    }
}

/// A pod as it is now, and as it was seen before.
fn gateway(pod: &Pod, before: Option<&Gateway>) -> Gateway {
    let created = pod.metadata.creation_timestamp.as_ref();
    Gateway {
        created: created.map_or(SystemTime::UNIX_EPOCH, |at| SystemTime::from(at.0)),
        doing: doing(pod, before.and_then(|before| before.doing)),
    }
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

/// What a pod does for requests; nothing unless its containers run.
fn doing(pod: &Pod, before: Option<Doing>) -> Option<Doing> {
    let status = pod.status.as_ref()?;
    let running = running(status)?;
    if pod.metadata.deletion_timestamp.is_some() {
        // Counted by our own clock from when it was heard: that of the API server may be another.
        let grace = pod.metadata.deletion_grace_period_seconds;
        let grace = Duration::from_secs(grace.and_then(|s| u64::try_from(s).ok()).unwrap_or(0));
        let by = now() + grace + AFTER_ITS_TIME;
        return Some(Doing::Leaving(match before {
            Some(Doing::Leaving(heard)) => by.min(heard),
            _ => by,
        }));
    }
    let mut conditions = status.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready")?;
    // One that is not ready any more may still finish what it has.
    let since = ready.last_transition_time.as_ref();
    let was_ready = || Some(since?.0 > running.started_at.as_ref()?.0);
    let serves = ready.status == "True" || was_ready().unwrap_or(false);
    serves.then_some(Doing::Serving)
}

/// The container of it that runs.
fn running(status: &PodStatus) -> Option<&ContainerStateRunning> {
    let mut containers = status.container_statuses.iter().flatten();
    containers.find_map(|container| container.state.as_ref()?.running.as_ref())
}
