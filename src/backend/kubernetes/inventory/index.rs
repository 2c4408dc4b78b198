//! Which selectors may match some labels, without asking every one of them.

use std::collections::HashMap;
use std::hash::Hash;

use super::super::objects::{Requirement, Selector};
use super::facts::Labels;

/// Selectors by the first value that they ask for. With 500 workloads a changed pod is compared with
/// one or two of them.
pub(super) struct Index<K> {
    keyed: HashMap<String, HashMap<String, Vec<K>>>,
    /// Those that ask for no value: they are compared with everything.
    loose: Vec<K>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self {
            keyed: HashMap::new(),
            loose: Vec::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Index<K> {
    pub(super) fn add(&mut self, selector: &Selector, key: &K) {
        match asked(selector) {
            None => self.loose.push(key.clone()),
            Some((name, values)) => {
                let by_value = self.keyed.entry(name.clone()).or_default();
                for value in values {
                    by_value.entry(value.clone()).or_default().push(key.clone());
                }
            }
        }
    }

    pub(super) fn remove(&mut self, selector: &Selector, key: &K) {
        let Some((name, values)) = asked(selector) else {
            self.loose.retain(|it| it != key);
            return;
        };
        let Some(by_value) = self.keyed.get_mut(name) else {
            return;
        };
        for value in values {
            if let Some(keys) = by_value.get_mut(value) {
                keys.retain(|it| it != key);
                if keys.is_empty() {
                    by_value.remove(value);
                }
            }
        }
        if by_value.is_empty() {
            self.keyed.remove(name);
        }
    }

    /// Those that may match. Each at most once, as a label has one value.
    pub(super) fn candidates(&self, labels: &Labels) -> Vec<K> {
        let keyed = self
            .keyed
            .iter()
            .filter_map(|(name, by_value)| by_value.get(labels.get(name)?));
        keyed.flatten().chain(&self.loose).cloned().collect()
    }
}

/// The first label that must have one of some values.
fn asked(selector: &Selector) -> Option<(&String, &Vec<String>)> {
    selector.0.iter().find_map(|requirement| match requirement {
        Requirement::In(name, values) => Some((name, values)),
        Requirement::NotIn(..) | Requirement::Exists(_) | Requirement::Absent(_) => None,
    })
}
