//! What in a namespace wants to be a revision, and what stands in its way.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::Key;
use super::facts::{InferenceService, Part, Platform, Word};
use super::look::Look;
use super::names::{self, Draft};
use super::routes::Routes;
use super::slices::Slices;
use super::space::{Entry, Owned, Space};
use crate::backend::kubernetes::claim::{Claim, Obstacle, Settings};
use crate::backend::kubernetes::objects::{ObjectRef, Workload};
use crate::backend::kubernetes::read::{ENABLED, EXTERNAL, is_inference_service};
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
    pub(super) slices: &'a Slices,
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

impl Look<'_> {
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
                doors: self.doors(&services),
                spoken: self.spoken(&services),
                shared: self.shared(&services),
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
        (class != EXTERNAL).then(|| Obstacle::AutoscalerClass(class.to_owned()))
    }

    /// A workload that opts in itself, and is nobody else's affair.
    fn workload(&self, key: &Key, entry: &Entry) -> Option<Draft> {
        let workload = &entry.workload;
        if workload.annotations.get(ENABLED).map(String::as_str) != Some("true") {
            return None;
        }
        if workload
            .owner
            .as_ref()
            .is_some_and(|it| self.answers_for(it))
        {
            return None;
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
                settings: settings(workload),
                template: Some(entry.template.clone()),
                obstacle: self.steered(workload),
                remarks: self.remarks(None, &services),
                doors: self.doors(&services),
                spoken: self.spoken(&services),
                shared: self.shared(&services),
                services,
            },
        })
    }

    /// What it made is its own affair, annotations and all. What an `InferenceService` made is, also where
    /// that has not been heard of yet; a controller hands its annotations down, a Deployment to its
    /// `ReplicaSets`.
    fn answers_for(&self, owner: &ObjectRef) -> bool {
        if is_inference_service(owner) {
            return self.owned.get(&*owner.uid).is_none_or(|owned| {
                let mut parts = owned.fact.parts.iter();
                parts.any(|part| self.component(owned, part).is_some())
            });
        }
        self.workloads.contains(&*owner.uid)
    }
}

/// Its annotations are its settings.
fn settings(workload: &Workload) -> Settings {
    Settings::Workload(Arc::new(json!({
        "apiVersion": &*workload.at.api_version,
        "kind": &*workload.at.kind,
        "metadata": {
            "name": &*workload.at.name,
            "namespace": &*workload.at.namespace,
            "annotations": workload.annotations,
        },
    })))
}
