//! Kubernetes manifests: which of them are read, and what an `InferenceService` means as revisions.
//! What `KServe` refuses is refused, what would do nothing here is warned about. How a component is
//! run as a process is said elsewhere.

mod annotations;
mod component;
mod fields;
mod hosts;
mod resources;

pub(super) use component::Component;

use super::complaint::Complaints;
use super::file::Section;
use super::knative::{self, CLUSTER_CLASS};
use super::layers::{Layer, Layers};
use super::tree::{Node, Value};
use annotations::Annotations;
use component::{Part, Role};
use hosts::Service;

/// The groups whose `InferenceService` is read, the present and the first one.
const GROUPS: [&str; 2] = ["serving.kserve.io/v1beta1", "serving.kubeflow.org/v1beta1"];

/// A manifest that is read.
pub(super) enum Manifest {
    /// Not looked into yet.
    InferenceService(Node),
    /// What it says of every revision.
    ConfigAutoscaler(Layer),
}

/// Whether a document is a manifest and no file of ours.
pub(super) fn is_manifest(document: &Node) -> bool {
    ["apiVersion", "kind"]
        .iter()
        .any(|key| document.entry(key).is_some())
}

/// The manifests in a document: itself, or the items of a `List`. Others are warned about.
pub(super) fn read(document: &Node, complaints: &mut Complaints) -> Vec<Manifest> {
    let text = |key: &str| document.given(key).and_then(Node::text);
    let name = document
        .given("metadata")
        .and_then(|metadata| metadata.given("name"))
        .and_then(Node::text);
    match (text("kind").unwrap_or_default(), name) {
        ("InferenceService", _) => {
            let service = inference_service(document, complaints);
            service.into_iter().collect()
        }
        ("ConfigMap", Some("config-autoscaler")) => {
            let data = document
                .given("data")
                .and_then(|data| a_map(data, complaints));
            let layer = data.map(|data| knative::config_autoscaler(data, complaints));
            vec![Manifest::ConfigAutoscaler(layer.unwrap_or_default())]
        }
        ("List", _) => {
            let items = document.given("items").map(Node::items);
            let items = items.unwrap_or_default();
            items
                .iter()
                .flat_map(|item| read(item, complaints))
                .collect()
        }
        (kind, name) => {
            let what = [kind, name.unwrap_or_default()].join(" ");
            let message = format!(
                "{} is not read, only InferenceService and ConfigMap config-autoscaler are",
                what.trim()
            );
            complaints.warn(document.complaint(message));
            Vec::new()
        }
    }
}

fn inference_service(document: &Node, complaints: &mut Complaints) -> Option<Manifest> {
    let version = document.given("apiVersion");
    if version
        .and_then(Node::text)
        .is_some_and(|text| GROUPS.contains(&text))
    {
        return Some(Manifest::InferenceService(document.clone()));
    }
    let what = format!("apiVersion {}", GROUPS.join(" or "));
    complaints.push(version.unwrap_or(document).wanted(&what));
    None
}

/// The node, if it is a map, as it should be.
fn a_map<'a>(node: &'a Node, complaints: &mut Complaints) -> Option<&'a Node> {
    if matches!(node.value, Value::Map(_)) {
        return Some(node);
    }
    complaints.push(node.wanted("a map"));
    None
}

/// The components of an `InferenceService` as revisions. `cluster` says what a `ConfigMap` said.
pub(super) fn components(
    service: &Node,
    cluster: &Layer,
    complaints: &mut Complaints,
) -> Vec<Section> {
    let Some(named) = Service::read(service, complaints) else {
        return Vec::new();
    };
    let Some(spec) = spec(service, complaints) else {
        return Vec::new();
    };
    let of_cluster = Layers::new(vec![cluster]).written(&CLUSTER_CLASS);
    let annotations = service
        .given("metadata")
        .and_then(|metadata| metadata.given("annotations"))
        .and_then(|annotations| a_map(annotations, complaints));
    let parts = Role::ALL.into_iter().filter_map(|role| {
        let node = spec.given(role.as_str())?;
        let own = node.given("annotations");
        let own = own.and_then(|own| a_map(own, complaints));
        Some(Part {
            role,
            node,
            annotations: Annotations::of(annotations, own),
            of_cluster: of_cluster.clone(),
        })
    });
    let parts: Vec<Part> = parts.collect();
    let entry = match spec.given(Role::Transformer.as_str()) {
        Some(_) => Role::Transformer,
        None => Role::Predictor,
    };
    parts
        .iter()
        .map(|part| part.section(&named, part.role == entry, complaints))
        .collect()
}

/// The spec, if it has a predictor.
fn spec<'a>(service: &'a Node, complaints: &mut Complaints) -> Option<&'a Node> {
    let Some(spec) = service.given("spec") else {
        complaints.push(service.complaint("wanted a spec with a predictor"));
        return None;
    };
    for entry in spec.entries() {
        if Role::called(&entry.key).is_none() {
            let message = "unknown component, wanted predictor, transformer or explainer";
            complaints.warn(entry.complaint(message));
        }
    }
    if spec.given(Role::Predictor.as_str()).is_some() {
        return Some(spec);
    }
    complaints.push(spec.complaint("wanted a predictor"));
    None
}
