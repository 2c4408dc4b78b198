//! What is claimed, and what stands in its way.

use std::time::Duration;

use super::super::facts::{InferenceService, Part, Word};
use super::support::*;
use crate::backend::kubernetes::claim::{Component, Obstacle, Settings};
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
fn each_component_is_a_claim_with_a_class_of_its_own() {
    let mut inventory = inventory();
    let mut isvc = inference_service("tr");
    isvc.parts.push(Part {
        component: Component::Transformer,
        expected: "tr-transformer".into(),
        class: Some("hpa".into()),
    });
    isvc.word = Word::Ours;
    inventory.put_isvc(isvc);
    assert_eq!(inventory.obstacle("tr-predictor.default"), None);
    let hpa = Obstacle::AutoscalerClass("hpa".into());
    assert_eq!(inventory.obstacle("tr-transformer.default"), Some(hpa));
}

#[test]
fn a_stranger_is_not_spoken_to() {
    let knative = InferenceService {
        mode: Some("Knative".into()),
        ..inference_service("a")
    };
    let strangers = [
        with_class("b", None, Word::None),
        with_class("c", Some("hpa"), Word::None),
        with_class("d", Some("none"), Word::None),
        InferenceService {
            word: Word::Refused,
            ..inference_service("e")
        },
        InferenceService {
            mode: None,
            ..inference_service("f")
        },
        knative,
    ];
    for stranger in strangers {
        let mut inventory = inventory();
        inventory.put_isvc(stranger.clone());
        assert!(inventory.names().is_empty(), "{stranger:?}");
    }
}

#[test]
fn who_speaks_of_us_hears_what_is_in_the_way() {
    let class = |class: &str| Some(Obstacle::AutoscalerClass(class.into()));
    let knative = InferenceService {
        mode: Some("Knative".into()),
        word: Word::Ours,
        ..inference_service("x")
    };
    let stopped = InferenceService {
        stopped: true,
        ..inference_service("x")
    };
    let cases = [
        (with_class("x", None, Word::Ours), class("hpa")),
        (with_class("x", Some("none"), Word::Ours), class("none")),
        (with_class("x", Some("keda"), Word::Ours), class("keda")),
        (knative, Some(Obstacle::DeploymentMode("Knative".into()))),
        (stopped, Some(Obstacle::Stopped)),
        (inference_service("x"), None),
    ];
    for (fact, want) in cases {
        let mut inventory = inventory();
        inventory.put_isvc(fact);
        assert_eq!(inventory.obstacle("x-predictor.default"), want);
    }
}

#[test]
fn one_that_was_ours_and_is_taken_away_is_told_of() {
    let mut inventory = inventory();
    inventory.put_isvc(inference_service("x"));
    inventory.put_isvc(with_class("x", Some("none"), Word::None));
    let none = Obstacle::AutoscalerClass("none".into());
    assert_eq!(inventory.obstacle("x-predictor.default"), Some(none));
    // A new one of the same name never was.
    let mut later = with_class("x", Some("none"), Word::None);
    later.at.uid = "later".into();
    inventory.put_isvc(later);
    assert!(inventory.names().is_empty());
    inventory.put_isvc(inference_service("x"));
    inventory.put_isvc(with_class("x", None, Word::Refused));
    assert!(inventory.names().is_empty(), "who opts out hears nothing");
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
fn who_else_steers_it_is_named_until_he_leaves() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(
        OTHERS,
        steerer("HorizontalPodAutoscaler", "keda-hpa", "flowers"),
    );
    inventory.put(OTHERS, steerer("HorizontalPodAutoscaler", "else", "roses"));
    let kind = |obstacle: Option<Obstacle>| match obstacle {
        Some(Obstacle::SteeredBy(at)) => Some(at.name.to_string()),
        None => None,
        other => panic!("another obstacle: {other:?}"),
    };
    assert_eq!(
        kind(inventory.obstacle("flowers.default")).as_deref(),
        Some("keda-hpa")
    );
    inventory.put(OTHERS, steerer("ScaledObject", "flowers", "flowers"));
    assert_eq!(
        kind(inventory.obstacle("flowers.default")).as_deref(),
        Some("flowers")
    );
    inventory.lose(OTHERS, "flowers");
    inventory.lose(OTHERS, "keda-hpa");
    assert_eq!(inventory.obstacle("flowers.default"), None);
}

#[test]
fn somebody_who_steers_another_kind_of_the_same_name_is_not_in_the_way() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("StatefulSet", "flowers"));
    inventory.put(
        OTHERS,
        steerer("HorizontalPodAutoscaler", "flowers", "flowers"),
    );
    assert_eq!(inventory.obstacle("flowers.default"), None);
}

#[test]
fn the_services_that_lead_to_its_pods_are_found_by_their_selector() {
    let mut inventory = inventory();
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(
        OTHERS,
        service("narrow", &[("app", "flowers"), ("tier", "model")], None),
    );
    inventory.put(OTHERS, service("wide", &[("tier", "model")], None));
    inventory.put(
        OTHERS,
        service("else", &[("app", "flowers"), ("tier", "web")], None),
    );
    let services = inventory.claim("flowers.default").services.clone();
    assert_eq!(services.into_keys().collect::<Vec<_>>(), ["narrow", "wide"]);
}

#[test]
fn a_service_made_for_a_component_is_its_own_wherever_it_leads() {
    let mut inventory = inventory();
    inventory.put_isvc(inference_service("ext"));
    inventory.put(
        OTHERS,
        service("ext-predictor", &[("nobody", "x")], Some("isvc-ext")),
    );
    inventory.put(
        OTHERS,
        service("else", &[("nobody", "x")], Some("isvc-else")),
    );
    let services = inventory.claim("ext-predictor.default").services.clone();
    assert_eq!(services.into_keys().collect::<Vec<_>>(), ["ext-predictor"]);
}

#[test]
fn a_route_that_may_cut_its_requests_short_is_remarked() {
    let mut inventory = inventory();
    inventory.put_isvc(inference_service("ext"));
    inventory.put_workload(enabled("Deployment", "flowers"));
    inventory.put(OTHERS, service("flowers", &[("app", "flowers")], None));
    inventory.put(
        OTHERS,
        route("of-ext", Some("isvc-ext"), &[("default", "nobody", 60)]),
    );
    inventory.put(
        OTHERS,
        route(
            "to-it",
            None,
            &[("default", "flowers", 30), ("default", "x", 5)],
        ),
    );
    inventory.put(OTHERS, route("elsewhere", None, &[("other", "flowers", 1)]));
    let mut remarks = |name: &str| {
        let claim = inventory.claim(name);
        let remarks = claim.remarks.iter();
        remarks
            .map(|it| (it.route.name.to_string(), it.timeout))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        remarks("ext-predictor.default"),
        [("of-ext".into(), Duration::from_secs(60))]
    );
    assert_eq!(
        remarks("flowers.default"),
        [("to-it".into(), Duration::from_secs(30))]
    );
    assert!(inventory.entrances().is_empty());
}

#[test]
fn a_route_to_the_gateway_is_told_with_its_hosts() {
    let mut inventory = inventory();
    let own = ("holdgate-system", "holdgate-gateway", 60);
    inventory.put(OTHERS, route("in", None, &[("default", "flowers", 5), own]));
    assert!(inventory.settle().entrances);
    let entrance = inventory.entrances()[0].clone();
    assert_eq!(
        (&*entrance.route.name, entrance.timeout),
        ("in", Duration::from_secs(60))
    );
    assert!(entrance.takes("flowers.example.com"));
    assert!(!entrance.takes("example.com") && !entrance.takes("flowers.example.org"));
    assert!(!inventory.settle().entrances);
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
