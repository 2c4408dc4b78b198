//! What is refused in manifests, what is warned about, and which of them share a file.

use super::super::{complaints, meaning, revision};
use super::{scaling, service, warnings};
use crate::config::{Overrides, load_text};
use crate::revision::ScaleMetric;

#[test]
fn what_kserve_refuses_is_refused_with_its_place() {
    let text = "\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: flowers
  annotations:
    serving.kserve.io/autoscalerClass: kpa
    autoscaling.knative.dev/target: \"0\"
    autoscaling.knative.dev/window: 5s
    holdgate.dev/queue-max-request: \"3\"
    holdgate.dev/process-command: my-server
spec:
  predictor:
    minReplicas: 4
    maxReplicas: 3
    scaleTarget: \"1\"
    scaleMetric: latency
    containerConcurrency: 1001
    timeout: 0
    sklearn: { name: mine }
    model: {}
    logger: { mode: some }
  transformer:
    minReplicas: -1
";
    assert_eq!(
        complaints(text),
        [
            "a.yaml:6:40: metadata.annotations.serving.kserve.io/autoscalerClass: wanted hpa or external or keda or none, not kpa",
            "a.yaml:7:37: metadata.annotations.autoscaling.knative.dev/target: wanted a number, 0.01 or more, not 0",
            "a.yaml:8:37: metadata.annotations.autoscaling.knative.dev/window: wanted a duration from 6s to 1h, not 5s",
            "a.yaml:9:5: metadata.annotations.holdgate.dev/queue-max-request: unknown annotation, the nearest known one is holdgate.dev/queue-max-requests",
            "a.yaml:10:5: metadata.annotations.holdgate.dev/process-command: is no annotation, the command stands behind --",
            "a.yaml:13:18: spec.predictor.minReplicas: wanted at most maxReplicas (3), not 4",
            "a.yaml:15:18: spec.predictor.scaleTarget: wanted a whole number, 1 or more, not \"1\"",
            "a.yaml:16:18: spec.predictor.scaleMetric: wanted concurrency or rps or cpu or memory, not latency",
            "a.yaml:17:27: spec.predictor.containerConcurrency: wanted a whole number from 0 to 1000, not 1001",
            "a.yaml:18:14: spec.predictor.timeout: wanted a whole number from 1 to 31536000, not 0",
            "a.yaml:19:14: spec.predictor.sklearn: wanted one model server, this is another",
            "a.yaml:19:22: spec.predictor.sklearn.name: KServe names this container itself",
            "a.yaml:21:21: spec.predictor.logger.mode: wanted all or request or response, not some",
            "a.yaml:23:5: spec.transformer: wanted containers",
            "a.yaml:23:18: spec.transformer.minReplicas: wanted a whole number, 0 or more, not -1",
        ]
    );
    let of = |text: &str| complaints(text);
    assert_eq!(
        of("apiVersion: serving.kserve.io/v1alpha2\nkind: InferenceService\n"),
        [
            "a.yaml:1:13: apiVersion: wanted apiVersion serving.kserve.io/v1beta1 or serving.kubeflow.org/v1beta1, not serving.kserve.io/v1alpha2",
        ]
    );
    assert_eq!(
        of(&service("annotations: [a]")),
        ["a.yaml:7:18: spec.predictor.annotations: wanted a map, not a list"]
    );
    let named =
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: { name: 1a }\n";
    assert_eq!(
        of(named).last().map(String::as_str),
        Some(
            "a.yaml:3:19: metadata.name: wanted a name of lower-case letters, digits and - that begins with a letter, not 1a"
        )
    );
    let empty = named.replace("1a", "a") + "spec: {}\n";
    assert_eq!(
        of(&empty).last().map(String::as_str),
        Some("a.yaml:4:7: spec: wanted a predictor")
    );
    let bare = named.replace("1a", "a") + "spec: { predictor: { minReplicas: 1 } }\n";
    assert_eq!(
        of(&bare),
        ["a.yaml:4:20: spec.predictor: wanted a model server (model, or containers)"]
    );
}

#[test]
fn what_may_not_do_what_its_writer_thinks_is_a_warning() {
    let text = "\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: flowers
  annotations:
    serving.kserve.io/autoscalerClass: hpa
    autoscaling.knative.dev/min-scale: \"2\"
    autoscaling.knative.dev/max-scale: \"4\"
    autoscaling.knative.dev/target: 3
    autoscaling.knative.dev/targt: \"3\"
spec:
  predictor:
    maxReplicas: 3
    scaleMetric: qps
    containerConcurency: 3
    logger: { mode: all }
    tolerations: []
    model: {}
---
apiVersion: v1
kind: Secret
metadata: { name: key }
";
    assert_eq!(
        warnings(text),
        [
            "a.yaml:6:40: metadata.annotations.serving.kserve.io/autoscalerClass: in a cluster KServe scales this itself, external leaves it to Holdgate",
            "a.yaml:7:40: metadata.annotations.autoscaling.knative.dev/min-scale: counts here, but KServe drops it; minReplicas is read everywhere",
            "a.yaml:8:40: metadata.annotations.autoscaling.knative.dev/max-scale: is not read beside spec.predictor.maxReplicas",
            "a.yaml:9:37: metadata.annotations.autoscaling.knative.dev/target: a cluster takes only text here, write \"3\"",
            "a.yaml:10:5: metadata.annotations.autoscaling.knative.dev/targt: unknown annotation, it is not read, the nearest known one is target",
            "a.yaml:14:18: spec.predictor.scaleMetric: qps is understood as rps, which is what KServe's API takes",
            "a.yaml:15:5: spec.predictor.containerConcurency: unknown field, it is not read, the nearest known one is containerConcurrency",
            "a.yaml:16:5: spec.predictor.logger: is not read here",
            "a.yaml:20:1: Secret key is not read, only InferenceService, workloads with holdgate.dev/enabled: \"true\" and ConfigMap config-autoscaler are",
        ]
    );
    let scaling = scaling(text);
    assert_eq!((scaling.min_replicas, scaling.max_replicas), (2, Some(3)));
    assert_eq!(
        (scaling.metric, scaling.target),
        (ScaleMetric::Rps, Some(3.0))
    );
}

#[test]
fn a_file_may_hold_several_manifests_or_a_list_of_them_but_nothing_of_ours() {
    let (one, other) = (service(""), service("").replace("name: m,", "name: n,"));
    let names = |text: &str| -> Vec<String> {
        let revisions = meaning(text).revisions;
        revisions
            .iter()
            .map(|revision| revision.spec.id.to_string())
            .collect()
    };
    let several = format!("---\n# first\n---\n{one}---\n{other}---\n");
    assert_eq!(names(&several), ["m-predictor", "n-predictor"]);
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n",
        one.trim_end().replace('\n', "\n  "),
        other.trim_end().replace('\n', "\n  ")
    );
    assert_eq!(names(&list), ["m-predictor", "n-predictor"]);
    assert_eq!(
        complaints(&format!("{one}---\n{}", revision(""))),
        ["a.yaml:9:1: a second document begins here, wanted one document per file"]
    );
}

#[test]
fn a_service_that_is_there_twice_is_one_complaint() {
    let one = service("minReplicas: 1");
    assert_eq!(
        complaints(&format!("{one}---\n{one}")),
        [
            "a.yaml:11:19: metadata.name: wanted a name of its own, m-predictor is taken at a.yaml:3:19"
        ]
    );
}

#[test]
fn what_is_not_read_is_told_beside_what_is_missing() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: m }\n";
    let read = load_text("a.yaml".as_ref(), text, &Overrides::default());
    let complaints = read.expect_err("nothing to start");
    let told = complaints.warnings().into_iter().map(|one| one.to_string());
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "a.yaml:1:1: Deployment m is not read, only InferenceService, workloads with holdgate.dev/enabled: \"true\" and ConfigMap config-autoscaler are"
        ]
    );
    assert_eq!(
        complaints.to_string(),
        "a.yaml:1:1: wanted at least one revision, InferenceService or workload with holdgate.dev/enabled: \"true\""
    );
}
