//! What the inventory is told, and what it tells has changed by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::facts::Fact;
use crate::revision::RevisionId;

/// From where something was heard: one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in super::super) struct SourceId(pub(in super::super) usize);

/// One watch, as far as it matters for whether what is present is up to date.
#[derive(Clone, Debug)]
pub(in super::super) struct Source {
    pub(in super::super) tells: Tells,
    /// The only namespace it tells of; `None` tells of all.
    pub(in super::super) namespace: Option<Arc<str>>,
}

/// What a watch tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Tells {
    Pods,
    Workloads,
    Platform,
    /// Services and our own `EndpointSlices`.
    Doors,
    /// What was said of objects: it is true of a moment, whatever becomes of the record of it.
    Words,
    Others,
}

/// A fact and the object it is about.
#[derive(Clone, Debug)]
pub(in super::super) struct Named {
    pub(in super::super) namespace: Arc<str>,
    pub(in super::super) name: Arc<str>,
    pub(in super::super) fact: Fact,
}

/// What a watch says.
#[derive(Clone, Debug)]
pub(in super::super) enum Change {
    /// Everything there is; what is not among it is gone.
    Listed(Vec<Named>),
    /// It is there, or has changed.
    Put(Box<Named>),
    /// The one of this namespace and name is gone, or of no interest any more.
    Gone(Arc<str>, Arc<str>),
    /// Whether everything that changes is told.
    Heard(bool),
}

/// What is not as it was when it was last asked for.
#[derive(Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is news for somebody else"
)]
pub(in super::super) struct Changed {
    pub(in super::super) claims: bool,
    pub(in super::super) entrances: bool,
    pub(in super::super) domain: bool,
    pub(in super::super) doors: bool,
    pub(in super::super) presents: Stale,
}

/// Of which revisions the present has changed.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Stale {
    All,
    Some(BTreeSet<RevisionId>),
}

impl Default for Stale {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}
