//! What stands in the way of a claim, and who hears of it.

use super::super::facts::{InferenceService, Part, Word};
use super::samples::*;
use super::support::*;
use crate::backend::kubernetes::claim::{Component, Obstacle};

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
