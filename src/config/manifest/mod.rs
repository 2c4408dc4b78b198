//! Kubernetes manifests: which of them are read, and what an `InferenceService` or an annotated
//! workload means as revisions. What `KServe` refuses is refused, what would do nothing here is warned
//! about. How a component is run as a process is said elsewhere.

mod annotations;
mod component;
#[cfg(feature = "kubernetes")]
mod essence;
mod fields;
mod hosts;
mod model;
mod ours;
mod resources;
mod site;
mod subject;
mod workload;

#[cfg(feature = "kubernetes")]
pub(super) use component::is_model_server;
#[cfg(feature = "kubernetes")]
pub(super) use essence::essence;
pub(super) use ours::is_of_processes;
pub(super) use site::{DOMAIN, Site};
pub(super) use subject::Subject;

use super::complaint::Complaints;
use super::file::Section;
use super::knative::{self, CLUSTER_CLASS};
use super::layers::{Layer, Layers};
use super::tree::{Node, Value};
use crate::backend::Component;
use annotations::Annotations;
use component::Part;
use hosts::Service;

/// The groups whose `InferenceService` is read, the present and the first one.
const GROUPS: [&str; 2] = ["serving.kserve.io/v1beta1", "serving.kubeflow.org/v1beta1"];

/// A manifest that is read.
pub(super) enum Manifest {
    /// Not looked into yet.
    InferenceService(Node),
    /// The same: a workload that is ours to scale.
    Workload(Node),
    /// What it says of every revision.
    ConfigAutoscaler(Layer),
}

impl Manifest {
    /// The revisions that it describes, as processes on this machine. `cluster` says what a
    /// `ConfigMap` said.
    pub(super) fn sections(&self, cluster: &Layer, complaints: &mut Complaints) -> Vec<Section> {
        match self {
            Self::InferenceService(service) => {
                let read = |role| component(service, role, cluster, Site::Here, complaints);
                let sections: Vec<Option<Section>> = Component::ALL.into_iter().map(read).collect();
                sections.into_iter().flatten().collect()
            }
            Self::Workload(document) => {
                let section = workload(document, cluster, Site::Here, complaints);
                section.into_iter().collect()
            }
            Self::ConfigAutoscaler(_) => Vec::new(),
        }
    }
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
        _ if workload::is_enabled(document, complaints) => {
            vec![Manifest::Workload(document.clone())]
        }
        (kind, name) => {
            let what = [kind, name.unwrap_or_default()].join(" ");
            let message = format!(
                "{} is not read, only InferenceService, workloads with {}: \"true\" and ConfigMap \
                 config-autoscaler are",
                what.trim(),
                workload::ENABLED
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

/// One component as a revision, if the service has it. `cluster` says what a `ConfigMap` said.
pub(super) fn component(
    service: &Node,
    role: Component,
    cluster: &Layer,
    site: Site<'_>,
    complaints: &mut Complaints,
) -> Option<Section> {
    let named = Service::read(service, complaints)?;
    let spec = spec(service, complaints)?;
    let node = spec.given(role.as_str())?;
    let own = node.given("annotations");
    let own = own.and_then(|own| a_map(own, complaints));
    let shared = workload::annotations(service);
    let shared = shared.and_then(|shared| a_map(shared, complaints));
    let entry = match spec.given(Component::Transformer.as_str()) {
        Some(_) => Component::Transformer,
        None => Component::Predictor,
    };
    let part = Part {
        role,
        node,
        annotations: Annotations::of(shared, own, role == entry),
        is_entry: role == entry,
        of_cluster: class(cluster),
        site,
    };
    Some(part.section(&named, complaints))
}

/// A workload that is ours to scale as a revision.
pub(super) fn workload(
    document: &Node,
    cluster: &Layer,
    site: Site<'_>,
    complaints: &mut Complaints,
) -> Option<Section> {
    let annotations = workload::annotations(document);
    annotations.and_then(|annotations| a_map(annotations, complaints));
    workload::section(document, class(cluster), site, complaints)
}

/// Who scales the revisions of a cluster that do not say.
fn class(cluster: &Layer) -> Option<String> {
    Layers::new(vec![cluster]).written(&CLUSTER_CLASS)
}

/// The spec, if it has a predictor.
fn spec<'a>(service: &'a Node, complaints: &mut Complaints) -> Option<&'a Node> {
    let Some(spec) = service.given("spec") else {
        complaints.push(service.complaint("wanted a spec with a predictor"));
        return None;
    };
    for entry in spec.entries() {
        if !Component::ALL
            .iter()
            .any(|known| known.as_str() == entry.key)
        {
            let message = "unknown component, wanted predictor, transformer or explainer";
            complaints.warn(entry.complaint(message));
        }
    }
    if spec.given(Component::Predictor.as_str()).is_some() {
        return Some(spec);
    }
    complaints.push(spec.complaint("wanted a predictor"));
    None
}
