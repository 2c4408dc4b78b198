//! `InferenceServices`: what they consist of, who scales them, whether they mean us.

use serde_json::{Value, json};

use super::read;
use crate::backend::kubernetes::claim::Component;
use crate::backend::kubernetes::inventory::facts::{Fact, InferenceService, Word};
use crate::backend::kubernetes::read::inference_service;

fn flowers() -> Value {
    json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "flowers", "namespace": "default", "uid": "i1", "resourceVersion": "99",
            "generation": 2, "creationTimestamp": "2026-11-22T07:00:00Z",
            "annotations": {
                "serving.kserve.io/deploymentMode": "RawDeployment",
                "serving.kserve.io/autoscalerClass": "external",
                "kubectl.kubernetes.io/last-applied-configuration": "{}"
            },
            "managedFields": [{"manager": "kubectl"}]
        },
        "spec": {
            "predictor": {"minReplicas": 0, "scaleTarget": 1, "model": {"modelFormat": {"name": "tensorflow"}}},
            "transformer": {
                "annotations": {"serving.kserve.io/autoscalerClass": "hpa"},
                "containers": [{"name": "kserve-container", "image": "x"}]
            }
        },
        "status": {"deploymentMode": "Standard", "conditions": [{"type": "Ready", "status": "True"}]}
    })
}

fn kept(object: &Value) -> InferenceService {
    match read(
        inference_service,
        "serving.kserve.io/v1beta1",
        "InferenceService",
        object,
    ) {
        Some(Fact::InferenceService(fact)) => fact,
        other => panic!("it is none: {other:?}"),
    }
}

#[test]
fn each_component_says_its_name_and_who_scales_it() {
    let fact = kept(&flowers());
    let parts: Vec<_> = fact
        .parts
        .iter()
        .map(|it| (it.component, &*it.expected, it.class.as_deref()))
        .collect();
    assert_eq!(
        parts,
        [
            (Component::Predictor, "flowers-predictor", Some("external")),
            (Component::Transformer, "flowers-transformer", Some("hpa")),
        ]
    );
    assert_eq!(
        (fact.mode.as_deref(), fact.stopped, fact.word),
        (Some("Standard"), false, Word::None)
    );
}

#[test]
fn a_predictor_with_a_name_gives_it_to_its_deployment() {
    let mut object = flowers();
    object["spec"]["predictor"]["name"] = json!("blue");
    assert_eq!(kept(&object).parts[0].expected, "flowers-blue-predictor");
}

#[test]
fn what_changes_by_itself_is_not_among_the_settings() {
    let document = kept(&flowers()).document;
    assert_eq!(document.get("status"), None);
    for gone in ["managedFields", "resourceVersion"] {
        assert_eq!(document["metadata"].get(gone), None);
    }
    let annotations = document["metadata"]["annotations"]
        .as_object()
        .expect("they are there");
    assert_eq!(annotations.len(), 2);
    assert_eq!(document["spec"], flowers()["spec"]);
    // Objects in a list do not say what they are.
    let mut listed = flowers();
    listed
        .as_object_mut()
        .expect("it is an object")
        .remove("kind");
    assert_eq!(kept(&listed).document["kind"], "InferenceService");
}

#[test]
fn the_mode_is_the_written_one_else_the_one_in_force() {
    let mut object = flowers();
    object["metadata"]["annotations"] = json!({});
    assert_eq!(kept(&object).mode.as_deref(), Some("Standard"));
    object["status"] = Value::Null;
    assert_eq!(kept(&object).mode, None);
    object["metadata"]["annotations"] = json!({"serving.kserve.io/deploymentMode": "Serverless"});
    assert_eq!(kept(&object).mode.as_deref(), Some("Knative"));
}

#[test]
fn a_word_of_ours_is_heard_wherever_it_stands() {
    let word = |annotations: Value, inner: Value| {
        let mut object = flowers();
        object["metadata"]["annotations"] = annotations;
        object["spec"]["predictor"]["annotations"] = inner;
        kept(&object).word
    };
    assert_eq!(
        word(json!({"holdgate.dev/enabled": "true"}), json!(null)),
        Word::Ours
    );
    assert_eq!(
        word(json!({"holdgate.dev/queue-max-requests": "7"}), json!(null)),
        Word::Ours
    );
    assert_eq!(
        word(json!({}), json!({"holdgate.dev/max-pending": "2"})),
        Word::Ours
    );
    assert_eq!(
        word(
            json!({"serving.kserve.io/autoscalerClass": "none"}),
            json!(null)
        ),
        Word::None
    );
    assert_eq!(
        word(json!({"holdgate.dev/enabled": "false"}), json!(null)),
        Word::Refused
    );
}

#[test]
fn a_stopped_one_says_so_in_whatever_case_kserve_reads_it() {
    for (said, stopped) in [
        ("true", true),
        ("True", true),
        ("TRUE", true),
        ("yes", false),
    ] {
        let mut object = flowers();
        object["metadata"]["annotations"]["serving.kserve.io/stop"] = json!(said);
        assert_eq!(kept(&object).stopped, stopped, "{said}");
    }
}
