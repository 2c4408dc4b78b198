//! What a cluster holds, as plain data: takes changes, tells which claims there are and what is
//! present of each. Level-triggered throughout: the same objects give the same claims, in whatever
//! order they were heard of.

mod change;
mod claims;
pub(super) mod facts;
mod heard;
mod index;
mod look;
mod names;
mod routes;
mod slices;
mod space;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub(super) use self::change::{Change, Changed, Named, Source, SourceId, Stale, Tells};
use self::claims::{Stand, Surroundings};
use self::facts::{Labels, Platform};
use self::routes::Routes;
use self::slices::Slices;
use self::space::Space;
use self::words::Words;
use super::claim::{Claims, Entrance};
use super::doors::facts::DoorSight;
use super::objects::Present;
use crate::revision::RevisionId;

/// An object within its namespace.
type Key = (SourceId, Arc<str>);

/// Everything that was heard of.
pub(super) struct Inventory {
    sources: Vec<(Source, bool)>,
    spaces: HashMap<Arc<str>, Space>,
    routes: Routes,
    slices: Slices,
    platform: Platform,
    claims: Arc<Claims>,
    labels: HashSet<Arc<Labels>>,
    words: Words,
    changed: Changed,
    /// Every namespace must be looked at again.
    all_dirty: bool,
}

impl Inventory {
    /// Nothing yet, about to be told by these. The gateway's own Service as namespace and name.
    pub(super) fn new(sources: Vec<Source>, own: Option<(Arc<str>, Arc<str>)>) -> Self {
        Self {
            sources: sources.into_iter().map(|source| (source, false)).collect(),
            spaces: HashMap::new(),
            routes: Routes::new(own),
            slices: Slices::default(),
            platform: Platform::default(),
            claims: Arc::default(),
            labels: HashSet::new(),
            words: Words::default(),
            changed: Changed::default(),
            all_dirty: false,
        }
    }

    pub(super) fn take(&mut self, source: SourceId, change: Change) {
        let words = self.tells(source) == Tells::Words;
        match change {
            // Nothing was unsaid.
            Change::Listed(all) if words => all.into_iter().for_each(|it| self.put(source, it)),
            Change::Gone(..) | Change::Heard(_) if words => {}
            Change::Listed(all) => self.listed(source, all),
            Change::Put(named) => self.put(source, *named),
            Change::Gone(namespace, name) => self.gone(&namespace, &(source, name)),
            Change::Heard(heard) => {
                if self.sources[source.0].1 != heard {
                    self.sources[source.0].1 = heard;
                    self.changed.presents = Stale::All;
                    self.changed.doors = true;
                }
            }
        }
    }

    /// What a watch tells of.
    pub(super) fn tells(&self, source: SourceId) -> Tells {
        self.sources[source.0].0.tells
    }

    /// Brings the claims up to date, and tells what has changed since it was last called.
    pub(super) fn settle(&mut self) -> Changed {
        let (all, platform, routes) = (self.all_dirty, &self.platform, &self.routes);
        let slices = &self.slices;
        for (namespace, space) in &mut self.spaces {
            if space.dirty || all {
                let around = Surroundings {
                    namespace,
                    platform,
                    routes,
                    slices,
                };
                let stands = claims::of(space, &around);
                replace(&mut self.changed, &mut self.claims, space, stands);
                space.dirty = false;
            }
            for key in std::mem::take(&mut space.stale) {
                if let (Stale::Some(revisions), Some(revision)) =
                    (&mut self.changed.presents, space.revisions.get(&key))
                {
                    revisions.insert(revision.clone());
                }
            }
        }
        self.all_dirty = false;
        self.spaces.retain(|_, space| !space.is_empty());
        self.changed.entrances |= self.routes.settle();
        std::mem::take(&mut self.changed)
    }

    /// What wants to be a revision, as of the last time that it settled.
    pub(super) fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    /// The routes that lead to the gateway's own Service.
    pub(super) fn entrances(&self) -> &Arc<Vec<Entrance>> {
        self.routes.entrances()
    }

    /// The domain of hosts, as `KServe`'s settings have it.
    pub(super) fn domain(&self) -> Option<String> {
        self.platform.domain.clone()
    }

    /// Every Service, and every slice of ours.
    pub(super) fn door_sight(&self) -> DoorSight {
        let services = self.spaces.iter().flat_map(|(namespace, space)| {
            let all = space.services.iter();
            all.map(|(key, it)| ((namespace.clone(), key.1.clone()), it.view.clone()))
        });
        let silent = self.sources.iter();
        let silent = silent.filter(|(source, heard)| !heard && source.tells == Tells::Doors);
        DoorSight {
            services: services.collect(),
            slices: self.slices.by_service(),
            deaf: silent.map(|(source, _)| source.namespace.clone()).collect(),
        }
    }

    /// What is there of a revision, whether or not it is claimed.
    pub(super) fn present(&self, revision: &RevisionId) -> Present {
        // A namespace has no dot in its name.
        let namespace = revision.as_str().rsplit_once('.').map_or("", |(_, it)| it);
        let entry = self
            .spaces
            .get(namespace)
            .and_then(|space| space.entry(revision));
        let hears = |tells: Tells, only: Option<SourceId>| {
            let mut sources = self.sources.iter().enumerate();
            sources.all(|(id, (source, heard))| {
                let covers = source.namespace.as_deref().is_none_or(|it| it == namespace);
                let asked = source.tells == tells && only.is_none_or(|only| only.0 == id);
                *heard || !(asked && covers)
            })
        };
        let fresh =
            hears(Tells::Pods, None) && hears(Tells::Workloads, entry.map(|(source, _)| source));
        Present {
            workload: entry.map(|(_, entry)| self.words.refused(entry)),
            pods: entry
                .map(|(_, entry)| entry.pods.values().cloned().collect())
                .unwrap_or_default(),
            fresh,
        }
    }
}

/// Puts new claims in the place of the old ones of a namespace, and notes what that changes.
fn replace(
    changed: &mut Changed,
    claims: &mut Arc<Claims>,
    space: &mut Space,
    stands: BTreeMap<RevisionId, Stand>,
) {
    let mut stale = BTreeSet::new();
    for revision in space.stands.keys().filter(|it| !stands.contains_key(it)) {
        Arc::make_mut(claims).remove(revision);
        stale.insert(revision.clone());
        changed.claims = true;
    }
    for (revision, stand) in &stands {
        let old = space.stands.get(revision);
        if old.is_none_or(|old| old.claim != stand.claim) {
            Arc::make_mut(claims).insert(revision.clone(), stand.claim.clone());
            changed.claims = true;
        }
        if old.is_none_or(|old| old.workload != stand.workload) {
            stale.insert(revision.clone());
        }
    }
    if let Stale::Some(revisions) = &mut changed.presents {
        revisions.append(&mut stale);
    }
    let revision_of = |(revision, stand): (&RevisionId, &Stand)| {
        Some((stand.workload.clone()?, revision.clone()))
    };
    space.revisions = stands.iter().filter_map(revision_of).collect();
    space.stands = stands;
}
