//! An inventory that is told of a small cluster.

use std::sync::Arc;

use super::super::facts::{Fact, InferenceService};
use super::super::{Change, Inventory, Source, SourceId, Tells};
use super::samples::named;
use crate::backend::kubernetes::claim::{Claim, Obstacle};
use crate::backend::kubernetes::objects::{Present, Workload};
use crate::revision::RevisionId;

pub(super) const PODS: SourceId = SourceId(0);
pub(super) const DEPLOYMENTS: SourceId = SourceId(1);
pub(super) const SETS: SourceId = SourceId(2);
pub(super) const OTHERS: SourceId = SourceId(3);
pub(super) const PLATFORM: SourceId = SourceId(4);
pub(super) const WORDS: SourceId = SourceId(5);

/// An inventory that hears everything.
pub(super) fn inventory() -> Inventory {
    let tells = [
        Tells::Pods,
        Tells::Workloads,
        Tells::Workloads,
        Tells::Others,
        Tells::Platform,
        Tells::Words,
    ];
    let sources: Vec<_> = tells
        .into_iter()
        .map(|tells| Source {
            tells,
            namespace: None,
        })
        .collect();
    let all = sources.len();
    let own = Some(("holdgate-system".into(), "holdgate-gateway".into()));
    let mut inventory = Inventory::new(sources, own);
    for source in 0..all {
        inventory.take(SourceId(source), Change::Heard(true));
    }
    inventory.settle();
    inventory
}

/// Everything that is told of one object in the tests.
pub(super) trait Tell {
    fn put_workload(&mut self, workload: Workload);
    fn put_isvc(&mut self, fact: InferenceService);
    fn lose(&mut self, source: SourceId, name: &str);
    fn names(&mut self) -> Vec<String>;
    fn claim(&mut self, name: &str) -> Arc<Claim>;
    fn obstacle(&mut self, name: &str) -> Option<Obstacle>;
    fn presence(&mut self, name: &str) -> Present;
}

impl Tell for Inventory {
    fn put_workload(&mut self, workload: Workload) {
        let sets = &*workload.at.kind == "StatefulSet";
        let name = workload.at.name.clone();
        let source = if sets { SETS } else { DEPLOYMENTS };
        self.put(source, named(&name, Fact::Workload(Box::new(workload))));
    }

    fn put_isvc(&mut self, fact: InferenceService) {
        let name = fact.at.name.clone();
        self.put(OTHERS, named(&name, Fact::InferenceService(fact)));
    }

    fn lose(&mut self, source: SourceId, name: &str) {
        self.take(source, Change::Gone("default".into(), name.into()));
    }

    fn names(&mut self) -> Vec<String> {
        self.settle();
        self.claims().keys().map(ToString::to_string).collect()
    }

    fn claim(&mut self, name: &str) -> Arc<Claim> {
        self.settle();
        self.claims()
            .get(&RevisionId::new(name))
            .expect("it is claimed")
            .clone()
    }

    fn obstacle(&mut self, name: &str) -> Option<Obstacle> {
        self.claim(name).obstacle.clone()
    }

    fn presence(&mut self, name: &str) -> Present {
        self.settle();
        self.present(&RevisionId::new(name))
    }
}
