//! What was written, in layers: defaults of a file, the revision itself, the environment, flags.
//! A later layer wins key by key. Every layer is checked when it is made, so that a bad value is
//! named even where a better one hides it.

use std::collections::BTreeMap;

use super::complaint::{Complaint, Complaints};
use super::key::{AnyKey, Key, Table};
use super::nearest::{nearest, or_the_nearest};
use super::tree::{Entry, Node, Value, below};

/// The values of one layer by the paths of their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layer(BTreeMap<&'static str, Node>);

impl Layer {
    /// Reads a map, complaining about keys that the table does not know and values that its keys
    /// cannot read.
    pub(super) fn read(map: &Node, table: Table, complaints: &mut Complaints) -> Self {
        let mut layer = Self::default();
        layer.section(map, "", table, complaints);
        layer
    }

    fn section(&mut self, map: &Node, prefix: &str, table: Table, complaints: &mut Complaints) {
        let entries = match &map.value {
            Value::Map(entries) => entries,
            // A section whose keys are all commented out.
            Value::Nothing => return,
            _ => {
                complaints.push(map.wanted("a map"));
                return;
            }
        };
        for entry in entries {
            let path = below(prefix, &entry.key);
            let inside = format!("{path}.");
            if let Some(key) = table.iter().find(|key| key.about().path == path) {
                self.set(*key, entry.node.clone(), complaints);
            } else if table
                .iter()
                .any(|key| key.about().path.starts_with(&inside))
            {
                self.section(&entry.node, &path, table, complaints);
            } else {
                complaints.push(unknown(entry, prefix, table));
            }
        }
    }

    /// Writes one value, complaining if its key cannot read it.
    pub(super) fn set(&mut self, key: &dyn AnyKey, node: Node, complaints: &mut Complaints) {
        key.check(&node, complaints);
        self.0.insert(key.about().path, node);
    }

    /// What was written for a path.
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        self.0.get(path)
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, path: &str) -> Option<Node> {
        self.0.remove(path)
    }

    /// Everything that was written.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Node)> {
        self.0.iter().map(|(path, node)| (*path, node))
    }

    /// Takes over what another layer says and this one does not; complains about what both say.
    pub(super) fn join(&mut self, other: Self, complaints: &mut Complaints) {
        for (path, node) in other.0 {
            if let Some(first) = self.0.get(path) {
                complaints
                    .push(node.complaint(format!("written twice, first at {}", first.origin)));
            } else {
                self.0.insert(path, node);
            }
        }
    }
}

fn unknown(entry: &Entry, prefix: &str, table: Table) -> Complaint {
    let paths = || table.iter().map(|key| key.about().path);
    let nearest = nearest(&entry.key, prefix, paths());
    entry.complaint(or_the_nearest("unknown key", nearest))
}

/// Layers on top of each other, the lowest first.
pub(super) struct Layers<'a>(Vec<&'a Layer>);

impl<'a> Layers<'a> {
    pub(super) fn new(layers: Vec<&'a Layer>) -> Self {
        Self(layers)
    }

    /// The uppermost node that was written for a key.
    pub(super) fn node<T>(&self, key: &Key<T>) -> Option<&'a Node> {
        self.0
            .iter()
            .rev()
            .find_map(|layer| layer.get(key.about.path))
    }

    /// Every node that was written for a key, the lowest first.
    pub(super) fn nodes<T>(&self, key: &Key<T>) -> impl Iterator<Item = &'a Node> {
        self.0.iter().filter_map(|layer| layer.get(key.about.path))
    }

    /// What was written for a key; `None` as well if it cannot be read, which was complained
    /// about when its layer was made.
    pub(super) fn written<T>(&self, key: &Key<T>) -> Option<T> {
        (key.read)(self.node(key)?, &mut Complaints::default())
    }

    /// What holds for a key that has a default.
    pub(super) fn value<T>(&self, key: &Key<T>) -> T {
        self.written(key)
            .or_else(|| key.default())
            .expect("the key has a default, and its default can be read")
    }

    /// What holds for a key, unless what was written cannot be read: a rule between two keys
    /// speaks only of sound ones.
    pub(super) fn sound<T>(&self, key: &Key<T>) -> Option<T> {
        if self.node(key).is_some() {
            self.written(key)
        } else {
            key.default()
        }
    }
}
