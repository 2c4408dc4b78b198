//! What objects of a cluster mean: the same as the files they were applied from, and what only pods
//! have.

mod any;
#[cfg(feature = "kubernetes")]
mod claims;
mod hosts;
mod meaning;
mod pods;
mod told;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::super::complaint::Complaints;
use super::super::tree::{Node, Value};
use super::super::{
    ClaimFacts, ClaimSettings, GatewayConfig, Overrides, ReadClaim, load_gateway, load_text,
    read_claim, yaml,
};
use super::manifests::GUIDES;
use crate::backend::{Component, PodSpec, Resources};
use crate::revision::{RevisionId, RevisionSpec, ScaleMetric};

/// A gateway of which nothing is said.
fn plain() -> GatewayConfig {
    load_gateway(&[], &Overrides::default()).expect("nothing is wrong")
}

/// A gateway with one file.
fn gateway(text: &str) -> GatewayConfig {
    let files = super::Written::new(&[("gateway.yaml", text)]);
    load_gateway(&files.files, &Overrides::default()).expect("the file is sound")
}

/// What is known of a revision of this name before it has pods.
fn facts(revision: &str) -> ClaimFacts {
    ClaimFacts {
        revision: RevisionId::new(revision),
        domain: None,
        services: Vec::new(),
        args: Vec::new(),
        resources: Resources::default(),
    }
}

/// An `InferenceService` with this predictor.
fn service(annotations: &Json, predictor: &Json) -> Json {
    json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": { "name": "m", "namespace": "team", "annotations": annotations },
        "spec": { "predictor": predictor },
    })
}

/// A workload with these annotations.
fn workload(annotations: &Json) -> Json {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "m", "namespace": "team", "annotations": annotations },
    })
}

fn predictor(object: &Json) -> Result<ReadClaim, Complaints> {
    let settings = ClaimSettings::InferenceService(object, Component::Predictor);
    read_twice(&settings, &facts("m-predictor.team"))
}

/// Reads settings, and what is kept of them, which says the same.
fn read_twice(settings: &ClaimSettings<'_>, facts: &ClaimFacts) -> Result<ReadClaim, Complaints> {
    let read = read_claim(settings, facts, &plain());
    #[cfg(feature = "kubernetes")]
    if read.is_ok() {
        assert_eq!(claims::read_essence(settings, facts), read);
    }
    read
}

fn annotated(annotations: &Json) -> Result<ReadClaim, Complaints> {
    workload_of(&workload(annotations), "m.team")
}

/// The same of a gateway that is told something.
#[cfg(feature = "tls")]
pub(super) fn annotated_for(
    annotations: &Json,
    gateway: &GatewayConfig,
) -> Result<ReadClaim, Complaints> {
    let object = workload(annotations);
    read_claim(&ClaimSettings::Workload(&object), &facts("m.team"), gateway)
}

pub(super) fn workload_of(object: &Json, revision: &str) -> Result<ReadClaim, Complaints> {
    read_twice(&ClaimSettings::Workload(object), &facts(revision))
}

/// A document as an API server tells it.
pub(super) fn object(text: &str) -> Json {
    let file: Arc<Path> = Arc::from(Path::new("a.yaml"));
    let documents = yaml::parse(&file, text, &mut Complaints::default());
    let document = documents.and_then(|mut all| all.pop());
    to_json(&document.expect("a document"))
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Text {
            text,
            quoted: false,
        } => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        Value::Text { text, .. } => text.clone().into(),
        Value::Nothing => Json::Null,
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            let entries = entries.iter();
            entries
                .map(|entry| (entry.key.clone(), to_json(&entry.node)))
                .collect()
        }
    }
}

/// Every component of a manifest of the guides as an object of a cluster.
fn guide(number: usize) -> Vec<ReadClaim> {
    let text = GUIDES.split("\n---\n").nth(number).expect("a manifest");
    let object = object(text);
    let name = object["metadata"]["name"].as_str().expect("a name");
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .unwrap_or("default");
    let there = |role: &Component| object["spec"].get(role.as_str()).is_some();
    let roles = [
        Component::Predictor,
        Component::Transformer,
        Component::Explainer,
    ]
    .into_iter();
    let read = |role: Component| {
        let facts = facts(&format!("{name}-{}.{namespace}", role.as_str()));
        let settings = ClaimSettings::InferenceService(&object, role);
        read_twice(&settings, &facts).expect("it is sound")
    };
    roles.filter(there).map(read).collect()
}

/// A revision without what is another word in every place.
pub(super) fn nameless(spec: &RevisionSpec) -> RevisionSpec {
    RevisionSpec {
        id: RevisionId::new("a"),
        hosts: Vec::new(),
        models: Vec::new(),
        ..spec.clone()
    }
}
