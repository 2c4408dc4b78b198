//! Hands workloads back before nobody scales them any more: brings up what is at zero, takes our
//! deletion costs off pods, removes what a gateway made for itself. Doing it again changes nothing.
//! What is ours to hand back is found in `found`.

mod found;

use std::fmt::Display;
use std::time::Duration;

use kube::Client;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch};
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::found::{Found, is_marked_by_us};
use super::api::DELETION_COST;
use super::call::{in_time, patching};
use super::scope::Kind;
use super::seams::ApiError;

/// What a gateway is called, as Deployment and as lease.
const GATEWAY: &str = "holdgate-gateway";
/// Where it keeps what it has learned.
const STATE: &str = "holdgate-state";
const GATEWAY_PODS: &str = "app.kubernetes.io/name=holdgate,app.kubernetes.io/component=gateway";
/// Beyond its own grace period, a pod of the gateway is gone after this, or something is wrong.
const SPARE: Duration = Duration::from_secs(30);
const A_WHILE: Duration = Duration::from_millis(500);
/// Objects in one answer: a cluster has more of them than fit into memory at ease.
const PAGE: u32 = 500;

/// What is to be handed back.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which workloads.
    pub what: What,
    /// Where they are; empty is everywhere.
    pub namespaces: Vec<String>,
    /// Kinds of workloads beside Deployments and `StatefulSet`s.
    pub kinds: Vec<Kind>,
    /// The namespace of the gateway.
    pub home: String,
}

/// Which workloads are handed back.
#[derive(Clone, Debug)]
pub enum What {
    /// All that a gateway manages. The gateway is stopped before, and what it keeps is removed after.
    All,
    /// These, by namespace and name. The gateway runs on, so they must be no longer its own.
    These(Vec<(String, String)>),
}

/// What became of one thing, as a line for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was done, or is as it should be.
    Done(String),
    /// It was not.
    Failed(String),
}

/// Hands back what was ordered, and tells about each thing.
pub async fn release(client: Client, order: &Order, tell: &mut (dyn FnMut(Told) + Send)) {
    let mut release = Release {
        client,
        order,
        tell,
    };
    match &order.what {
        What::All => release.everything().await,
        What::These(names) => release.these(names).await,
    }
}

struct Release<'a> {
    client: Client,
    order: &'a Order,
    tell: &'a mut (dyn FnMut(Told) + Send),
}

impl Release<'_> {
    fn done(&mut self, what: impl Display) {
        (self.tell)(Told::Done(what.to_string()));
    }

    fn failed(&mut self, what: impl Display, why: impl Display) {
        (self.tell)(Told::Failed(format!("{what}: {why}")));
    }

    async fn everything(&mut self) {
        // A gateway that runs on would take everything back as fast as it is given.
        if !self.stop_the_gateway().await {
            return;
        }
        let namespaces = self.order.namespaces.iter().map(|name| Some(name.as_str()));
        let everywhere = self.order.namespaces.is_empty().then_some(None);
        for namespace in namespaces.chain(everywhere) {
            match Found::look(&self.client, namespace, &self.order.kinds).await {
                Ok(found) => {
                    for workload in found.ours() {
                        self.bring_up(&found, workload).await;
                    }
                }
                Err(error) => self.failed(place(namespace), error),
            }
            self.unmark(namespace, &ListParams::default()).await;
        }
        self.remove(STATE, "", "ConfigMap", "configmaps").await;
        self.remove(GATEWAY, "coordination.k8s.io", "Lease", "leases")
            .await;
    }

    async fn these(&mut self, names: &[(String, String)]) {
        let gateway = named(&self.client, &self.order.home, &deployments());
        let runs = match in_time(gateway.get_scale(GATEWAY)).await {
            Ok(scale) => scale.spec.and_then(|spec| spec.replicas).unwrap_or(0) > 0,
            Err(failure) if failure.error == ApiError::Gone => false,
            Err(failure) => {
                return self.failed(gateway_in(&self.order.home), failure.error);
            }
        };
        for (namespace, name) in names {
            let wanted = format!("{namespace}/{name}");
            let found = Found::look(&self.client, Some(namespace), &self.order.kinds).await;
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    self.failed(wanted, error);
                    continue;
                }
            };
            let mut workloads = found.named(name).peekable();
            if workloads.peek().is_none() {
                self.failed(&wanted, "there is no workload of this name");
            }
            for workload in workloads {
                if let Some(how) = found.how_to_opt_out(workload).filter(|_| runs) {
                    self.failed(
                        workload,
                        format!("still the running gateway's own; first {how}"),
                    );
                    continue;
                }
                self.bring_up(&found, workload).await;
                match workload.pods() {
                    Some(pods) => self.unmark(Some(namespace), &pods).await,
                    None => self.failed(workload, "it does not say which pods are its own"),
                }
            }
        }
    }

    /// Whether no gateway runs any more.
    async fn stop_the_gateway(&mut self) -> bool {
        let stopped = self.scale_the_gateway_down().await;
        if let Err(error) = &stopped {
            self.failed(gateway_in(&self.order.home), error);
        }
        stopped.is_ok()
    }

    async fn scale_the_gateway_down(&mut self) -> Result<(), String> {
        let gateway = named(&self.client, &self.order.home, &deployments());
        let scale = match in_time(gateway.get_scale(GATEWAY)).await {
            Ok(scale) => scale,
            Err(failure) if failure.error == ApiError::Gone => return Ok(()),
            Err(failure) => return Err(failure.error.to_string()),
        };
        let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
        if replicas > 0 {
            let patch = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
            let patched = in_time(gateway.patch_scale(GATEWAY, &patching(), &patch)).await;
            patched.map_err(|failure| failure.error.to_string())?;
            let gateway = gateway_in(&self.order.home);
            self.done(format!("{gateway}: {replicas} to 0 replicas"));
        }
        let pods = named(&self.client, &self.order.home, &pods());
        let (begun, only) = (Instant::now(), ListParams::default().labels(GATEWAY_PODS));
        loop {
            let left = in_time(pods.list_metadata(&only)).await;
            let left = left.map_err(|failure| failure.error.to_string())?.items;
            let grace = |pod: &PartialObjectMeta<_>| pod.metadata.deletion_grace_period_seconds;
            let Some(longest) = left.iter().map(grace).max() else {
                return Ok(());
            };
            let grace = u64::try_from(longest.unwrap_or(0)).unwrap_or(0);
            if begun.elapsed() > Duration::from_secs(grace) + SPARE {
                return Err("its pods do not go".to_owned());
            }
            sleep(A_WHILE).await;
        }
    }

    async fn bring_up(&mut self, found: &Found, workload: &found::Workload) {
        if workload.replicas() > 0 {
            return;
        }
        if let Some(other) = found.steered_by(workload) {
            return self.done(format!("{workload}: left at 0 replicas to {other}"));
        }
        let floor = found.floor(workload);
        let api = named(&self.client, &workload.namespace, &workload.resource);
        let patch = Patch::Merge(json!({
            "metadata": { "resourceVersion": workload.resource_version },
            "spec": { "replicas": floor },
        }));
        match in_time(api.patch_scale(&workload.name, &patching(), &patch)).await {
            Ok(_) => self.done(format!("{workload}: 0 to {floor} replicas")),
            Err(failure) if failure.error == ApiError::Gone => {}
            Err(failure) => self.failed(workload, failure.error),
        }
    }

    /// Takes our deletion costs off these pods. What somebody else wrote stays.
    async fn unmark(&mut self, namespace: Option<&str>, which: &ListParams) {
        let resource = pods();
        let api = match namespace {
            Some(namespace) => named(&self.client, namespace, &resource),
            None => kube::Api::all_with(self.client.clone(), &resource),
        };
        let mut page = which.clone().limit(PAGE);
        loop {
            let listed = match in_time(api.list_metadata(&page)).await {
                Ok(listed) => listed,
                Err(failure) => return self.failed("pods", failure.error),
            };
            let ours = listed.items.iter().filter(|pod| is_marked_by_us(pod));
            for pod in ours {
                self.unmark_one(pod).await;
            }
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => return,
            }
        }
    }

    async fn unmark_one(&mut self, pod: &PartialObjectMeta<DynamicObject>) {
        let meta = &pod.metadata;
        let name = meta.name.as_deref().unwrap_or_default();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let told = format!("pod/{name} in {namespace}");
        let patch = Patch::Merge(json!({
            "metadata": { "uid": meta.uid, "annotations": { DELETION_COST: Value::Null } },
        }));
        let api = named(&self.client, namespace, &pods());
        match in_time(api.patch_metadata(name, &patching(), &patch)).await {
            Ok(_) => self.done(format!("{told}: deletion cost removed")),
            // Another by that name is one that nobody marked.
            Err(failure) if matches!(failure.error, ApiError::Gone | ApiError::Conflict) => {}
            Err(failure) => self.failed(told, failure.error),
        }
    }

    async fn remove(&mut self, name: &str, group: &str, kind: &str, plural: &str) {
        let api = named(
            &self.client,
            &self.order.home,
            &resource(group, kind, plural),
        );
        let told = format!("{}/{name} in {}", kind.to_lowercase(), self.order.home);
        match in_time(api.delete(name, &kube::api::DeleteParams::default())).await {
            Ok(_) => self.done(format!("{told}: removed")),
            Err(failure) if failure.error == ApiError::Gone => {}
            Err(failure) => self.failed(told, failure.error),
        }
    }
}

fn place(namespace: Option<&str>) -> String {
    namespace.map_or_else(
        || "all namespaces".to_owned(),
        |name| format!("namespace {name}"),
    )
}

fn gateway_in(home: &str) -> String {
    format!("deployment/{GATEWAY} in {home}")
}

fn named(client: &Client, namespace: &str, resource: &ApiResource) -> kube::Api<DynamicObject> {
    kube::Api::namespaced_with(client.clone(), namespace, resource)
}

/// A kind at version `v1`.
fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    let kind = GroupVersionKind::gvk(group, "v1", kind);
    ApiResource::from_gvk_with_plural(&kind, plural)
}

fn deployments() -> ApiResource {
    resource("apps", "Deployment", "deployments")
}

fn pods() -> ApiResource {
    resource("", "Pod", "pods")
}

#[cfg(test)]
mod tests;
