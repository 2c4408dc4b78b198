//! Who is there: revisions by host, by model, by door, and the one that takes everything else.
//!
//! `DashMap` lives here only. A reload replaces whole entries; a request keeps the entry it found.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;

use crate::callers::Keyring;
use crate::revision::{RevisionId, RevisionSpec};
use crate::stats::Stats;
use crate::throttler::{Crowd, Throttler};
use crate::tls::ReplicaTls;

/// One revision as the data path sees it: settings, who may go where, and what is counted.
#[derive(Debug)]
pub struct Revision<C> {
    /// The settings a request lives by. A reload makes a new `Revision` around the same throttler.
    pub spec: RevisionSpec,
    /// Permits, and the line for them.
    pub throttler: Arc<Throttler<C>>,
    /// What is counted.
    pub stats: Arc<Stats>,
    /// How its replicas are reached by TLS; `None` where they do not speak it.
    pub tls: Option<ReplicaTls>,
}

/// What decides where requests go that came in by a door, a port of its own beside the data port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// The door: all of them are for this revision, whatever they say.
    To(RevisionId),
    /// What they say, as on the data port.
    ByHost,
}

/// Who is behind a door.
#[derive(Clone, Debug)]
pub enum Behind<C> {
    /// This revision alone.
    Revision(Arc<Revision<C>>),
    /// Whoever a request asks for.
    Everybody,
    /// The revision is not there (any more), or the door leads nowhere.
    Nobody,
}

/// Every revision of this gate.
#[derive(Debug)]
pub struct Registry<C> {
    by_name: DashMap<RevisionId, Arc<Revision<C>>>,
    by_host: DashMap<String, Arc<Revision<C>>>,
    by_model: DashMap<String, Arc<Revision<C>>>,
    /// Names, not revisions: a door leads to whatever goes by the name when a request comes.
    by_port: DashMap<u16, Lead>,
    lone: parking_lot::RwLock<Option<Arc<Revision<C>>>>,
    /// Nobody is the lone one.
    exact: bool,
    keys: parking_lot::RwLock<Arc<Keyring>>,
    /// There are keys: without any, nobody looks further.
    locked: AtomicBool,
    /// What is counted for requests that no revision takes.
    pub unrouted: Stats,
    /// Who waits, over all revisions.
    pub crowd: Arc<Crowd>,
}

impl<C> Default for Registry<C> {
    fn default() -> Self {
        Self {
            by_name: DashMap::new(),
            by_host: DashMap::new(),
            by_model: DashMap::new(),
            by_port: DashMap::new(),
            lone: parking_lot::RwLock::new(None),
            exact: false,
            keys: parking_lot::RwLock::default(),
            locked: AtomicBool::new(false),
            unrouted: Stats::new(),
            crowd: Arc::default(),
        }
    }
}

impl<C> Registry<C> {
    /// No revision takes what is not its own, however few there are: for many tenants.
    #[must_use]
    pub fn exact() -> Self {
        Self {
            exact: true,
            ..Self::default()
        }
    }

    /// Adds a revision, or puts it in the place of the one of the same name.
    pub fn insert(&self, revision: Revision<C>) {
        self.change(vec![revision], &[]);
    }

    /// Takes a revision away. Requests that already found it go on with it.
    pub fn remove(&self, id: &RevisionId) {
        self.change(Vec::new(), std::slice::from_ref(id));
    }

    /// Makes these the revisions there are.
    pub fn set(&self, revisions: Vec<Revision<C>>) {
        let stays: HashSet<RevisionId> = revisions.iter().map(|r| r.spec.id.clone()).collect();
        let mut gone: Vec<RevisionId> = self.by_name.iter().map(|e| e.key().clone()).collect();
        gone.retain(|id| !stays.contains(id));
        self.change(revisions, &gone);
    }

    /// Puts some revisions in the place of those of the same names, takes others away and touches none
    /// but these. What a request finds changes from one revision to another, never to nothing in
    /// between, also where a host moves among these; requests that already found one go on with it.
    pub fn change(&self, revisions: Vec<Revision<C>>, gone: &[RevisionId]) {
        let mut old = Vec::new();
        for revision in revisions {
            let revision = Arc::new(revision);
            let (id, spec) = (revision.spec.id.clone(), &revision.spec);
            for host in &spec.hosts {
                self.by_host.insert(host.clone(), Arc::clone(&revision));
            }
            for model in &spec.models {
                self.by_model.insert(model.clone(), Arc::clone(&revision));
            }
            old.extend(self.by_name.insert(id, revision));
        }
        let gone = gone.iter().filter_map(|id| self.by_name.remove(id));
        old.extend(gone.map(|(_, revision)| revision));
        self.settle_lone();
        // Last: what leads elsewhere by now does not lead to them any more.
        for old in &old {
            self.forget(old);
        }
    }

    /// These are the doors, by their port numbers. One that stays leads somewhere all the time.
    pub fn set_doors(&self, doors: &BTreeMap<u16, Lead>) {
        for (number, lead) in doors {
            self.by_port.insert(*number, lead.clone());
        }
        self.by_port.retain(|number, _| doors.contains_key(number));
    }

    /// Who is behind the door of a port number.
    #[must_use]
    pub fn by_port(&self, number: u16) -> Behind<C> {
        let lead = self.by_port.get(&number).map(|lead| lead.clone());
        match lead {
            Some(Lead::To(id)) => self.by_name(&id).map_or(Behind::Nobody, Behind::Revision),
            Some(Lead::ByHost) => Behind::Everybody,
            None => Behind::Nobody,
        }
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
        if self.exact {
            return None;
        }
        self.lone.read().clone()
    }

    /// From now on whoever asks needs one of these keys; without any, nobody does.
    pub fn set_keys(&self, keys: Arc<Keyring>) {
        let locked = !keys.is_empty();
        *self.keys.write() = keys;
        self.locked.store(locked, Ordering::Release);
    }

    /// The keys of which everybody needs one; `None` where nobody does.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<Keyring>> {
        if !self.locked.load(Ordering::Acquire) {
            return None;
        }
        let keys = Arc::clone(&self.keys.read());
        (!keys.is_empty()).then_some(keys)
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

    /// Drops the names that still lead to `old`.
    fn forget(&self, old: &Arc<Revision<C>>) {
        let leads_to_it = |found: &Arc<Revision<C>>| Arc::ptr_eq(found, old);
        for host in &old.spec.hosts {
            self.by_host.remove_if(host, |_, found| leads_to_it(found));
        }
        for model in &old.spec.models {
            self.by_model
                .remove_if(model, |_, found| leads_to_it(found));
        }
    }

    fn settle_lone(&self) {
        let lone = !self.exact && self.by_name.len() == 1;
        let only = lone.then(|| self.by_name.iter().next().map(|entry| Arc::clone(&entry)));
        *self.lone.write() = only.flatten();
    }
}
