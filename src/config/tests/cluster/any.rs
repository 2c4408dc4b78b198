//! Whatever stands in an object, it is read or complained about.

use proptest::prelude::*;
use serde_json::json;

use super::super::super::Complaint;
use super::*;

/// Words that mean something somewhere, so that readers get far.
const WORDS: [&str; 24] = [
    "model",
    "modelFormat",
    "name",
    "containers",
    "kserve-container",
    "env",
    "PROTOCOL",
    "value",
    "args",
    "--model_name",
    "annotations",
    "minReplicas",
    "maxReplicas",
    "scaleTarget",
    "scaleMetric",
    "memory",
    "autoScaling",
    "metrics",
    "resource",
    "resources",
    "requests",
    "holdgate.dev/schedule",
    "holdgate.dev/autoscaling-metrics",
    "autoscaling.knative.dev/target",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        "[-a-z0-9.:,{}\\[\\]*&\"' \n]{0,12}",
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        word().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let map = prop::collection::btree_map(word(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Json::from),
            map.prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

fn is_told_in_one_line(read: Result<ReadClaim, Complaints>) -> bool {
    let told = match read {
        Ok(read) => read.warnings,
        Err(complaints) => complaints.iter().cloned().collect(),
    };
    let lines = told.iter().map(Complaint::at_its_object);
    lines.into_iter().all(|line| !line.contains('\n'))
}

proptest! {
    #[test]
    fn any_object_is_read_or_complained_about(annotations in any_json(), component in any_json()) {
        let mut object = service(&annotations, &component);
        prop_assert!(is_told_in_one_line(super::predictor(&object)));
        object["spec"]["transformer"] = component.clone();
        let settings = ClaimSettings::InferenceService(&object, Component::Transformer);
        let read = read_claim(&settings, &facts("m-transformer.team"), &plain());
        prop_assert!(is_told_in_one_line(read));
        prop_assert!(is_told_in_one_line(annotated(&annotations)));
        let odd = json!({ "metadata": component });
        prop_assert!(is_told_in_one_line(workload_of(&odd, "")));
    }
}

#[test]
fn what_is_null_was_not_said() {
    let model = json!({ "modelFormat": { "name": "sklearn" } });
    let plain = service(&json!({}), &json!({ "model": model.clone() }));
    let nulls = json!({
        "model": model, "minReplicas": null, "scaleTarget": null, "containers": null,
        "annotations": null,
    });
    let mut null = service(&json!(null), &nulls);
    null["spec"]["transformer"] = json!(null);
    let [plain, null] = [plain, null].map(|object| predictor(&object).expect("sound"));
    assert_eq!(null, plain);
}
