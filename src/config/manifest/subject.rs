//! What only a manifest says of a revision: what it is there, and what holds where it says nothing.

use crate::backend::{Component, Model};
use crate::config::layers::Layer;

/// What only a manifest says of a revision.
pub(in crate::config) struct Subject {
    pub(super) what: What,
    pub(super) name: String,
    /// Below the defaults of files: what `KServe` writes for what its manifests leave out, over what
    /// a cluster says of all.
    pub(in crate::config) defaults: Layer,
    /// The model its pods must have loaded.
    pub(in crate::config) model: Option<Model>,
    /// The port of its pods that takes requests, where it is not the model server's.
    pub(in crate::config) port: Option<u16>,
}

/// What a revision is in its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Component(Component),
    Workload,
}

impl Subject {
    /// It stands before or beside a predictor: flags and the command are not meant for it.
    pub(in crate::config) fn helps(&self) -> bool {
        !matches!(
            self.what,
            What::Workload | What::Component(Component::Predictor)
        )
    }

    /// It may begin with no replicas, whatever a cluster says of others: no workload has a minimum
    /// but the one that is written.
    pub(in crate::config) fn may_begin_with_none(&self) -> bool {
        self.what == What::Workload
    }

    /// Where its command is looked for.
    pub(in crate::config) fn wanted_command(&self) -> String {
        let name = &self.name;
        let file = format!("a file with a revision {name} and its process.command");
        if self.helps() {
            return format!("no command to run it, wanted {file}");
        }
        format!("no command to run it, wanted -- COMMAND, or {file}")
    }
}
