//! What is claimed.

use super::super::facts::{InferenceService, Word};
use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::claim::{Component, Settings};
use crate::backend::kubernetes::objects::{Requirement, Selector, Workload};

#[test]
fn a_workload_that_opts_in_is_a_claim() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put_workload(enabled("StatefulSet", "roses"));
    inventory.put_workload(workload("Deployment", "other"));
    assert_eq!(inventory.names(), ["flowers.default", "roses.default"]);
    let claim = inventory.claim("flowers.default");
    assert_eq!(
        (claim.obstacle.clone(), &*claim.owner.kind),
        (None, "Deployment")
    );
    let Settings::Workload(settings) = &claim.settings else {
        panic!("its settings are its annotations");
    };
    assert_eq!(settings["kind"], "Deployment");
    assert_eq!(settings["metadata"]["namespace"], "default");
    assert_eq!(
        settings["metadata"]["annotations"]["holdgate.dev/enabled"],
        "true"
    );
    inventory.lose(DEPLOYMENTS, "flowers");
    assert_eq!(inventory.names(), ["roses.default"]);
}

#[test]
fn an_external_inference_service_is_a_claim_before_its_deployment_is_there() {
    let mut inventory = inventory();
    inventory.put_isvc(inference_service("ext"));
    let early = inventory.claim("ext-predictor.default");
    assert_eq!(
        (early.template.clone(), early.obstacle.clone()),
        (None, None)
    );
    inventory.put_workload(made(
        "ext-predictor",
        Component::Predictor,
        &inference_service("ext"),
    ));
    assert!(inventory.claim("ext-predictor.default").template.is_some());
}

#[test]
fn the_deployment_of_a_component_is_found_by_its_owner_and_not_by_its_name() {
    let mut inventory = inventory();
    let isvc = inference_service("ext");
    inventory.put_isvc(isvc.clone());
    inventory.put_workload(enabled("Deployment", "ext-predictor"));
    inventory.put_workload(made("ext-blue-predictor", Component::Predictor, &isvc));
    inventory.put_workload(made("ext-transformer", Component::Transformer, &isvc));
    assert_eq!(
        inventory.names(),
        ["ext-blue-predictor.default", "ext-predictor.default"]
    );
    let owner = inventory.claim("ext-blue-predictor.default").owner.clone();
    assert_eq!(&*owner.kind, "InferenceService");
    // Another of the same name is not the one that it was made for.
    let mut later = inference_service("ext");
    later.at.uid = "isvc-later".into();
    later.created = moment(20);
    inventory.put_isvc(later);
    let names = [
        "ext-predictor.default",
        "ext-predictor.inferenceservice.default",
    ];
    assert_eq!(inventory.names(), names);
}

#[test]
fn of_several_deployments_of_a_component_the_one_that_stays_counts() {
    let mut inventory = inventory();
    let isvc = inference_service("ext");
    inventory.put_isvc(isvc.clone());
    let old = made("ext-predictor", Component::Predictor, &isvc);
    inventory.put_workload(old.clone());
    inventory.put_workload(Workload {
        created: moment(20),
        ..made("ext-new", Component::Predictor, &isvc)
    });
    assert_eq!(inventory.names(), ["ext-predictor.default"]);
    inventory.put_workload(Workload {
        terminating: true,
        ..old
    });
    assert_eq!(inventory.names(), ["ext-new.default"]);
}

#[test]
fn the_usual_mode_is_what_kserve_is_set_to() {
    let mut inventory = inventory();
    inventory.put_isvc(InferenceService {
        mode: None,
        ..inference_service("x")
    });
    assert!(inventory.names().is_empty());
    inventory.put(PLATFORM, platform("ml.example", "Standard"));
    assert_eq!(inventory.names(), ["x-predictor.default"]);
    assert_eq!(inventory.domain().as_deref(), Some("ml.example"));
    inventory.lose(PLATFORM, "inferenceservice-config");
    assert!(inventory.names().is_empty());
    assert_eq!(inventory.domain(), None);
}

#[test]
fn a_deployment_of_an_inference_service_is_no_claim_of_its_own() {
    let isvc = inference_service("ext");
    let both = Workload {
        annotations: enabled("Deployment", "x").annotations,
        ..made("ext-predictor", Component::Predictor, &isvc)
    };
    let mut inventory = inventory();
    inventory.put_workload(both);
    assert!(
        inventory.names().is_empty(),
        "its owner has not been heard of yet"
    );
    inventory.put_isvc(isvc);
    assert_eq!(inventory.names(), ["ext-predictor.default"]);
    assert_eq!(
        &*inventory.claim("ext-predictor.default").owner.kind,
        "InferenceService"
    );
    // The owner is none of ours: then the word on the Deployment counts.
    inventory.put_isvc(with_class("ext", Some("none"), Word::Refused));
    assert_eq!(
        &*inventory.claim("ext-predictor.default").owner.kind,
        "Deployment"
    );
}

#[test]
fn what_a_workload_made_is_no_claim_beside_it() {
    let mut inventory = inventory();
    let flowers = enabled("Deployment", "flowers");
    let owner = Some(flowers.at.clone());
    inventory.put_workload(Workload {
        owner,
        ..enabled("ReplicaSet", "flowers-7d9")
    });
    assert_eq!(inventory.names(), ["flowers-7d9.default"]);
    inventory.put_workload(flowers);
    assert_eq!(inventory.names(), ["flowers.default"]);
}

#[test]
fn a_changed_number_changes_no_claim() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.settle();
    let scaled = Workload {
        replicas: 7,
        resource_version: "2".into(),
        rolling: true,
        ..enabled("Deployment", "flowers")
    };
    inventory.put_workload(scaled);
    let changed = inventory.settle();
    assert!(!changed.claims);
    let presence = inventory.presence("flowers.default");
    assert_eq!(presence.workload.expect("it is there").replicas, 7);
}

#[test]
fn a_selector_that_selects_others_finds_its_pods_again() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(PODS, pod("p", "roses", "u", 1));
    assert!(inventory.presence("flowers.default").pods.is_empty());
    let selector = Selector(vec![Requirement::Exists("app".into())]);
    inventory.put_workload(Workload {
        selector,
        ..enabled("Deployment", "flowers")
    });
    assert_eq!(inventory.presence("flowers.default").pods.len(), 1);
}
