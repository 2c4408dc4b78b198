//! Our own `EndpointSlices`: which number is whose, and where the gateways listen for the Services of a
//! claim.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use super::facts::Service;
use super::{Key, SourceId};
use crate::backend::kubernetes::claim::ServiceDoor;
use crate::backend::kubernetes::doors::facts::{Place, SliceView};

/// All of them, by namespace and name.
#[derive(Default)]
pub(super) struct Slices {
    all: BTreeMap<(Arc<str>, Key), Arc<SliceView>>,
    /// Whose a number is: of two slices that have it, the older one's.
    held: HashMap<u16, (SystemTime, Arc<str>)>,
}

/// What is different about a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Nothing.
    None,
    /// Who is to be found there: it comes and goes with every pod that is the first or the last.
    Rest,
    /// Whose numbers are where.
    Numbers,
}

impl Slices {
    /// What that changes.
    pub(super) fn put(&mut self, namespace: Arc<str>, key: Key, slice: SliceView) -> Difference {
        let at = (namespace, key);
        let doors = |it: &SliceView| {
            (
                it.service.clone(),
                it.ports.clone(),
                it.created,
                it.at.clone(),
            )
        };
        let difference = match self.all.get(&at) {
            Some(known) if **known == slice => return Difference::None,
            Some(known) if doors(known) == doors(&slice) => Difference::Rest,
            _ => Difference::Numbers,
        };
        self.all.insert(at, Arc::new(slice));
        if difference == Difference::Numbers {
            self.hold();
        }
        difference
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, namespace: &Arc<str>, key: &Key) -> bool {
        let gone = self.all.remove(&(namespace.clone(), key.clone())).is_some();
        if gone {
            self.hold();
        }
        gone
    }

    /// Everything that one watch has told of.
    pub(super) fn names_of(&self, source: SourceId) -> impl Iterator<Item = (Arc<str>, Arc<str>)> {
        let keys = self.all.keys().filter(move |(_, key)| key.0 == source);
        keys.map(|(namespace, key)| (namespace.clone(), key.1.clone()))
    }

    /// By the Service that they belong to; of several, the oldest.
    pub(super) fn by_service(&self) -> BTreeMap<Place, Arc<SliceView>> {
        let mut all: Vec<_> = self.all.values().collect();
        all.sort_by_key(|slice| std::cmp::Reverse((slice.created, slice.at.uid.clone())));
        let at = |slice: &&Arc<SliceView>| (slice.at.namespace.clone(), slice.service.clone());
        all.into_iter()
            .map(|slice| (at(&slice), slice.clone()))
            .collect()
    }

    /// Where the gateways listen for callers of a Service. A number that an older slice has is not its
    /// own.
    pub(super) fn doors(&self, namespace: &str, name: &str, service: &Service) -> Vec<ServiceDoor> {
        let of_it =
            |slice: &&Arc<SliceView>| *slice.at.namespace == *namespace && *slice.service == *name;
        let by_host = service.view.headless;
        let door = |slice: &SliceView| {
            let age = (slice.created, slice.at.uid.clone());
            let ports = slice.ports.iter();
            let own = ports.filter(|port| by_host || self.held.get(&port.number) == Some(&age));
            let door = own.map(|port| ServiceDoor {
                service: name.into(),
                port_name: port.name.clone(),
                number: port.number,
                by_host,
            });
            door.collect::<Vec<_>>()
        };
        let oldest = self
            .all
            .values()
            .filter(of_it)
            .min_by_key(|it| (it.created, &it.at.uid));
        oldest.map(|slice| door(slice)).unwrap_or_default()
    }

    fn hold(&mut self) {
        self.held.clear();
        for slice in self.all.values() {
            let age = (slice.created, slice.at.uid.clone());
            for port in &slice.ports {
                let holder = self.held.entry(port.number).or_insert_with(|| age.clone());
                if age < *holder {
                    holder.clone_from(&age);
                }
            }
        }
    }
}
