//! What is written for callers of a Service, as plain data and as calls to the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, Preconditions};
use kube::{Api, Client};
use serde_json::{Map, Value, json};

use super::facts::{
    Family, MANAGED_BY, NOTHING, OURS, PATH, SELECTOR, SERVICE_NAME, ServiceView, SlicePort,
    SliceView, slice_name, write_selector,
};
use crate::backend::kubernetes::call::{in_time, kind_of, patching, writing};
use crate::backend::kubernetes::objects::ObjectRef;
use crate::backend::kubernetes::seams::ApiError;

/// By this label whoever leads the callers of other Services leaves the slice of a headless one alone.
const HEADLESS: &str = "service.kubernetes.io/headless";

/// One thing that is written.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Deed {
    /// A slice of ours is made.
    Make(ObjectRef, Value),
    /// It is changed, if it is as it was seen.
    Change(ObjectRef, Value),
    /// It goes, if it is as it was seen.
    Remove(ObjectRef, String),
    /// A Service is changed, if it is as it was seen.
    Service(ObjectRef, Value),
}

impl Deed {
    /// What is written, for a person.
    pub(super) fn what(&self) -> String {
        let (Self::Make(at, _) | Self::Change(at, _) | Self::Remove(at, _) | Self::Service(at, _)) =
            self;
        format!("{} {}", at.kind, at.name)
    }

    /// Does it. Bounded in time, and tried once.
    pub(in crate::backend::kubernetes) async fn be_done(
        &self,
        client: Client,
    ) -> Result<(), ApiError> {
        let done = match self {
            Self::Make(at, body) => {
                let object = serde_json::from_value(body.clone()).expect("it has a kind");
                in_time(of(client, at).create(&writing(), &object))
                    .await
                    .map(drop)
            }
            Self::Change(at, patch) | Self::Service(at, patch) => {
                let (api, patch) = (of(client, at), Patch::Merge(patch));
                in_time(api.patch(&at.name, &patching(), &patch))
                    .await
                    .map(drop)
            }
            Self::Remove(at, version) => {
                let only = DeleteParams::default().preconditions(Preconditions {
                    resource_version: Some(version.clone()),
                    uid: None,
                });
                in_time(of(client, at).delete(&at.name, &only))
                    .await
                    .map(drop)
            }
        };
        done.map_err(|failure| failure.error)
    }
}

fn of(client: Client, at: &ObjectRef) -> Api<DynamicObject> {
    let resource = if &*at.kind == "Service" {
        services()
    } else {
        slices()
    };
    Api::namespaced_with(client, &at.namespace, &resource)
}

/// The kind of our slices.
pub(in super::super) fn slices() -> ApiResource {
    kind_of("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
}

/// Services.
pub(in super::super) fn services() -> ApiResource {
    kind_of("v1", "Service", "services")
}

/// What one slice of ours says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slice {
    /// Where the gateways listen.
    pub(super) ports: Vec<SlicePort>,
    /// Which gateways.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// On which nodes they run: who comes from outside to a node is led to what runs there, if the Service
    /// says so (`externalTrafficPolicy: Local`).
    pub(super) nodes: BTreeMap<IpAddr, Arc<str>>,
    /// Of which kind their addresses are.
    pub(super) family: Family,
}

impl Slice {
    /// Makes it so; `None` where it is.
    pub(super) fn write(&self, service: &ServiceView, seen: Option<&SliceView>) -> Option<Deed> {
        let owner = json!([{
            "apiVersion": "v1",
            "kind": "Service",
            "name": &*service.at.name,
            "uid": &*service.at.uid,
        }]);
        let Some(seen) = seen else {
            return Some(self.make(service, &owner));
        };
        if seen.family != self.family {
            // What kind of addresses a slice has never changes.
            return Some(remove(seen));
        }
        let is_owned = seen.owner.as_ref() == Some(&service.at.uid);
        let is_led = seen.addresses == self.addresses && seen.nodes == self.nodes;
        if is_owned && seen.ports == self.ports && is_led {
            return None;
        }
        // A Service that was made anew may be another kind of one.
        let headless = service.headless.then_some("");
        let mut patch = json!({ "metadata": {
            "resourceVersion": &*seen.resource_version, "ownerReferences": owner,
            "labels": { HEADLESS: headless },
        } });
        patch["ports"] = self.ports();
        patch["endpoints"] = self.endpoints();
        Some(Deed::Change(seen.at.clone(), patch))
    }

    fn make(&self, service: &ServiceView, owner: &Value) -> Deed {
        let name = slice_name(&service.at.name);
        let mut labels = json!({ MANAGED_BY: OURS, SERVICE_NAME: &*service.at.name });
        if service.headless {
            labels[HEADLESS] = "".into();
        }
        let body = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": &*service.at.namespace,
                "labels": labels,
                "ownerReferences": owner,
            },
            "addressType": self.family.as_str(),
            "ports": self.ports(),
            "endpoints": self.endpoints(),
        });
        let at = ObjectRef {
            api_version: "discovery.k8s.io/v1".into(),
            kind: "EndpointSlice".into(),
            namespace: service.at.namespace.clone(),
            name: name.into(),
            uid: "".into(),
        };
        Deed::Make(at, body)
    }

    fn ports(&self) -> Value {
        let port = |port: &SlicePort| {
            json!({
                "name": port.name.as_deref().unwrap_or_default(),
                "port": port.number,
                "protocol": "TCP",
                "appProtocol": port.app_protocol,
            })
        };
        self.ports.iter().map(port).collect()
    }

    fn endpoints(&self) -> Value {
        let endpoint = |ip: &IpAddr| {
            let mut endpoint = json!({
                "addresses": [ip.to_string()],
                "conditions": { "ready": true, "serving": true, "terminating": false },
            });
            if let Some(node) = self.nodes.get(ip) {
                endpoint["nodeName"] = (&**node).into();
            }
            endpoint
        };
        self.addresses.iter().map(endpoint).collect()
    }
}

/// A slice of ours goes.
pub(super) fn remove(seen: &SliceView) -> Deed {
    Deed::Remove(seen.at.clone(), seen.resource_version.to_string())
}

/// Takes the selector of a Service away, and keeps it in an annotation.
pub(super) fn take(service: &ServiceView) -> Deed {
    let (label, value) = NOTHING;
    let nothing = BTreeMap::from([(label.to_owned(), value.to_owned())]);
    let kept = write_selector(&service.effective());
    change(service, Some(&nothing), &json!({ SELECTOR: kept }))
}

/// Gives a Service its selector back; where it has it, what was kept of it goes. `None` where there is
/// nothing to do, or nobody knows what it was.
pub(in super::super) fn give_back(service: &ServiceView) -> Option<Deed> {
    let selector = service.is_taken().then(|| service.effective());
    let is_known = selector
        .as_ref()
        .map_or(service.kept.is_some(), |it| !it.is_empty());
    let nothing = json!({ SELECTOR: null, PATH: null });
    is_known.then(|| change(service, selector.as_ref(), &nothing))
}

/// Writes something of no weight, so that admission looks at a Service.
pub(super) fn poke(service: &ServiceView) -> Deed {
    change(service, None, &json!({ PATH: "always" }))
}

fn change(
    service: &ServiceView,
    selector: Option<&BTreeMap<String, String>>,
    annotations: &Value,
) -> Deed {
    let mut patch = json!({ "metadata": {
        "resourceVersion": &*service.resource_version, "annotations": annotations,
    } });
    if let Some(selector) = selector {
        // A merge keeps what it does not name.
        let gone = service
            .selector
            .keys()
            .map(|label| (label.clone(), Value::Null));
        let mut all: Map<String, Value> = gone.collect();
        all.extend(selector.iter().map(|(k, v)| (k.clone(), v.as_str().into())));
        patch["spec"] = json!({ "selector": all });
    }
    Deed::Service(service.at.clone(), patch)
}
