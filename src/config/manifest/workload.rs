//! An annotated workload as a revision: anything that has replicas, and says that they are ours to
//! scale.

use super::annotations::Annotations;
use super::component;
use super::hosts;
use super::resources::{self, Kind};
use super::site::Site;
use super::subject::{Subject, What};
use crate::config::complaint::Complaints;
use crate::config::file::Section;
use crate::config::keys as k;
use crate::config::layers::{Layer, Layers};
use crate::config::tree::Node;

/// By which a workload opts in.
pub(super) const ENABLED: &str = "holdgate.dev/enabled";

/// A document's annotations.
pub(super) fn annotations(document: &Node) -> Option<&Node> {
    document.given("metadata")?.given("annotations")
}

/// Whether a document says that its replicas are ours.
pub(super) fn is_enabled(document: &Node, complaints: &mut Complaints) -> bool {
    let written = annotations(document).and_then(|all| all.given(ENABLED));
    match written.map(|node| (node, node.text())) {
        None | Some((_, Some("false"))) => false,
        Some((_, Some("true"))) => true,
        Some((node, _)) => {
            complaints.push(node.wanted("\"true\" or \"false\""));
            false
        }
    }
}

/// A workload as a revision.
pub(super) fn section(
    document: &Node,
    of_cluster: Option<String>,
    site: Site<'_>,
    complaints: &mut Complaints,
) -> Option<Section> {
    let metadata = document.given("metadata").unwrap_or(document);
    let Some(at) = metadata.given("name").filter(|at| at.text().is_some()) else {
        complaints.push(metadata.complaint("wanted a name of the workload"));
        return None;
    };
    let namespace = metadata.given("namespace").and_then(Node::text);
    let namespace = namespace.unwrap_or("default");
    let annotations = Annotations::of_workload(annotations(document));
    let resources = site.resources(resources::of(model_server(document), complaints));
    let mut knative = annotations.knative(of_cluster, complaints);
    let mut ours = annotations.ours(site, complaints);
    let metric = Layers::new(vec![&knative, &ours]).written(&k::SCALE_METRIC);
    if let Some(metric) = metric {
        let kind = Kind::of_annotation(&metric);
        resources::convert(&mut knative, &metric, kind, resources);
    }
    let name = at.text().unwrap_or_default();
    let routed = hosts::routed(name, namespace, site.domain());
    // What KServe's headers name, and what a person types, whatever its Services are called.
    let plain = format!("{name}.{namespace}");
    let own = routed.iter().chain([&plain]);
    let own = own.map(|host| at.saying(host)).collect();
    let mut named = Layer::default();
    let hosts = hosts::all(own, at, namespace, &mut ours, site);
    named.set(&k::HOSTS, hosts, complaints);
    if site.is_here() {
        named.set(&k::NAME, at.saying(name), complaints);
    }
    resources::write(&mut named, at, resources);
    let subject = Subject {
        what: What::Workload,
        name: name.to_owned(),
        defaults: Layer::default(),
        model: None,
        port: None,
    };
    Some(Section {
        at: document.clone(),
        layers: vec![named, knative, ours],
        subject: Some(subject),
    })
}

/// The container whose resources count. In a cluster the pods say what they are.
fn model_server(document: &Node) -> Option<&Node> {
    let spec = document.given("spec")?.given("template")?.given("spec")?;
    component::main(spec.given("containers")?.items())
}
