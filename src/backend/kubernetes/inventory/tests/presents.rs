//! What is present of a revision.

use std::collections::BTreeSet;

use super::super::{Change, Changed, Inventory, Source, SourceId, Stale, Tells};
use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::claim::Component;
use crate::backend::kubernetes::objects::Present;
use crate::revision::RevisionId;

fn uids(present: &Present) -> Vec<&str> {
    present.pods.iter().map(|pod| &*pod.uid).collect()
}

fn stale(names: &[&str]) -> Stale {
    Stale::Some(
        names
            .iter()
            .map(|name| RevisionId::new(*name))
            .collect::<BTreeSet<_>>(),
    )
}

#[test]
fn its_pods_are_those_that_its_selector_matches_oldest_first() {
    let mut inventory = inventory();
    inventory.put(PODS, pod("c", "flowers", "3", 30));
    inventory.put(PODS, pod("a", "flowers", "1", 10));
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(PODS, pod("b", "flowers", "2", 20));
    inventory.put(PODS, pod("x", "roses", "9", 1));
    let mut elsewhere = pod("y", "flowers", "8", 1);
    elsewhere.namespace = "other".into();
    inventory.put(PODS, elsewhere);
    assert_eq!(
        uids(&inventory.presence("flowers.default")),
        ["1", "2", "3"]
    );
    inventory.lose(PODS, "b");
    assert_eq!(uids(&inventory.presence("flowers.default")), ["1", "3"]);
}

#[test]
fn a_pod_that_came_back_under_its_name_is_another() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("StatefulSet", "flowers"));
    inventory.put(PODS, pod("flowers-0", "flowers", "old", 1));
    inventory.put(PODS, pod("flowers-0", "flowers", "new", 2));
    assert_eq!(uids(&inventory.presence("flowers.default")), ["new"]);
}

#[test]
fn a_pod_whose_labels_change_changes_its_workload() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put_workload(enabled("Deployment", "roses"));
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    inventory.settle();
    inventory.put(PODS, pod("p", "roses", "1", 1));
    let changed = inventory.settle();
    assert_eq!(
        changed.presents,
        stale(&["flowers.default", "roses.default"])
    );
    assert!(uids(&inventory.presence("flowers.default")).is_empty());
    assert_eq!(uids(&inventory.presence("roses.default")), ["1"]);
}

#[test]
fn only_what_has_changed_is_told() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put_workload(enabled("Deployment", "roses"));
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    inventory.settle();
    inventory.put(PODS, pod("p", "flowers", "1", 1));
    inventory.put(PODS, pod("stranger", "else", "2", 1));
    inventory.put_workload(enabled("Deployment", "roses"));
    assert_eq!(inventory.settle(), Changed::default());
    inventory.put(PODS, pod("p", "flowers", "3", 2));
    assert_eq!(inventory.settle().presents, stale(&["flowers.default"]));
}

#[test]
fn a_listing_lets_go_what_is_not_in_it() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(PODS, pod("a", "flowers", "1", 1));
    inventory.put(PODS, pod("b", "flowers", "2", 2));
    inventory.take(
        PODS,
        Change::Listed(vec![
            pod("b", "flowers", "2", 2),
            pod("c", "flowers", "3", 3),
        ]),
    );
    assert_eq!(uids(&inventory.presence("flowers.default")), ["2", "3"]);
    inventory.take(DEPLOYMENTS, Change::Listed(Vec::new()));
    assert!(inventory.names().is_empty());
    assert_eq!(inventory.presence("flowers.default").workload, None);
}

#[test]
fn a_listing_lets_go_routes_and_settings_too() {
    let mut inventory = inventory();
    let own = ("holdgate-system", "holdgate-gateway", 60);
    inventory.put(OTHERS, route("in", None, &[own]));
    inventory.put(PLATFORM, platform("ml.example", "Standard"));
    inventory.settle();
    inventory.take(OTHERS, Change::Listed(Vec::new()));
    inventory.take(PLATFORM, Change::Listed(Vec::new()));
    let changed = inventory.settle();
    assert!(changed.entrances && changed.domain);
    assert!(inventory.entrances().is_empty());
    assert_eq!(inventory.domain(), None);
}

#[test]
fn it_is_fresh_while_its_pods_and_its_workload_are_heard_of() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    let mut fresh_without = |source| {
        inventory.take(source, Change::Heard(false));
        let fresh = inventory.presence("flowers.default").fresh;
        inventory.take(source, Change::Heard(true));
        assert!(inventory.presence("flowers.default").fresh);
        fresh
    };
    assert!(!fresh_without(PODS));
    assert!(!fresh_without(DEPLOYMENTS));
    assert!(fresh_without(SETS), "it is no StatefulSet");
    assert!(fresh_without(OTHERS));
}

#[test]
fn what_is_not_heard_of_one_namespace_says_nothing_of_another() {
    let sources = ["default", "other"].map(|namespace| Source {
        tells: Tells::Pods,
        namespace: Some(namespace.into()),
    });
    let mut inventory = Inventory::new(sources.to_vec(), None);
    inventory.take(SourceId(0), Change::Heard(true));
    assert!(inventory.presence("flowers.default").fresh);
    assert!(!inventory.presence("flowers.other").fresh);
}

#[test]
fn a_revision_is_present_before_and_after_its_workload() {
    let mut inventory = inventory();
    inventory.put_isvc(inference_service("ext"));
    inventory.put(PODS, pod("p", "ext-predictor", "1", 1));
    let before = inventory.presence("ext-predictor.default");
    assert_eq!(
        (before.workload, before.pods.len(), before.fresh),
        (None, 0, true)
    );
    inventory.put_workload(made(
        "ext-predictor",
        Component::Predictor,
        &inference_service("ext"),
    ));
    assert_eq!(
        inventory.settle().presents,
        stale(&["ext-predictor.default"])
    );
    assert_eq!(uids(&inventory.presence("ext-predictor.default")), ["1"]);
    inventory.lose(DEPLOYMENTS, "ext-predictor");
    assert_eq!(
        inventory.settle().presents,
        stale(&["ext-predictor.default"])
    );
    assert!(inventory.presence("ext-predictor.default").pods.is_empty());
    inventory.lose(OTHERS, "ext");
    assert!(inventory.names().is_empty());
}
