//! Who is there: revisions by host, by model, and the one that takes everything else.
//!
//! `DashMap` lives here only. A reload replaces whole entries; a request keeps the entry it found.

use std::sync::Arc;

use dashmap::DashMap;

use crate::revision::{RevisionId, RevisionSpec};
use crate::stats::Stats;
use crate::throttler::Throttler;

/// One revision as the data path sees it: settings, who may go where, and what is counted.
#[derive(Debug)]
pub struct Revision<C> {
    /// The settings a request lives by. A reload makes a new `Revision` around the same throttler.
    pub spec: RevisionSpec,
    /// Permits, and the line for them.
    pub throttler: Arc<Throttler<C>>,
    /// What is counted.
    pub stats: Arc<Stats>,
}

/// Every revision of this gate.
#[derive(Debug)]
pub struct Registry<C> {
    by_name: DashMap<RevisionId, Arc<Revision<C>>>,
    by_host: DashMap<String, Arc<Revision<C>>>,
    by_model: DashMap<String, Arc<Revision<C>>>,
    lone: parking_lot::RwLock<Option<Arc<Revision<C>>>>,
    /// What is counted for requests that no revision takes.
    pub unrouted: Stats,
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self {
            by_name: DashMap::new(),
            by_host: DashMap::new(),
            by_model: DashMap::new(),
            lone: parking_lot::RwLock::new(None),
            unrouted: Stats::new(),
        }
    }
}

impl<C> Registry<C> {
    /// Adds a revision, or puts it in the place of the one of the same name.
    pub fn insert(&self, revision: Revision<C>) {
        let revision = Arc::new(revision);
        let id = revision.spec.id.clone();
        let old = self.by_name.insert(id.clone(), Arc::clone(&revision));
        for host in &revision.spec.hosts {
            self.by_host.insert(host.clone(), Arc::clone(&revision));
        }
        for model in &revision.spec.models {
            self.by_model.insert(model.clone(), Arc::clone(&revision));
        }
        if let Some(old) = old {
            let kept = |names: &[String], name: &String| names.contains(name);
            self.forget(
                &old,
                |host| kept(&revision.spec.hosts, host),
                |model| kept(&revision.spec.models, model),
            );
        }
        self.settle_lone();
    }

    /// Takes a revision out; requests that already found it go on.
    pub fn remove(&self, id: &RevisionId) {
        if let Some((_, old)) = self.by_name.remove(id) {
            self.forget(&old, |_| false, |_| false);
        }
        self.settle_lone();
    }

    /// The revision of an exact host name.
    #[must_use]
    pub fn by_host(&self, host: &str) -> Option<Arc<Revision<C>>> {
        self.by_host.get(host).map(|found| Arc::clone(&found))
    }

    /// The revision of a model.
    #[must_use]
    pub fn by_model(&self, model: &str) -> Option<Arc<Revision<C>>> {
        self.by_model.get(model).map(|found| Arc::clone(&found))
    }

    /// The revision of a name.
    #[must_use]
    pub fn by_name(&self, id: &RevisionId) -> Option<Arc<Revision<C>>> {
        self.by_name.get(id).map(|found| Arc::clone(&found))
    }

    /// The only revision there is, if there is only one: it takes every other host.
    #[must_use]
    pub fn lone(&self) -> Option<Arc<Revision<C>>> {
        self.lone.read().clone()
    }

    /// Every revision, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Revision<C>>> {
        let mut all: Vec<_> = self
            .by_name
            .iter()
            .map(|entry| Arc::clone(&entry))
            .collect();
        all.sort_by(|a, b| a.spec.id.cmp(&b.spec.id));
        all
    }

    /// Drops the names that lead to `old`, but for those the successor kept.
    fn forget(
        &self,
        old: &Arc<Revision<C>>,
        keeps_host: impl Fn(&String) -> bool,
        keeps_model: impl Fn(&String) -> bool,
    ) {
        for host in old.spec.hosts.iter().filter(|host| !keeps_host(host)) {
            self.by_host
                .remove_if(host, |_, found| Arc::ptr_eq(found, old));
        }
        for model in old.spec.models.iter().filter(|model| !keeps_model(model)) {
            self.by_model
                .remove_if(model, |_, found| Arc::ptr_eq(found, old));
        }
    }

    fn settle_lone(&self) {
        let all = self.all();
        *self.lone.write() = match all.as_slice() {
            [only] => Some(Arc::clone(only)),
            _ => None,
        };
    }
}
