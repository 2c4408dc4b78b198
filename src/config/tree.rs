//! What was written as a tree in which every value knows where. Decides nothing about meaning. How
//! text becomes a tree is in `yaml`.

use super::complaint::{Complaint, Origin};

/// One value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    /// The dotted path, `revisions[0].queue.timeout`; empty for flags and at the root.
    pub(super) path: String,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A scalar; text, number or truth is decided by whoever reads it.
    Text {
        text: String,
        /// Written so that it can only be text.
        quoted: bool,
    },
    /// A key with nothing behind it, or `null`.
    Nothing,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map, at most once each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key itself stands.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Entry {
    /// A complaint about the key itself.
    pub(super) fn complaint(&self, message: impl Into<String>) -> Complaint {
        Complaint {
            origin: self.origin.clone(),
            ..self.node.complaint(message)
        }
    }
}

impl Node {
    /// A plain scalar from outside any file.
    pub(super) fn plain(origin: &Origin, text: &str) -> Self {
        let value = Value::Text {
            text: text.to_owned(),
            quoted: false,
        };
        Self {
            origin: origin.clone(),
            path: String::new(),
            value,
        }
    }

    /// A complaint about this value.
    pub(super) fn complaint(&self, message: impl Into<String>) -> Complaint {
        Complaint {
            origin: self.origin.clone(),
            path: self.path.clone(),
            message: message.into(),
        }
    }

    /// A complaint that something else was wanted here.
    pub(super) fn wanted(&self, what: &str) -> Complaint {
        self.complaint(format!("wanted {what}, not {}", self.found()))
    }

    /// A complaint that this map lacks a key.
    pub(super) fn missing(&self, key: &str, what: &str) -> Complaint {
        Complaint {
            origin: self.origin.clone(),
            path: below(&self.path, key),
            message: format!("is missing, wanted {what}"),
        }
    }

    /// The entry of a map under this key, if there is something behind it: to Kubernetes `null` is
    /// as good as not written.
    pub(super) fn given(&self, key: &str) -> Option<&Node> {
        let entry = self.entry(key)?;
        (entry.node.value != Value::Nothing).then_some(&entry.node)
    }

    /// The entries of a map; none for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a scalar, quoted or not.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The same value, and all in it, at this path.
    pub(super) fn at_path(mut self, path: &str) -> Self {
        match &mut self.value {
            Value::Text { .. } | Value::Nothing => {}
            Value::List(items) => {
                for item in items {
                    path.clone_into(&mut item.path);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    path.clone_into(&mut entry.node.path);
                }
            }
        }
        path.clone_into(&mut self.path);
        self
    }

    /// What a text says that stands as a whole in one place: this value and all in it, below that
    /// place.
    pub(super) fn inside(mut self, place: &Self) -> Self {
        let between = match self.path.as_str() {
            path if path.is_empty() || path.starts_with('[') => "",
            _ => ".",
        };
        self.path = format!("{}{between}{}", place.path, self.path);
        self.origin.clone_from(&place.origin);
        self.value = match self.value {
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| item.inside(place)).collect())
            }
            Value::Map(entries) => {
                let moved = |entry: Entry| Entry {
                    key: entry.key,
                    origin: place.origin.clone(),
                    node: entry.node.inside(place),
                };
                Value::Map(entries.into_iter().map(moved).collect())
            }
            scalar => scalar,
        };
        self
    }

    /// Another text where this one was written.
    pub(super) fn saying(&self, text: &str) -> Self {
        Self {
            path: self.path.clone(),
            ..Self::plain(&self.origin, text)
        }
    }

    /// An entry that says something else in this place.
    pub(super) fn with(&self, key: &str, text: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            origin: self.origin.clone(),
            node: self.saying(text),
        }
    }

    /// The value in a few words, for "wanted …, not …".
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::Text {
                text,
                quoted: false,
            } if !text.is_empty() => text.clone(),
            Value::Text { text, .. } => format!("{text:?}"),
            Value::Nothing => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// The items of a list; none for anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entry of a map under this key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// How many values there are in it, itself included.
    pub(super) fn count(&self) -> usize {
        1 + match &self.value {
            Value::Text { .. } | Value::Nothing => 0,
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.count()).sum(),
        }
    }
}

/// Joins a path and a key below it.
pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
