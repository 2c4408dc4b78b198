//! The annotations of a component: those of its service with its own on top, as layers. Decides whose
//! they are; what Knative's mean is in `knative`.

use crate::config::complaint::{Complaint, Complaints};
use crate::config::key::{AnyKey, Shape};
use crate::config::keys::{NAME, REVISION};
use crate::config::knative::{self, Class, Word, said};
use crate::config::layers::Layer;
use crate::config::nearest::{or_the_nearest, similar};
use crate::config::overrides::{node_of, split};
use crate::config::tree::{Entry, Node};

const KNATIVE: &str = "autoscaling.knative.dev/";
const OURS: &str = "holdgate.dev/";

/// What a cluster's webhook and controller read, which set nothing.
const OF_CLUSTER: [&str; 2] = ["enabled", "inject"];

/// The annotations that hold for a component, each name once.
pub(super) struct Annotations<'a>(Vec<&'a Entry>);

impl<'a> Annotations<'a> {
    /// Those of the service, and those of the component, which win.
    pub(super) fn of(service: Option<&'a Node>, component: Option<&'a Node>) -> Self {
        let entries = |node: Option<&'a Node>| node.map(Node::entries).unwrap_or_default();
        let own = entries(component);
        let hidden = |entry: &&Entry| own.iter().any(|other| other.key == entry.key);
        let shared = entries(service).iter().filter(|entry| !hidden(entry));
        Self(shared.chain(own).collect())
    }

    fn get(&self, prefix: &str, name: &str) -> Option<&'a Entry> {
        let is_meant = |entry: &&&Entry| entry.key.strip_prefix(prefix) == Some(name);
        self.0.iter().find(is_meant).copied()
    }

    /// The text of one annotation.
    pub(super) fn text(&self, key: &str) -> Option<(&'a Node, &'a str)> {
        let entry = self.get("", key)?;
        Some((&entry.node, entry.node.text()?))
    }

    /// What Knative's say.
    pub(super) fn knative(&self, of_cluster: Option<String>, complaints: &mut Complaints) -> Layer {
        let class = self.get(KNATIVE, "class");
        let class = Class {
            annotated: class.and_then(|entry| entry.node.text().map(str::to_owned)),
            of_cluster,
        };
        let words = knative::annotations(&class);
        let mut layer = Layer::default();
        for word in &words {
            if let Some(entry) = self.written(word, complaints) {
                word.set(&said(&entry.node, complaints), &mut layer, complaints);
            }
        }
        self.name_unknown(&words, complaints);
        layer
    }

    /// The annotation of a word; where both spellings are there, the first one counts.
    fn written(&self, word: &Word, complaints: &mut Complaints) -> Option<&'a Entry> {
        let alias = Some(word.alias).filter(|alias| !alias.is_empty());
        let alias = alias.and_then(|alias| self.get(KNATIVE, alias));
        let Some(entry) = self.get(KNATIVE, word.name) else {
            return alias;
        };
        if let Some(hidden) = alias {
            let message = format!("is not read beside {KNATIVE}{}", word.name);
            complaints.warn(hidden.node.complaint(message));
        }
        Some(entry)
    }

    fn name_unknown(&self, words: &[Word], complaints: &mut Complaints) {
        let known = || words.iter().flat_map(|word| [word.name, word.alias]);
        for entry in &self.0 {
            let Some(name) = entry.key.strip_prefix(KNATIVE) else {
                continue;
            };
            if !known().any(|word| word == name) {
                let nearest = similar(name, known());
                let message = or_the_nearest("unknown annotation, it is not read", nearest);
                complaints.warn(entry.complaint(message));
            }
        }
    }

    /// What ours say: any key of a revision, its path in kebab case.
    pub(super) fn ours(&self, complaints: &mut Complaints) -> Layer {
        let mut layer = Layer::default();
        for entry in &self.0 {
            let name = entry.key.strip_prefix(OURS);
            let Some(name) = name.filter(|name| !OF_CLUSTER.contains(name)) else {
                continue;
            };
            match key_of(name) {
                Some(key) => set(key, &entry.node, &mut layer, complaints),
                None => complaints.push(unknown(name, entry)),
            }
        }
        layer
    }
}

/// The key that an annotation of ours sets: one that takes a line of text, but not the name, which
/// the manifest gives.
fn key_of(name: &str) -> Option<&'static dyn AnyKey> {
    let settable = |key: &&dyn AnyKey| {
        let about = key.about();
        about.shape != Shape::NoFlag && about.path != NAME.about.path && kebab(about.path) == name
    };
    REVISION.iter().copied().find(settable)
}

fn set(key: &'static dyn AnyKey, node: &Node, layer: &mut Layer, complaints: &mut Complaints) {
    let said = said(node, complaints);
    let Some(text) = said.text() else {
        complaints.push(node.wanted("some text"));
        return;
    };
    let values = split(key.about(), text);
    match node_of(key.about().shape, &said.origin, &values) {
        Ok(value) => layer.set(key, value.at_path(&node.path), complaints),
        Err(complaint) => complaints.push(complaint),
    }
}

fn unknown(name: &str, entry: &Entry) -> Complaint {
    let known: Vec<String> = REVISION.iter().map(|key| kebab(key.about().path)).collect();
    let known = known
        .iter()
        .map(String::as_str)
        .filter(|known| key_of(known).is_some());
    let nearest = similar(name, known).map(|near| format!("{OURS}{near}"));
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
