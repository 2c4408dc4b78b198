//! The routes that bound how long a request takes, and which of them lead to the gateway itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::facts::{Leg, Route};
use super::{Key, SourceId};
use crate::backend::kubernetes::claim::Entrance;

/// All of them, by namespace and name.
pub(super) struct Routes {
    /// The gateway's own Service.
    own: Option<(Arc<str>, Arc<str>)>,
    all: BTreeMap<(Arc<str>, Key), Route>,
    entrances: Arc<Vec<Entrance>>,
}

impl Routes {
    pub(super) fn new(own: Option<(Arc<str>, Arc<str>)>) -> Self {
        Self {
            own,
            all: BTreeMap::new(),
            entrances: Arc::default(),
        }
    }

    /// Whether that changes anything.
    pub(super) fn put(&mut self, namespace: Arc<str>, key: Key, route: Route) -> bool {
        let old = self.all.insert((namespace, key.clone()), route.clone());
        old.as_ref() != Some(&route)
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, namespace: &Arc<str>, key: &Key) -> bool {
        self.all.remove(&(namespace.clone(), key.clone())).is_some()
    }

    /// Everything that one watch has told of.
    pub(super) fn names_of(&self, source: SourceId) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        let keys = self.all.keys().filter(move |(_, key)| key.0 == source);
        keys.map(|(namespace, key)| (namespace.clone(), key.1.clone()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.all.values()
    }

    /// Finds those that lead to the gateway; whether they are others than before.
    pub(super) fn settle(&mut self) -> bool {
        let Some(own) = &self.own else {
            return false;
        };
        let leads = |leg: &Leg| leg.to.contains(own);
        let entrance = |route: &Route| {
            Some(Entrance {
                route: route.at.clone(),
                hostnames: route.hostnames.clone(),
                timeout: shortest(route.legs.iter().filter(|leg| leads(leg)))?,
            })
        };
        let entrances: Vec<_> = self.all.values().filter_map(entrance).collect();
        if *self.entrances == entrances {
            return false;
        }
        self.entrances = Arc::new(entrances);
        true
    }

    pub(super) fn entrances(&self) -> &Arc<Vec<Entrance>> {
        &self.entrances
    }
}

/// The shortest time that some rules grant.
pub(super) fn shortest<'a>(legs: impl Iterator<Item = &'a Leg>) -> Option<Duration> {
    legs.map(|leg| leg.timeout).min()
}
