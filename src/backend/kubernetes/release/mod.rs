//! Hands workloads back before nobody scales them any more: brings up what is at zero, takes our
//! deletion costs off pods, leads callers of Services to pods, removes what a gateway made for itself.
//! Doing it again changes nothing.
//! What is ours to hand back is found in `found`.

mod costs;
mod doors;
mod found;
mod gateway;

use std::fmt::Display;

use kube::Client;
use kube::api::{ApiResource, DynamicObject, ListParams};

use self::found::Found;
use self::gateway::gateway_in;
use super::api::{Seen, raise};
use super::call::kind_of;
use super::scope::Kind;
use super::seams::ApiError;

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
            // First, as nobody answers them any more.
            self.lead_back(namespace, None).await;
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
        self.remove_what_it_kept().await;
    }

    async fn these(&mut self, names: &[(String, String)]) {
        let runs = match self.gateways().await {
            Ok(replicas) => replicas > 0,
            Err(error) => return self.failed(gateway_in(&self.order.home), error),
        };
        for (namespace, name) in names {
            match Found::look(&self.client, Some(namespace), &self.order.kinds).await {
                Ok(found) => self.those_named(&found, namespace, name, runs).await,
                Err(error) => self.failed(format!("{namespace}/{name}"), error),
            }
        }
    }

    async fn those_named(&mut self, found: &Found, namespace: &str, name: &str, runs: bool) {
        let mut workloads = found.named(name).peekable();
        if workloads.peek().is_none() {
            let wanted = format!("{namespace}/{name}");
            self.failed(wanted, "there is no workload of this name");
        }
        for workload in workloads {
            if let Some(how) = found.how_to_opt_out(workload).filter(|_| runs) {
                let why = format!("still the running gateway's own; first {how}");
                self.failed(workload, why);
                continue;
            }
            self.bring_up(found, workload).await;
            self.lead_back(Some(namespace), Some(&workload.labels()))
                .await;
            match workload.pods() {
                Some(pods) => self.unmark(Some(namespace), &pods).await,
                None => self.failed(workload, "it does not say which pods are its own"),
            }
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
        let from = Seen {
            name: &workload.name,
            uid: &workload.uid,
            replicas: 0,
        };
        match raise(&api, from, floor).await {
            Ok(()) => self.done(format!("{workload}: 0 to {floor} replicas")),
            Err(ApiError::Gone) => {}
            Err(ApiError::Conflict) => {
                self.done(format!(
                    "{workload}: somebody else has changed it meanwhile"
                ));
            }
            Err(error) => self.failed(workload, error),
        }
    }
}

fn place(namespace: Option<&str>) -> String {
    namespace.map_or_else(
        || "all namespaces".to_owned(),
        |name| format!("namespace {name}"),
    )
}

fn named(client: &Client, namespace: &str, resource: &ApiResource) -> kube::Api<DynamicObject> {
    kube::Api::namespaced_with(client.clone(), namespace, resource)
}

fn deployments() -> ApiResource {
    kind_of("apps/v1", "Deployment", "deployments")
}

fn pods() -> ApiResource {
    kind_of("v1", "Pod", "pods")
}

#[cfg(test)]
mod tests;
