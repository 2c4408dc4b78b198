//! Whatever is heard of in whatever order: the same objects give the same claims and presents.

use proptest::prelude::*;

use super::super::facts::{Fact, Matter, Word};
use super::super::{Change, Inventory, Named, SourceId};
use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::claim::{Claims, Component};
use crate::backend::kubernetes::objects::{Present, Workload};

/// Objects that are in each other's way in every way that is known.
fn objects() -> Vec<(SourceId, Named)> {
    let (ext, hpa) = (
        inference_service("ext"),
        with_class("mine", Some("hpa"), Word::Ours),
    );
    let both = Workload {
        annotations: enabled("Deployment", "x").annotations,
        ..made("ext-predictor", Component::Predictor, &ext)
    };
    let younger = Workload {
        created: moment(20),
        ..enabled("Deployment", "flowers")
    };
    let foreign = Workload {
        created: moment(1),
        ..enabled("StatefulSet", "ext-predictor")
    };
    let isvc = |fact: &super::super::facts::InferenceService| {
        (
            OTHERS,
            named(&fact.at.name, Fact::InferenceService(fact.clone())),
        )
    };
    let workload = |it: Workload| {
        let source = if &*it.at.kind == "StatefulSet" {
            SETS
        } else {
            DEPLOYMENTS
        };
        (
            source,
            named(&it.at.name.clone(), Fact::Workload(Box::new(it))),
        )
    };
    let hpa_of = steerer("HorizontalPodAutoscaler", "h", "flowers");
    vec![
        isvc(&ext),
        isvc(&hpa),
        workload(both),
        workload(younger),
        workload(foreign),
        workload(enabled("StatefulSet", "flowers")),
        (OTHERS, hpa_of),
        (OTHERS, service("s", &[("app", "flowers")], None)),
        (
            OTHERS,
            service(
                "ext-predictor",
                &[("app", "ext-predictor")],
                Some("isvc-ext"),
            ),
        ),
        (
            OTHERS,
            route("r", Some("isvc-ext"), &[("default", "s", 60)]),
        ),
        (PLATFORM, platform("ml.example", "Standard")),
        (PODS, pod("p1", "flowers", "1", 1)),
        (PODS, pod("p2", "flowers", "2", 1)),
        (PODS, pod("p3", "ext-predictor", "3", 2)),
        (WORDS, said("1", Matter::NodeComes, "TriggeredScaleUp", 100)),
        (
            WORDS,
            said("1", Matter::NoNodeComes, "NotTriggerScaleUp", 90),
        ),
        (WORDS, said("1", Matter::NodeComes, "Nominated", 90)),
        (WORDS, said("3", Matter::Volume, "FailedMount", 80)),
        (
            WORDS,
            said("StatefulSet-flowers", Matter::Making, "FailedCreate", 70),
        ),
        (
            WORDS,
            said("Deployment-flowers", Matter::Making, "FailedCreate", 60),
        ),
    ]
}

/// The UID of what comes and goes with what was said of it.
fn uid(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Pod(pod) => Some(&pod.view.uid),
        Fact::Workload(workload) => Some(&workload.at.uid),
        _ => None,
    }
}

/// One of all is gone; what was said stays said, but for what was said of it.
fn lose(all: &[(SourceId, Named)], there: &mut [bool], it: usize) {
    let (source, Named { fact, .. }) = &all[it];
    if *source == WORDS || !there[it] {
        return;
    }
    there[it] = false;
    for (at, (_, other)) in all.iter().enumerate() {
        if matches!(&other.fact, Fact::Said(said) if uid(fact) == Some(&said.about)) {
            there[at] = false;
        }
    }
}

/// What is told: the object of a place is put, taken away, or everything is listed again.
#[derive(Clone, Copy, Debug)]
enum Told {
    Put(usize),
    Gone(usize),
    Listed(usize),
    Settle,
}

fn told() -> impl Strategy<Value = Told> {
    let place = 0..objects().len();
    prop_oneof![
        4 => place.clone().prop_map(Told::Put),
        2 => place.prop_map(Told::Gone),
        1 => (0..6_usize).prop_map(Told::Listed),
        1 => Just(Told::Settle),
    ]
}

fn seen(inventory: &mut Inventory) -> (Claims, Vec<Present>) {
    inventory.settle();
    let claims = (**inventory.claims()).clone();
    let presents = claims
        .keys()
        .map(|revision| inventory.present(revision))
        .collect();
    (claims, presents)
}

proptest! {
    #[test]
    fn the_same_objects_give_the_same_claims(
        history in prop::collection::vec(told(), 0..60),
        order in Just((0..objects().len()).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let all = objects();
        let mut there = vec![false; all.len()];
        let mut lived = inventory();
        for told in history {
            match told {
                Told::Put(it) => {
                    there[it] = true;
                    lived.take(all[it].0, Change::Put(Box::new(all[it].1.clone())));
                }
                Told::Gone(it) => {
                    lose(&all, &mut there, it);
                    let Named { namespace, name, .. } = all[it].1.clone();
                    lived.take(all[it].0, Change::Gone(namespace, name));
                    // One of the same source and name, of another kind, cannot be told apart.
                    for (at, (source, other)) in all.iter().enumerate() {
                        if *source == all[it].0 && other.name == all[it].1.name {
                            lose(&all, &mut there, at);
                        }
                    }
                }
                Told::Listed(source) => {
                    let source = SourceId(source);
                    let listed = all.iter().zip(&there).filter(|((at, _), is)| *at == source && **is);
                    let listed = listed.map(|((_, named), _)| named.clone()).collect();
                    lived.take(source, Change::Listed(listed));
                }
                Told::Settle => {
                    lived.settle();
                }
            }
        }
        let mut fresh = inventory();
        for at in order.into_iter().filter(|at| there[*at]) {
            fresh.take(all[at].0, Change::Put(Box::new(all[at].1.clone())));
        }
        prop_assert_eq!(seen(&mut lived), seen(&mut fresh));
    }
}
