//! Settings that only pods have: annotations of a component or a workload, in no file.

use super::complaint::Complaints;
use super::key::{About, Key, Shape, Table, keys};
use super::layers::Layers;
use super::tree::Node;
use super::upstream;
use super::value::{list, text, wanted, whole};
use super::words::http_path;
use crate::backend::{Model, PodSpec};

const HIGHEST_PORT: u64 = 65_535;

/// Longest name of anything that becomes a label of DNS.
const LONGEST_LABEL: usize = 63;

keys! {
    /// The keys of the pods behind a revision, each an annotation.
    POD {
    PORT: u16 = "port", --"" "PORT" One, "", |n, c| whole(n, c, 1..=HIGHEST_PORT),
        "Port of a pod that takes requests; when not written, the first one of the model server's \
         container, else 8080";
    READINESS_PATH: String = "readinessPath", --"" "PATH" One, "", http_path,
        "Path that answers 200 to 399 once a pod may take requests; when not written, what the \
         model's protocol or the container's own readiness or startup probe asks for";
    SERVICE: Vec<String> = "service", --"" "SERVICE" List, "", services,
        "Service that leads to the pods; when not written, those whose selector matches";
    }
}

fn services(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    list(
        node,
        complaints,
        "a list of Services",
        |node, complaints| label(node, complaints, "the name of a Service"),
    )
}

/// A name that Kubernetes takes as a label of DNS.
pub(super) fn label(node: &Node, complaints: &mut Complaints, what: &str) -> Option<String> {
    let name = text(node, &mut Complaints::default()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.len() <= LONGEST_LABEL
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-');
    if fits {
        return Some(name);
    }
    wanted(node, what, complaints)
}

/// What is said about the pods. What is not written is as a manifest has it otherwise: its model,
/// and the port of what stands before the model server.
pub(super) fn spec(
    layers: &Layers<'_>,
    model: Option<Model>,
    port: Option<u16>,
    complaints: &mut Complaints,
) -> PodSpec {
    PodSpec {
        port: layers.written(&PORT).or(port),
        readiness_path: layers.written(&READINESS_PATH),
        model,
        services: layers.written(&SERVICE).unwrap_or_default(),
        tls: upstream::settle(layers, complaints),
    }
}
