//! The annotations of a component: those of its service with its own on top, as layers. Decides whose
//! they are; what Knative's mean is in `knative`, what ours do in `ours`.

use super::ours;
use super::site::Site;
use crate::config::complaint::Complaints;
use crate::config::knative::{self, Class, Word, said};
use crate::config::layers::Layer;
use crate::config::nearest::{or_the_nearest, similar};
use crate::config::tree::{Entry, Node};

pub(super) const KNATIVE: &str = "autoscaling.knative.dev/";

/// The annotations that hold for a component, each name once.
pub(super) struct Annotations<'a>(Vec<&'a Entry>);

impl<'a> Annotations<'a> {
    /// Those of a workload.
    pub(super) fn of_workload(written: Option<&'a Node>) -> Self {
        Self::of(written, None, true)
    }

    /// Those of the service, and those of the component, which win. What of the service's leads to
    /// one revision leads to its entry.
    pub(super) fn of(
        service: Option<&'a Node>,
        component: Option<&'a Node>,
        is_entry: bool,
    ) -> Self {
        let entries = |node: Option<&'a Node>| node.map(Node::entries).unwrap_or_default();
        let own = entries(component);
        let hidden = |entry: &&Entry| {
            let is_own = own.iter().any(|other| other.key == entry.key);
            is_own || (!is_entry && ours::leads(&entry.key))
        };
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

    /// What ours say.
    pub(super) fn ours(&self, site: Site<'_>, complaints: &mut Complaints) -> Layer {
        ours::read(self.0.iter().copied(), site, complaints)
    }
}
