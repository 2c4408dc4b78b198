//! The gateway itself, where everything is handed back: it is stopped first, and what it kept is removed
//! at last.

use std::time::Duration;

use kube::api::{ApiResource, DeleteParams, ListParams, Patch};
use kube::core::PartialObjectMeta;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::call::{in_time, kind_of, patching};
use super::super::own::{GATEWAY, PEERS, PODS, STATE};
use super::super::seams::ApiError;
use super::super::watch::NOT_ENDED;
use super::{Release, deployments, named, pods};

/// Beyond its own grace period, a pod of the gateway is gone after this, or something is wrong.
const SPARE: Duration = Duration::from_secs(30);
const A_WHILE: Duration = Duration::from_millis(500);

impl Release<'_> {
    /// How many gateways there should be; none where there is no such Deployment.
    pub(super) async fn gateways(&self) -> Result<i32, ApiError> {
        let gateway = named(&self.client, &self.order.home, &deployments());
        match in_time(gateway.get_scale(GATEWAY)).await {
            Ok(scale) => Ok(scale.spec.and_then(|spec| spec.replicas).unwrap_or(0)),
            Err(failure) if failure.error == ApiError::Gone => Ok(0),
            Err(failure) => Err(failure.error),
        }
    }

    /// Whether no gateway runs any more.
    pub(super) async fn stop_the_gateway(&mut self) -> bool {
        let told = gateway_in(&self.order.home);
        let replicas = match self.scaled_down().await {
            Ok(replicas) => replicas,
            Err(error) => {
                self.failed(told, error);
                return false;
            }
        };
        if replicas > 0 {
            self.done(format!("{told}: {replicas} to 0 replicas"));
        }
        let gone = self.pods_gone().await;
        match &gone {
            Ok(true) => {}
            Ok(false) => self.failed(told, "its pods do not go"),
            Err(error) => self.failed(told, error),
        }
        gone == Ok(true)
    }

    /// Of how many replicas.
    async fn scaled_down(&self) -> Result<i32, ApiError> {
        let replicas = self.gateways().await?;
        if replicas > 0 {
            let gateway = named(&self.client, &self.order.home, &deployments());
            let patch = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
            let patched = in_time(gateway.patch_scale(GATEWAY, &patching(), &patch)).await;
            patched.map_err(|failure| failure.error)?;
        }
        Ok(replicas)
    }

    /// Waits for its pods to go, as long as they may take.
    async fn pods_gone(&self) -> Result<bool, ApiError> {
        let pods = named(&self.client, &self.order.home, &pods());
        let (begun, only) = (Instant::now(), ListParams::default().labels(PODS));
        let only = only.fields(NOT_ENDED);
        loop {
            let left = in_time(pods.list_metadata(&only)).await;
            let left = left.map_err(|failure| failure.error)?.items;
            let grace = |pod: &PartialObjectMeta<_>| pod.metadata.deletion_grace_period_seconds;
            let Some(longest) = left.iter().map(grace).max() else {
                return Ok(true);
            };
            let grace = u64::try_from(longest.unwrap_or(0)).unwrap_or(0);
            if begun.elapsed() > Duration::from_secs(grace) + SPARE {
                return Ok(false);
            }
            sleep(A_WHILE).await;
        }
    }

    /// Its memory, its lease and its token.
    pub(super) async fn remove_what_it_kept(&mut self) {
        self.remove(STATE, &kind_of("v1", "ConfigMap", "configmaps"))
            .await;
        let leases = kind_of("coordination.k8s.io/v1", "Lease", "leases");
        self.remove(GATEWAY, &leases).await;
        self.remove(PEERS, &kind_of("v1", "Secret", "secrets"))
            .await;
    }

    async fn remove(&mut self, name: &str, kind: &ApiResource) {
        let api = named(&self.client, &self.order.home, kind);
        let kind = kind.kind.to_lowercase();
        let told = format!("{kind}/{name} in {}", self.order.home);
        match in_time(api.delete(name, &DeleteParams::default())).await {
            Ok(_) => self.done(format!("{told}: removed")),
            Err(failure) if failure.error == ApiError::Gone => {}
            Err(failure) => self.failed(told, failure.error),
        }
    }
}

pub(super) fn gateway_in(home: &str) -> String {
    format!("deployment/{GATEWAY} in {home}")
}
