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
        self.place(&Arc::new(revision));
        self.settle_lone();
    }

    /// Makes these the revisions there are. What a request finds changes from one of them to
    /// another, never to nothing in between; requests that already found one go on with it.
    pub fn set(&self, revisions: Vec<Revision<C>>) {
        let stays: Vec<RevisionId> = revisions.iter().map(|r| r.spec.id.clone()).collect();
        for revision in revisions {
            self.place(&Arc::new(revision));
        }
        let all = self.all();
        for gone in all.iter().filter(|r| !stays.contains(&r.spec.id)) {
            self.by_name.remove(&gone.spec.id);
            self.forget(gone, |_| false, |_| false);
        }
        self.settle_lone();
    }

    fn place(&self, revision: &Arc<Revision<C>>) {
        let old = self
            .by_name
            .insert(revision.spec.id.clone(), Arc::clone(revision));
        for host in &revision.spec.hosts {
            self.by_host.insert(host.clone(), Arc::clone(revision));
        }
        for model in &revision.spec.models {
            self.by_model.insert(model.clone(), Arc::clone(revision));
        }
        if let Some(old) = old {
            let keeps_host = |host: &String| revision.spec.hosts.contains(host);
            let keeps_model = |model: &String| revision.spec.models.contains(model);
            self.forget(&old, keeps_host, keeps_model);
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
}
