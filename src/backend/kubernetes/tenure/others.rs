//! Watches the gateway pods of the installation.

use std::pin::pin;

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::watch;

use super::roll::Registrar;
use super::{PodIdentity, Soon};
use crate::peers::Roll;

/// Calls the roll whenever it changes. While the API server is away the others are as they were last
/// seen.
pub(super) async fn follow(client: Client, own: PodIdentity, call: watch::Sender<Roll>) {
    let pods: Api<Pod> = Api::namespaced(client, &own.namespace);
    let config = watcher::Config::default().labels(&own.selector);
    let mut events = pin!(watcher::watcher(pods, config).backoff(Soon));
    let (mut registrar, mut listed) = (Registrar::default(), Vec::new());
    let mut told = false;
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => {
                listed.clear();
                continue;
            }
            Ok(Some(Event::InitApply(pod))) => {
                listed.push(pod);
                continue;
            }
            Ok(Some(Event::InitDone)) => registrar.listed(&std::mem::take(&mut listed)),
            Ok(Some(Event::Apply(pod))) => registrar.note(&pod),
            Ok(Some(Event::Delete(pod))) => {
                registrar.gone(pod.metadata.uid.as_deref().unwrap_or_default());
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
        let roll = registrar.roll(&own.uid);
        call.send_if_modified(|known| {
            let changed = *known != roll;
            *known = roll;
            changed
        });
    }
}
