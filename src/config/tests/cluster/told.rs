//! What is wrong in a cluster, as it is told at the object.

use serde_json::json;

use super::super::super::keys::REVISION;
use super::super::super::{Complaint, Complaints};
use super::*;

fn complaints(read: Result<ReadClaim, Complaints>) -> Vec<String> {
    let told = read.expect_err("something is wrong");
    told.iter().map(Complaint::at_its_object).collect()
}

fn warnings(read: Result<ReadClaim, Complaints>) -> Vec<String> {
    let read = read.expect("nothing is wrong");
    read.warnings.iter().map(Complaint::at_its_object).collect()
}

/// A predictor with these fields.
fn fields(fields: &Json) -> Result<ReadClaim, Complaints> {
    let mut predictor = json!({ "model": { "modelFormat": { "name": "sklearn" } } });
    let all = predictor.as_object_mut().expect("a map");
    all.extend(fields.as_object().expect("a map").clone());
    super::predictor(&service(&json!({}), &predictor))
}

#[test]
fn what_kserve_lets_through_under_external_is_refused_here() {
    let check = |written: Json, want: &str| {
        assert_eq!(complaints(fields(&written)), [want], "{written}");
    };
    check(
        json!({ "scaleTarget": 0 }),
        "spec.predictor.scaleTarget: wanted a whole number, 1 or more, not 0",
    );
    check(
        json!({ "scaleTarget": -5 }),
        "spec.predictor.scaleTarget: wanted a whole number, 1 or more, not -5",
    );
    check(
        json!({ "scaleTarget": 250, "scaleMetric": "cpu" }),
        "spec.predictor.scaleTarget: wanted a percentage from 1 to 100, as of cpu, not 250",
    );
    check(
        json!({ "scaleTarget": 101, "scaleMetric": "memory" }),
        "spec.predictor.scaleTarget: wanted a percentage from 1 to 100, as of memory, not 101",
    );
    check(
        json!({ "timeout": 0 }),
        "spec.predictor.timeout: wanted a whole number from 1 to 31536000, not 0",
    );
    check(
        json!({ "minReplicas": -1 }),
        "spec.predictor.minReplicas: wanted a whole number, 0 or more, not -1",
    );
    check(
        json!({ "maxReplicas": -1 }),
        "spec.predictor.maxReplicas: wanted a whole number, 0 or more, not -1",
    );
    check(
        json!({ "containerConcurrency": -1 }),
        "spec.predictor.containerConcurrency: wanted a whole number from 0 to 1000, not -1",
    );
    check(
        json!({ "minReplicas": 4, "maxReplicas": 3 }),
        "spec.predictor.minReplicas: wanted at most maxReplicas (3), not 4",
    );
    check(
        json!({ "scaleMetric": "latency" }),
        "spec.predictor.scaleMetric: wanted concurrency or rps or cpu or memory, not \"latency\"",
    );
    let sound = |written: Json| fields(&written).expect("sound").spec.scaling.target;
    assert_eq!(
        sound(json!({ "scaleTarget": 250 })),
        Some(250.0),
        "requests are no percentage"
    );
    let cores =
        json!({ "scaleTarget": 250, "scaleMetric": "cpu", "scaleMetricType": "AverageValue" });
    assert_eq!(sound(cores), Some(25_000.0));
}

#[test]
fn everything_wrong_with_an_object_is_told_at_once_and_of_this_component_only() {
    let mut object = service(
        &json!({ "autoscaling.knative.dev/target": "abc", "autoscaling.knative.dev/window": "5s", "holdgate.dev/queue-timeout": "soon", "holdgate.dev/queue-timeut": "1s", "holdgate.dev/schedule": "[", "holdgate.dev/path": "sometimes", "holdgate.dev/pending-grace": "0s", "holdgate.dev/max-pending": "0", "holdgate.dev/port": "70000", "holdgate.dev/service": "A_B" }),
        &json!({ "model": {}, "minReplicas": -2 }),
    );
    object["spec"]["transformer"] = json!({ "containers": [{}], "timeout": 0 });
    let told = complaints(super::predictor(&object));
    let at = |name: &str, message: &str| format!("metadata.annotations.{name}: {message}");
    let mut wanted = vec![
        at(
            "autoscaling.knative.dev/target",
            "wanted a number, 0.01 or more, not abc",
        ),
        at(
            "autoscaling.knative.dev/window",
            "wanted a duration from 6s to 1h, not 5s",
        ),
        at(
            "holdgate.dev/max-pending",
            "wanted a whole number, 1 or more, not 0",
        ),
        at(
            "holdgate.dev/path",
            "wanted host or takeover or always, not sometimes",
        ),
        at(
            "holdgate.dev/pending-grace",
            "wanted a duration, 1s or more and at most a year, not 0s",
        ),
        at(
            "holdgate.dev/port",
            "wanted a whole number from 1 to 65535, not 70000",
        ),
        at(
            "holdgate.dev/queue-timeout",
            "wanted a duration such as 90s, 5m or 1h30m, not soon",
        ),
        at(
            "holdgate.dev/queue-timeut",
            "unknown annotation, the nearest known one is holdgate.dev/queue-timeout",
        ),
        at("holdgate.dev/schedule", "unclosed bracket '['"),
        "spec.predictor.minReplicas: wanted a whole number, 0 or more, not -2".to_owned(),
    ];
    let mut sorted = told.clone();
    sorted.sort();
    wanted.sort();
    assert_eq!(
        sorted, wanted,
        "holdgate.dev/service leads to the entry, the transformer"
    );
    let settings = ClaimSettings::InferenceService(&object, Component::Transformer);
    let told = complaints(read_claim(
        &settings,
        &facts("m-transformer.team"),
        &plain(),
    ));
    assert!(
        told.contains(
            &"metadata.annotations.holdgate.dev/service: wanted the name of a Service, not A_B"
                .to_owned()
        ),
        "{told:?}"
    );
    assert!(
        told.contains(
            &"spec.transformer.timeout: wanted a whole number from 1 to 31536000, not 0".to_owned()
        ),
        "{told:?}"
    );
}

#[test]
fn what_is_wrong_inside_an_annotation_is_named_by_its_place_there() {
    let metrics = "[{ metric: cpu }, { metric: rps, target: -1 }]";
    let hours = "- cron: '0 8 * * *'\n  timeZone: UTC\n  for: 1h\n  minReplicas: none\n";
    let told = complaints(annotated(&json!({
        "holdgate.dev/autoscaling-metrics": metrics,
        "holdgate.dev/schedule": hours,
    })));
    let at = |place: &str| format!("metadata.annotations.holdgate.dev/{place}");
    assert_eq!(
        told,
        [
            at("autoscaling-metrics[1].target: wanted a number, 0.01 or more, not -1"),
            at("schedule[0].minReplicas: wanted a whole number, 1 or more, not none"),
        ]
    );
}

#[test]
fn a_complaint_names_the_object_where_it_is_told_elsewhere() {
    let object = workload(&json!({ "autoscaling.knative.dev/target": "abc" }));
    let settings = ClaimSettings::Workload(&object);
    let told = read_claim(&settings, &facts("m.team"), &plain()).expect_err("no number");
    assert_eq!(
        told.to_string(),
        "Deployment team/m: metadata.annotations.autoscaling.knative.dev/target: wanted a number, 0.01 or more, not abc"
    );
    // A default of the gateway's file is no line of the object.
    let gateway = gateway("defaults: { minReplicas: 5 }\n");
    let object = workload(&json!({ "holdgate.dev/max-replicas": "3" }));
    let settings = ClaimSettings::Workload(&object);
    let told = complaints(read_claim(&settings, &facts("m.team"), &gateway));
    assert!(told[0].ends_with("gateway.yaml:1:26: defaults.minReplicas: wanted at most holdgate.dev/max-replicas (3), not 5"), "{told:?}");
}

#[test]
fn what_is_for_local_processes_is_named_and_passed_over_in_a_cluster() {
    let of_processes = REVISION
        .iter()
        .map(|key| key.about())
        .filter(|about| about.path.starts_with("process."));
    let mut count = 0;
    for about in of_processes {
        let name: String = about
            .path
            .replace('.', "-")
            .replace("stopTimeout", "stop-timeout");
        let told = warnings(annotated(
            &json!({ format!("holdgate.dev/{name}"): "nonsense" }),
        ));
        let want = format!(
            "metadata.annotations.holdgate.dev/{name}: is for local processes and not read in a cluster"
        );
        assert!(told.len() == 1 && told[0].starts_with(&want), "{told:?}");
        count += 1;
    }
    assert!(count > 5);
    let told = warnings(annotated(
        &json!({ "holdgate.dev/process-readiness-path": "/up" }),
    ));
    assert!(
        told[0].ends_with(", holdgate.dev/readiness-path is"),
        "{told:?}"
    );
}

#[test]
fn what_kserve_does_itself_is_no_warning_in_a_cluster() {
    let annotations =
        json!({ "serving.kserve.io/autoscalerClass": "none", "serving.kserve.io/stop": "true" });
    let object = service(
        &annotations,
        &json!({ "model": {}, "logger": { "mode": "all" }, "batcher": {} }),
    );
    assert_eq!(warnings(super::predictor(&object)), [""; 0]);
    let object = service(
        &json!({ "serving.kserve.io/autoscalerClass": "kpa" }),
        &json!({ "model": {} }),
    );
    assert_eq!(
        complaints(super::predictor(&object)),
        [
            "metadata.annotations.serving.kserve.io/autoscalerClass: wanted hpa or external or keda or none, not \"kpa\""
        ]
    );
}

#[test]
fn an_object_of_another_shape_is_a_complaint() {
    let check =
        |object: Json, want: &str| assert_eq!(complaints(super::predictor(&object)), [want]);
    check(json!({}), "wanted a name of the InferenceService");
    check(
        json!({ "metadata": { "name": "m" } }),
        "wanted a spec with a predictor",
    );
    let list = json!({ "metadata": { "name": "m" }, "spec": { "predictor": [] } });
    let told = complaints(super::predictor(&list));
    assert!(
        told.contains(&"spec.predictor: wanted a map, not a list".to_owned()),
        "{told:?}"
    );
    let object = service(&json!({}), &json!({ "model": {} }));
    let settings = ClaimSettings::InferenceService(&object, Component::Explainer);
    let told = complaints(read_claim(&settings, &facts("m-explainer.team"), &plain()));
    assert_eq!(told, ["has no explainer"]);
    let nameless = json!({ "kind": "Deployment" });
    let told = complaints(read_claim(
        &ClaimSettings::Workload(&nameless),
        &facts("m.team"),
        &plain(),
    ));
    assert_eq!(told, ["wanted a name of the workload"]);
}
