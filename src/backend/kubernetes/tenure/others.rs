//! The other gateway pods of the installation: whether one of them answers requests.

use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;

use super::PodIdentity;
use crate::sync::{now, wall};

/// A pod may answer so long after it should have been gone: kubelet takes its time to kill it.
const AFTER_ITS_TIME: Duration = Duration::from_secs(5);

/// All others together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// One of them is ready for requests.
    serving: bool,
    /// Those that end have ended by then; `None` where none does.
    pub(super) gone_by: Option<Instant>,
}

/// What one of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Serving,
    /// Finishes what it has, and may still be sent more, until then.
    Leaving(Instant),
}

impl Others {
    pub(super) fn leave_us_alone(self, now: Instant) -> bool {
        !self.serving && self.gone_by.is_none_or(|by| by <= now)
    }

    fn of(all: &HashMap<String, Doing>) -> Self {
        let ends = all.values().filter_map(|doing| match doing {
            Doing::Serving => None,
            Doing::Leaving(by) => Some(*by),
        });
        Self {
            serving: all.values().any(|doing| *doing == Doing::Serving),
            gone_by: ends.max(),
        }
    }
}

/// Watches them. While the API server is away they are as they were last seen.
pub(super) async fn follow(client: Client, own: PodIdentity, tell: watch::Sender<Option<Others>>) {
    let pods: Api<Pod> = Api::namespaced(client, &own.namespace);
    let config = watcher::Config::default().labels(&own.selector);
    let mut events = pin!(watcher::watcher(pods, config).default_backoff());
    let mut all = HashMap::new();
    let mut listed = HashMap::new();
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => {
                listed.clear();
                continue;
            }
            Ok(Some(Event::InitApply(pod))) => {
                note(&mut listed, &own, &pod);
                continue;
            }
            Ok(Some(Event::InitDone)) => all = std::mem::take(&mut listed),
            Ok(Some(Event::Apply(pod))) => note(&mut all, &own, &pod),
            Ok(Some(Event::Delete(pod))) => {
                all.remove(&uid(&pod));
            }
            Err(error) => {
                tracing::debug!(%error, "our own pods cannot be watched");
                continue;
            }
            Ok(None) => return,
        }
        let seen = Some(Others::of(&all));
        tell.send_if_modified(|known| std::mem::replace(known, seen) != seen);
    }
}

fn note(all: &mut HashMap<String, Doing>, own: &PodIdentity, pod: &Pod) {
    let uid = uid(pod);
    match doing(pod).filter(|_| uid != own.uid) {
        Some(doing) => all.insert(uid, doing),
        None => all.remove(&uid),
    };
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

/// What a pod does for requests; nothing unless its containers run.
fn doing(pod: &Pod) -> Option<Doing> {
    let status = pod.status.as_ref().filter(|status| runs(status))?;
    if let Some(deleted) = &pod.metadata.deletion_timestamp {
        let left = SystemTime::from(deleted.0).duration_since(wall());
        return Some(Doing::Leaving(
            now() + left.unwrap_or_default() + AFTER_ITS_TIME,
        ));
    }
    let mut conditions = status.conditions.iter().flatten();
    let ready =
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready.then_some(Doing::Serving)
}

fn runs(status: &PodStatus) -> bool {
    let mut containers = status.container_statuses.iter().flatten();
    containers.any(|container| {
        container
            .state
            .as_ref()
            .is_some_and(|s| s.running.is_some())
    })
}
