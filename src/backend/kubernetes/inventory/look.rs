//! A namespace arranged by what somebody looks for in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::Key;
use super::claims::Surroundings;
use super::facts::{InferenceService, Labels, Part, Platform, Route, Service, Steerer};
use super::routes::shortest;
use super::slices::Slices;
use super::space::{Entry, Owned, Space};
use crate::backend::kubernetes::claim::{Component, Obstacle, Remark, ServiceDoor};
use crate::backend::kubernetes::doors::Spoken;
use crate::backend::kubernetes::objects::{ObjectRef, Port, Workload};
use crate::backend::kubernetes::read::group_of;

/// A namespace, arranged so that what belongs to a claim is found at once.
pub(super) struct Look<'a> {
    pub(super) platform: &'a Platform,
    namespace: &'a str,
    slices: &'a Slices,
    /// The UIDs of all of them.
    pub(super) workloads: HashSet<&'a str>,
    made: HashMap<&'a str, Vec<(&'a Key, &'a Entry)>>,
    services: HashMap<(&'a str, &'a str), Vec<(&'a str, &'a Service)>>,
    /// To how many workloads a Service leads, by name.
    leads: HashMap<String, u32>,
    made_services: HashMap<&'a str, Vec<(&'a str, &'a Service)>>,
    by_name: HashMap<&'a str, &'a Service>,
    steerers: HashMap<(&'a str, &'a str), Vec<&'a Steerer>>,
    pub(super) owned: HashMap<&'a str, &'a Owned>,
    routes_by_owner: HashMap<&'a str, Vec<&'a Route>>,
    routes_by_service: HashMap<&'a str, Vec<(&'a Route, Duration)>>,
}

impl<'a> Look<'a> {
    pub(super) fn new(space: &'a Space, around: &Surroundings<'a>) -> Self {
        let mut look = Look {
            platform: around.platform,
            namespace: around.namespace,
            slices: around.slices,
            by_name: HashMap::new(),
            workloads: HashSet::new(),
            made: HashMap::new(),
            services: HashMap::new(),
            leads: HashMap::new(),
            made_services: HashMap::new(),
            steerers: HashMap::new(),
            owned: HashMap::new(),
            routes_by_owner: HashMap::new(),
            routes_by_service: HashMap::new(),
        };
        for (key, entry) in &space.workloads {
            look.workloads.insert(&entry.workload.at.uid);
            if let Some(owner) = &entry.workload.owner {
                look.made.entry(&owner.uid).or_default().push((key, entry));
            }
        }
        for (key, service) in &space.services {
            let named = (&*key.1, service);
            look.by_name.insert(&key.1, service);
            if let Some((label, value)) = service.selector.first_key_value() {
                look.services.entry((label, value)).or_default().push(named);
            }
            if let Some(owner) = &service.owner {
                look.made_services.entry(owner).or_default().push(named);
            }
        }
        for steerer in space.steerers.values() {
            let target = (&*steerer.kind, &*steerer.name);
            look.steerers.entry(target).or_default().push(steerer);
        }
        for owned in space.inference_services.values() {
            look.owned.insert(&owned.fact.at.uid, owned);
        }
        look.count_leads(space);
        look.add_routes(around);
        look
    }

    fn count_leads(&mut self, space: &'a Space) {
        for entry in space.workloads.values() {
            // What a workload makes has its labels.
            let owner = entry.workload.owner.as_ref();
            let is_made = owner.is_some_and(|owner| self.workloads.contains(&*owner.uid));
            if is_made || entry.workload.terminating {
                continue;
            }
            for name in self.leading_to(entry).into_keys() {
                *self.leads.entry(name).or_default() += 1;
            }
        }
    }

    fn add_routes(&mut self, around: &Surroundings<'a>) {
        for route in around.routes.iter() {
            if let Some(owner) = &route.owner {
                self.routes_by_owner.entry(owner).or_default().push(route);
            }
            for leg in &route.legs {
                for (_, service) in leg.to.iter().filter(|(at, _)| at == around.namespace) {
                    let routes = self.routes_by_service.entry(service).or_default();
                    routes.push((route, leg.timeout));
                }
            }
        }
    }

    /// The workload that was made for a component: found by its owner, whatever it is called. Of
    /// several, one that stays; then the usual name, then the oldest.
    pub(super) fn made_for(
        &self,
        fact: &InferenceService,
        part: &Part,
    ) -> Option<(&'a Key, &'a Entry)> {
        let made = self.made.get(&*fact.at.uid)?.iter().copied();
        let of_part = made.filter(|(_, entry)| says(&entry.workload.labels, part.component));
        of_part.min_by_key(|(key, entry)| {
            let workload = &entry.workload;
            (
                workload.terminating,
                *key.1 != *part.expected,
                workload.created,
                workload.at.uid.clone(),
            )
        })
    }

    /// Who else changes its number of replicas. What made the others is named before them: KEDA and
    /// Knative have a `HorizontalPodAutoscaler` do it.
    pub(super) fn steered(&self, workload: &Workload) -> Option<Obstacle> {
        let steerers = self
            .steerers
            .get(&(&*workload.at.kind, &*workload.at.name))?;
        let group = group_of(&workload.at.api_version);
        let this = steerers
            .iter()
            .filter(|it| it.group.as_deref().is_none_or(|of| of == group));
        let first = this.min_by_key(|it| (&*it.at.kind == "HorizontalPodAutoscaler", &it.at))?;
        Some(Obstacle::SteeredBy(first.at.clone()))
    }

    /// The Services whose selector matches the pods of a workload.
    pub(super) fn leading_to(&self, entry: &Entry) -> BTreeMap<String, Vec<Port>> {
        let labels = &entry.template.labels;
        let found = labels
            .iter()
            .filter_map(|(name, value)| self.services.get(&(name.as_str(), value.as_str())));
        let matching = found.flatten().filter(|(_, service)| {
            service
                .selector
                .iter()
                .all(|(name, value)| labels.get(name) == Some(value))
        });
        matching
            .map(|(name, service)| ((*name).to_owned(), service.ports.clone()))
            .collect()
    }

    /// Those of these Services that lead to several workloads.
    pub(super) fn shared(&self, services: &BTreeMap<String, Vec<Port>>) -> BTreeSet<String> {
        let is_shared = |name: &&String| self.leads.get(name.as_str()).is_some_and(|to| *to > 1);
        services.keys().filter(is_shared).cloned().collect()
    }

    /// The Services that were made for a component, also while they lead elsewhere.
    pub(super) fn made_services(
        &self,
        fact: &InferenceService,
        part: &Part,
        entry: Option<&Entry>,
    ) -> Vec<(String, Vec<Port>)> {
        let app = entry.and_then(|entry| entry.template.labels.get("app"));
        let made = self.made_services.get(&*fact.at.uid).into_iter().flatten();
        let of_part = made.filter(|(_, service)| {
            let same_app = app.is_some() && service.selector.get("app") == app;
            same_app || service.component.as_deref() == Some(part.component.as_str())
        });
        of_part
            .map(|(name, service)| ((*name).to_owned(), service.ports.clone()))
            .collect()
    }

    /// Where the gateways listen for callers of these Services.
    pub(super) fn doors(&self, services: &BTreeMap<String, Vec<Port>>) -> Vec<ServiceDoor> {
        let known = services.keys().filter_map(|name| {
            let service = self.by_name.get(name.as_str())?;
            Some(self.slices.doors(self.namespace, name, service))
        });
        known.flatten().collect()
    }

    /// What the ports of these Services say is spoken where they lead to.
    pub(super) fn spoken(&self, services: &BTreeMap<String, Vec<Port>>) -> Vec<Spoken> {
        let names = services.keys();
        let known = names.filter_map(|name| self.by_name.get(name.as_str()));
        let ports = known.flat_map(|service| &service.view.ports);
        ports.filter_map(Spoken::at).collect()
    }

    /// The routes that were made for its owner, or lead to one of its Services.
    pub(super) fn remarks(
        &self,
        owner: Option<&ObjectRef>,
        to: &BTreeMap<String, Vec<Port>>,
    ) -> Vec<Remark> {
        let owner = owner.and_then(|owner| self.routes_by_owner.get(&*owner.uid));
        let by_owner = owner.into_iter().flatten();
        let by_owner = by_owner.filter_map(|route| Some((*route, shortest(route.legs.iter())?)));
        let by_service = to
            .keys()
            .filter_map(|name| self.routes_by_service.get(name.as_str()));
        let mut routes = BTreeMap::<&ObjectRef, Duration>::new();
        for (route, timeout) in by_owner.chain(by_service.flatten().copied()) {
            let known = routes.entry(&route.at).or_insert(timeout);
            *known = timeout.min(*known);
        }
        let remark = |(route, timeout): (&ObjectRef, Duration)| Remark {
            route: route.clone(),
            timeout,
        };
        routes.into_iter().map(remark).collect()
    }
}

/// Whether something was made for a component.
fn says(labels: &Labels, component: Component) -> bool {
    labels.get("component").map(String::as_str) == Some(component.as_str())
}
