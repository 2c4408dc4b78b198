//! What in a namespace wants to be a revision, and what stands in its way.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Key;
use super::facts::{InferenceService, Labels, Part, Platform, Route, Service, Steerer, Word};
use super::names::{self, Draft};
use super::routes::{Routes, shortest};
use super::space::{Entry, Owned, Space};
use crate::backend::kubernetes::claim::{Claim, Component, Obstacle, Remark, Settings};
use crate::backend::kubernetes::objects::{ObjectRef, Port, Workload};
use crate::backend::kubernetes::read::{ENABLED, group_of, is_inference_service};
use crate::revision::RevisionId;

/// A claim, and the workload that its revision has.
pub(super) struct Stand {
    pub(super) claim: Arc<Claim>,
    pub(super) workload: Option<Key>,
}

/// What of the rest of the cluster matters to a namespace.
pub(super) struct Surroundings<'a> {
    pub(super) namespace: &'a Arc<str>,
    pub(super) platform: &'a Platform,
    pub(super) routes: &'a Routes,
}

/// All claims of a namespace, each under a name of its own.
pub(super) fn of(space: &Space, around: &Surroundings<'_>) -> BTreeMap<RevisionId, Stand> {
    let look = Look::new(space, around);
    let mut drafts = Vec::new();
    for owned in space.inference_services.values() {
        if owned.fact.word != Word::Refused {
            let parts = owned.fact.parts.iter();
            drafts.extend(parts.filter_map(|part| look.component(owned, part)));
        }
    }
    let workloads = space.workloads.iter();
    drafts.extend(workloads.filter_map(|(key, entry)| look.workload(key, entry)));
    names::name(around.namespace, drafts)
}

/// A namespace, arranged so that what belongs to a claim is found at once.
struct Look<'a> {
    platform: &'a Platform,
    made: HashMap<&'a str, Vec<(&'a Key, &'a Entry)>>,
    services: HashMap<(&'a str, &'a str), Vec<(&'a str, &'a Service)>>,
    made_services: HashMap<&'a str, Vec<(&'a str, &'a Service)>>,
    steerers: HashMap<(&'a str, &'a str), Vec<&'a Steerer>>,
    owned: HashMap<&'a str, &'a Owned>,
    routes_by_owner: HashMap<&'a str, Vec<&'a Route>>,
    routes_by_service: HashMap<&'a str, Vec<(&'a Route, Duration)>>,
}

impl<'a> Look<'a> {
    fn new(space: &'a Space, around: &Surroundings<'a>) -> Self {
        let mut look = Look {
            platform: around.platform,
            made: HashMap::new(),
            services: HashMap::new(),
            made_services: HashMap::new(),
            steerers: HashMap::new(),
            owned: HashMap::new(),
            routes_by_owner: HashMap::new(),
            routes_by_service: HashMap::new(),
        };
        for (key, entry) in &space.workloads {
            if let Some(owner) = &entry.workload.owner {
                look.made.entry(&owner.uid).or_default().push((key, entry));
            }
        }
        for (key, service) in &space.services {
            let named = (&*key.1, service);
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
        look.add_routes(around);
        look
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

    /// One component of an `InferenceService`, where it is ours or somebody thinks so.
    fn component(&self, owned: &Owned, part: &Part) -> Option<Draft> {
        let fact = &owned.fact;
        let obstacle = self.estranged(fact, part);
        if obstacle.is_some() && fact.word != Word::Ours && !owned.was_ours {
            return None;
        }
        let made = self.made_for(fact, part);
        let obstacle = obstacle
            .or_else(|| fact.stopped.then_some(Obstacle::Stopped))
            .or_else(|| self.steered(&made?.1.workload));
        let mut services = made
            .map(|(_, entry)| self.leading_to(entry))
            .unwrap_or_default();
        services.extend(self.made_services(fact, part, made.map(|(_, entry)| entry)));
        let remarks = self.remarks(Some(&fact.at), &services);
        let name = made.map_or_else(|| part.expected.as_str().into(), |(key, _)| key.1.clone());
        Some(Draft {
            name,
            kind: fact.at.kind.clone(),
            workload: made.map(|(key, _)| key.clone()),
            claim: Claim {
                revision: RevisionId::new(""),
                owner: fact.at.clone(),
                created: fact.created,
                settings: Settings::InferenceService(fact.document.clone(), part.component),
                template: made.map(|(_, entry)| entry.template.clone()),
                services,
                obstacle,
                remarks,
            },
        })
    }

    /// Why it is `KServe` that scales a component, if it does.
    fn estranged(&self, fact: &InferenceService, part: &Part) -> Option<Obstacle> {
        let mode = fact.mode.as_ref().or(self.platform.mode.as_ref());
        // What `KServe` does where nobody says anything.
        let mode = mode.map_or("Knative", String::as_str);
        if mode != "Standard" {
            return Some(Obstacle::DeploymentMode(mode.to_owned()));
        }
        let class = part.class.as_deref().unwrap_or("hpa");
        (class != "external").then(|| Obstacle::AutoscalerClass(class.to_owned()))
    }

    /// The workload that was made for a component: found by its owner, whatever it is called. Of
    /// several, one that stays; then the usual name, then the oldest.
    fn made_for(&self, fact: &InferenceService, part: &Part) -> Option<(&'a Key, &'a Entry)> {
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

    /// A workload that opts in itself. One that was made for an `InferenceService` is that one's
    /// affair, also where it has not been heard of yet.
    fn workload(&self, key: &Key, entry: &Entry) -> Option<Draft> {
        let workload = &entry.workload;
        if workload.annotations.get(ENABLED).map(String::as_str) != Some("true") {
            return None;
        }
        if let Some(owner) = workload
            .owner
            .as_ref()
            .filter(|owner| is_inference_service(owner))
        {
            let owned = self.owned.get(&*owner.uid)?;
            if owned
                .fact
                .parts
                .iter()
                .any(|part| self.component(owned, part).is_some())
            {
                return None;
            }
        }
        let services = self.leading_to(entry);
        Some(Draft {
            name: key.1.clone(),
            kind: workload.at.kind.clone(),
            workload: Some(key.clone()),
            claim: Claim {
                revision: RevisionId::new(""),
                owner: workload.at.clone(),
                created: workload.created,
                settings: Settings::Workload(Arc::new(json!({
                    "apiVersion": &*workload.at.api_version,
                    "kind": &*workload.at.kind,
                    "metadata": {
                        "name": &*workload.at.name,
                        "namespace": &*workload.at.namespace,
                        "annotations": workload.annotations,
                    },
                }))),
                template: Some(entry.template.clone()),
                obstacle: self.steered(workload),
                remarks: self.remarks(None, &services),
                services,
            },
        })
    }

    /// Who else changes its number of replicas. What made the others is named before them: KEDA and
    /// Knative have a `HorizontalPodAutoscaler` do it.
    fn steered(&self, workload: &Workload) -> Option<Obstacle> {
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
    fn leading_to(&self, entry: &Entry) -> BTreeMap<String, Vec<Port>> {
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

    /// The Services that were made for a component, also while they lead elsewhere.
    fn made_services(
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

    /// The routes that were made for its owner, or lead to one of its Services.
    fn remarks(&self, owner: Option<&ObjectRef>, to: &BTreeMap<String, Vec<Port>>) -> Vec<Remark> {
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
