//! Who is there: revisions by host, by model, and the one that takes everything else.
//!
//! `DashMap` lives here only. A reload replaces whole entries; a request keeps the entry it found.

use std::collections::HashSet;
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
    /// Nobody is the lone one.
    exact: bool,
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
            exact: false,
            unrouted: Stats::new(),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::revision::{
        ContainerConcurrency, OnDisconnect, OverloadStatus, QueueLimits, Timeouts, samples,
    };

    fn revision(name: &str, hosts: &[&str], models: &[&str]) -> Revision<()> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let queue = QueueLimits {
            max_requests: 1,
            max_bytes: 1,
            timeout: Duration::from_secs(1),
            cold_timeout: Duration::from_secs(1),
            read_ahead: 1,
        };
        let container_concurrency = ContainerConcurrency::UNLIMITED;
        let spec = RevisionSpec {
            id: RevisionId::new(name),
            hosts: owned(hosts),
            models: owned(models),
            container_concurrency,
            scaling: samples::scaling(),
            queue,
            timeouts: Timeouts {
                total: None,
                stream: None,
                idle: None,
                connect: Duration::from_secs(1),
                first_byte: None,
            },
            max_body_bytes: None,
            overload_status: OverloadStatus::TooManyRequests,
            on_disconnect: OnDisconnect::Auto,
            path: crate::revision::CallerPath::Host,
        };
        let throttler = Throttler::new(container_concurrency, queue);
        Revision {
            spec,
            throttler,
            stats: Arc::new(Stats::new()),
        }
    }

    fn name(found: Option<Arc<Revision<()>>>) -> Option<String> {
        found.map(|revision| revision.spec.id.to_string())
    }

    #[tokio::test]
    async fn a_host_that_moves_leads_to_its_new_revision() {
        let registry = Registry::default();
        registry.set(vec![
            revision("a", &["h", "only-a"], &["m"]),
            revision("b", &[], &["n"]),
        ]);
        assert_eq!(name(registry.by_host("h")).as_deref(), Some("a"));
        assert_eq!(name(registry.lone()), None);
        registry.set(vec![revision("b", &["h"], &["m"])]);
        assert_eq!(name(registry.by_host("h")).as_deref(), Some("b"));
        assert_eq!(name(registry.by_model("m")).as_deref(), Some("b"));
        assert_eq!(name(registry.by_model("n")), None);
        assert_eq!(name(registry.by_host("only-a")), None);
        assert_eq!(name(registry.lone()).as_deref(), Some("b"));
        assert_eq!(registry.all().len(), 1);
    }

    #[test]
    fn one_revision_changes_and_the_others_are_not_touched() {
        let registry = Registry::default();
        registry.set(vec![
            revision("a", &["h", "a"], &["m"]),
            revision("b", &["b"], &[]),
            revision("c", &["c"], &[]),
        ]);
        let untouched = registry.by_host("c").expect("it is there");
        registry.insert(revision("b", &["b", "b2"], &["n"]));
        assert_eq!(name(registry.by_host("b2")).as_deref(), Some("b"));
        assert_eq!(name(registry.by_model("n")).as_deref(), Some("b"));
        registry.remove(&RevisionId::new("a"));
        for gone in ["h", "a"] {
            assert_eq!(name(registry.by_host(gone)), None);
        }
        assert_eq!(name(registry.by_model("m")), None);
        assert_eq!(name(registry.lone()), None, "two are left");
        let same = registry.by_host("c").expect("it is there");
        assert!(Arc::ptr_eq(&untouched, &same));
        registry.remove(&RevisionId::new("b"));
        assert_eq!(name(registry.lone()).as_deref(), Some("c"));
        registry.remove(&RevisionId::new("c"));
        assert_eq!(name(registry.lone()), None);
    }

    #[test]
    fn a_host_that_moves_always_leads_somewhere() {
        use std::sync::atomic::{AtomicBool, Ordering};
        for registry in [Registry::default(), Registry::exact()] {
            registry.set(vec![
                revision("a", &["h"], &[]),
                revision("b", &[], &[]),
                revision("c", &[], &[]),
            ]);
            let moves = AtomicBool::new(true);
            std::thread::scope(|scope| {
                let looks = || {
                    while moves.load(Ordering::Relaxed) {
                        assert!(registry.by_host("h").is_some(), "it leads nowhere");
                    }
                };
                let looking = scope.spawn(looks);
                for _ in 0..2_000 {
                    // From the one to the other, and from one that goes to one that comes.
                    let to_b = vec![revision("a", &[], &[]), revision("b", &["h"], &[])];
                    registry.change(to_b, &[]);
                    let to_c = vec![revision("c", &["h"], &[])];
                    registry.change(to_c, &[RevisionId::new("b")]);
                    registry.set(vec![revision("a", &["h"], &[]), revision("c", &[], &[])]);
                }
                moves.store(false, Ordering::Relaxed);
                looking.join().expect("it always led somewhere");
            });
        }
    }

    #[test]
    fn an_exact_registry_has_no_lone_revision() {
        let registry = Registry::exact();
        registry.insert(revision("a.ns", &["a.ns"], &["m"]));
        assert_eq!(name(registry.lone()), None);
        assert_eq!(name(registry.by_model("m")).as_deref(), Some("a.ns"));
        assert_eq!(name(registry.by_host("a.ns")).as_deref(), Some("a.ns"));
        registry.set(vec![revision("b.ns", &["b.ns"], &[])]);
        assert_eq!(name(registry.lone()), None);
        assert_eq!(name(registry.by_host("a.ns")), None);
        assert_eq!(name(registry.by_model("m")), None);
    }
}
