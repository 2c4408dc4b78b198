//! Our own annotations: any key of a revision or its pods, its path in kebab case. Decides which of
//! them count where.

use std::path::Path;
use std::sync::Arc;

use super::site::Site;
use crate::config::complaint::{Complaint, Complaints};
use crate::config::key::{AnyKey, Shape};
use crate::config::keys::{CALLER_PATH, COMMAND, NAME, READINESS_PATH, REVISION};
use crate::config::knative::said;
use crate::config::layers::Layer;
use crate::config::nearest::{or_the_nearest, similar};
use crate::config::overrides::{node_of, split};
use crate::config::pod::{self, POD};
use crate::config::rules::NOT_HERE;
use crate::config::tree::{Entry, Node};
use crate::config::upstream;
use crate::config::yaml;

pub(super) const OURS: &str = "holdgate.dev/";

/// What a cluster's webhook and controller read, which set nothing.
const OF_CLUSTER: [&str; 2] = ["enabled", "inject"];

const NOT_IN_MANIFESTS: &str =
    "names a file beside the gate, which a manifest cannot: it belongs to the gate's own defaults";

/// What leads to one revision, and so never to several components.
const LEADING: [&str; 3] = ["hosts", "models", "service"];

/// The keys of the processes of this machine.
pub(in crate::config) fn is_of_processes(path: &str) -> bool {
    path.starts_with("process.")
}

/// Whether an annotation leads to one revision alone.
pub(super) fn leads(annotation: &str) -> bool {
    let name = annotation.strip_prefix(OURS);
    name.is_some_and(|name| LEADING.contains(&name))
}

/// Reads annotations into a layer.
pub(super) fn read<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    site: Site<'_>,
    complaints: &mut Complaints,
) -> Layer {
    let mut layer = Layer::default();
    for entry in entries {
        let name = entry.key.strip_prefix(OURS);
        let Some(name) = name.filter(|name| !OF_CLUSTER.contains(name)) else {
            continue;
        };
        match key_of(name) {
            Some(key) => set(key, entry, site, &mut layer, complaints),
            None => complaints.push(unknown(name, entry)),
        }
    }
    let path = layer.get(pod::READINESS_PATH.about.path).cloned();
    if let Some(path) = path
        && site.is_here()
        && layer.get(READINESS_PATH.about.path).is_none()
    {
        layer.set(&READINESS_PATH, path, complaints);
    }
    layer
}

fn keys() -> impl Iterator<Item = &'static dyn AnyKey> {
    let keys = REVISION.iter().chain(POD).copied();
    // The name is what the manifest is called.
    keys.filter(|key| key.about().path != NAME.about.path)
}

fn key_of(name: &str) -> Option<&'static dyn AnyKey> {
    keys().find(|key| kebab(key.about().path) == name)
}

fn set(
    key: &'static dyn AnyKey,
    entry: &Entry,
    site: Site<'_>,
    layer: &mut Layer,
    complaints: &mut Complaints,
) {
    let path = key.about().path;
    if is_of_processes(path) && !site.is_here() {
        complaints.warn(entry.complaint(not_for_pods(path)));
        return;
    }
    if upstream::is_file(path) {
        complaints.push(entry.complaint(NOT_IN_MANIFESTS));
        return;
    }
    if path == COMMAND.about.path {
        complaints.push(entry.complaint("is no annotation, the command stands behind --"));
        return;
    }
    if path == pod::PORT.about.path && site.is_here() {
        let message = "is the port of pods, here {port} in the command says where to listen";
        complaints.warn(entry.complaint(message));
    }
    if path == CALLER_PATH.about.path && site.is_here() && entry.node.found() != "host" {
        complaints.warn(entry.complaint(NOT_HERE));
        return;
    }
    match value(key, &entry.node, complaints) {
        Ok(value) => layer.set(key, value, complaints),
        Err(complaint) => complaints.push(complaint),
    }
}

fn not_for_pods(path: &str) -> String {
    let message = "is for local processes and not read in a cluster";
    if path == READINESS_PATH.about.path {
        let read = kebab(pod::READINESS_PATH.about.path);
        return format!("{message}, {OURS}{read} is");
    }
    message.to_owned()
}

/// The value as it would stand in a file. What takes more than a line of text is written as there.
fn value(key: &dyn AnyKey, node: &Node, complaints: &mut Complaints) -> Result<Node, Complaint> {
    let said = said(node, complaints);
    let Some(text) = said.text() else {
        return Err(node.wanted("some text"));
    };
    let about = key.about();
    if about.shape == Shape::NoFlag {
        return written_out(node, text);
    }
    let values = split(about, text);
    node_of(about.shape, &said.origin, &values).map(|value| value.at_path(&node.path))
}

fn written_out(node: &Node, text: &str) -> Result<Node, Complaint> {
    let mut told = Complaints::default();
    let file: Arc<Path> = Arc::from(Path::new(""));
    let read = yaml::parse(&file, text, &mut told);
    if let Some(first) = told.iter().next() {
        return Err(node.complaint(first.message.clone()));
    }
    match read.unwrap_or_default().as_slice() {
        [one] => Ok(one.clone().inside(node)),
        _ => Err(node.wanted("a list as in a file")),
    }
}

fn unknown(name: &str, entry: &Entry) -> Complaint {
    let known = keys().map(|key| key.about().path);
    let known: Vec<String> = known
        .filter(|path| *path != COMMAND.about.path)
        .map(kebab)
        .collect();
    let nearest = similar(name, known.iter().map(String::as_str));
    let nearest = nearest.map(|near| format!("{OURS}{near}"));
    entry.complaint(or_the_nearest("unknown annotation", nearest.as_deref()))
}

/// `queue.maxRequests` as `queue-max-requests`.
fn kebab(path: &str) -> String {
    let mut kebab = String::with_capacity(path.len() + 8);
    for c in path.chars() {
        match c {
            '.' => kebab.push('-'),
            c if c.is_ascii_uppercase() => {
                kebab.push('-');
                kebab.push(c.to_ascii_lowercase());
            }
            c => kebab.push(c),
        }
    }
    kebab
}
