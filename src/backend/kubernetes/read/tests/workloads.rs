//! Workloads: which are looked at, what their pods are made of, whether they are being updated.

use serde_json::{Value, json};

use super::read;
use crate::backend::kubernetes::inventory::facts::Fact;
use crate::backend::kubernetes::objects::{
    LeavingOrder, Obstruction, Port, ReadinessProbe, Requirement, Workload,
};
use crate::backend::kubernetes::read::workload;

pub(super) fn deployment() -> Value {
    json!({
        "metadata": {
            "name": "flowers", "namespace": "default", "uid": "d1", "resourceVersion": "12",
            "generation": 3, "creationTimestamp": "2026-11-22T07:00:00Z",
            "annotations": {
                "holdgate.dev/enabled": "true",
                "deployment.kubernetes.io/revision": "1",
                "kubectl.kubernetes.io/last-applied-configuration": "{\"apiVersion\":\"apps/v1\"}"
            }
        },
        "spec": {
            "replicas": 2,
            "selector": {
                "matchLabels": {"app": "flowers"},
                "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["a", "b"]},
                    {"key": "old", "operator": "DoesNotExist"}
                ]
            },
            "template": {
                "metadata": {"labels": {"app": "flowers", "tier": "a"}},
                "spec": {
                    "initContainers": [{"name": "fetch", "image": "x"}],
                    "containers": [{
                        "name": "model", "image": "tensorflow/serving",
                        "command": ["serve"], "args": ["--model_name=flowers"],
                        "ports": [{"name": "rest", "containerPort": 8501, "protocol": "TCP"}],
                        "readinessProbe": {
                            "httpGet": {"path": "/v1/models/flowers", "port": "rest", "scheme": "HTTP"},
                            "periodSeconds": 10
                        },
                        "resources": {
                            "requests": {"cpu": "500m"},
                            "limits": {"cpu": "2", "memory": "2Gi", "nvidia.com/gpu": 1}
                        }
                    }]
                }
            }
        },
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1}
    })
}

fn of(api_version: &str, kind: &str, object: &Value) -> Option<Workload> {
    match read(workload, api_version, kind, object) {
        Some(Fact::Workload(workload)) => Some(*workload),
        None => None,
        other => panic!("it is no workload: {other:?}"),
    }
}

pub(super) fn kept(object: &Value) -> Workload {
    of("apps/v1", "Deployment", object).expect("it is kept")
}

#[test]
fn a_deployment_that_opts_in_is_kept() {
    let workload = kept(&deployment());
    assert_eq!(
        (&*workload.at.name, workload.replicas, workload.rolling),
        ("flowers", 2, false)
    );
    assert_eq!(workload.leaving, LeavingOrder::DeletionCost);
    assert_eq!(
        workload.annotations.len(),
        2,
        "what kubectl applied is left out"
    );
    assert_eq!(
        workload.selector.0,
        [
            Requirement::In("app".into(), vec!["flowers".into()]),
            Requirement::In("tier".into(), vec!["a".into(), "b".into()]),
            Requirement::Absent("old".into()),
        ]
    );
    let container = &workload.template.containers[0];
    assert_eq!(container.args, ["serve", "--model_name=flowers"]);
    assert_eq!(
        container.ports,
        [Port {
            name: Some("rest".into()),
            number: 8501
        }]
    );
    assert_eq!(
        (container.cpu, container.memory),
        (Some(0.5), Some(2 << 30))
    );
    let probe = ReadinessProbe::Http {
        path: "/v1/models/flowers".into(),
        port: 8501,
    };
    assert_eq!(container.readiness, Some(probe));
}

#[test]
fn a_strangers_workload_is_not_kept() {
    let mut object = deployment();
    for word in ["", "yes", "True", "false"] {
        object["metadata"]["annotations"] = json!({"holdgate.dev/enabled": word});
        assert_eq!(of("apps/v1", "Deployment", &object), None, "{word:?}");
    }
    let owner = |api_version: &str, kind: &str| json!([{"apiVersion": api_version, "kind": kind, "name": "x", "uid": "i1", "controller": true}]);
    object["metadata"]["ownerReferences"] = owner("serving.knative.dev/v1", "Revision");
    assert_eq!(of("apps/v1", "Deployment", &object), None);
    object["metadata"]["ownerReferences"] = owner("serving.kserve.io/v1beta1", "InferenceService");
    let made = kept(&object).owner.expect("it has an owner");
    assert_eq!((&*made.kind, &*made.uid), ("InferenceService", "i1"));
}

#[test]
fn an_update_under_way_is_seen() {
    let status = |observed: i64, replicas: i64, updated: Option<i64>| {
        let mut object = deployment();
        object["status"] = json!({"observedGeneration": observed, "replicas": replicas});
        if let Some(updated) = updated {
            object["status"]["updatedReplicas"] = json!(updated);
        }
        object
    };
    assert!(!kept(&status(3, 2, Some(2))).rolling);
    assert!(
        kept(&status(3, 3, Some(1))).rolling,
        "pods of two templates"
    );
    assert!(kept(&status(3, 2, None)).rolling, "zero is left out");
    assert!(
        kept(&status(2, 2, Some(2))).rolling,
        "nobody has looked at the new template"
    );
    assert!(!kept(&status(3, 0, None)).rolling);
    let mut sets = deployment();
    sets["status"] = json!({
        "observedGeneration": 3, "replicas": 2, "currentRevision": "a", "updateRevision": "a"
    });
    let set = of("apps/v1", "StatefulSet", &sets).expect("it is kept");
    assert_eq!((set.rolling, set.leaving), (false, LeavingOrder::Ordinal));
    assert_eq!(set.first_ordinal, 0);
    sets["spec"]["ordinals"] = json!({"start": 5});
    let set = of("apps/v1", "StatefulSet", &sets).expect("it is kept");
    assert_eq!(set.first_ordinal, 5);
    sets["status"]["updateRevision"] = json!("b");
    assert!(
        of("apps/v1", "StatefulSet", &sets)
            .expect("it is kept")
            .rolling
    );
}

#[test]
fn other_kinds_say_their_selector_in_their_own_way() {
    let mut object = deployment();
    object["spec"]["selector"] = Value::Null;
    object["status"] =
        json!({"observedGeneration": "3", "replicas": 2, "selector": "app=flowers,!old"});
    let rollout = of("argoproj.io/v1alpha1", "Rollout", &object).expect("it is kept");
    assert_eq!(
        rollout.selector.0,
        [
            Requirement::In("app".into(), vec!["flowers".into()]),
            Requirement::Absent("old".into()),
        ]
    );
    assert_eq!(
        (rollout.leaving, rollout.rolling),
        (LeavingOrder::Unknown, false)
    );
    object["status"]["selector"] = json!("app in (flowers,roses)");
    let half = of("argoproj.io/v1alpha1", "Rollout", &object).expect("it is kept");
    assert!(
        half.selector.0.is_empty(),
        "half a selector selects too much"
    );
}

#[test]
fn a_container_that_goes_beside_the_others_counts_for_what_a_pod_asks_for() {
    let mut object = deployment();
    object["spec"]["template"]["spec"]["initContainers"] = json!([
        {"name": "fetch", "resources": {"requests": {"cpu": "4"}}},
        {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "250m"}}}
    ]);
    let containers = kept(&object).template.containers;
    let asked: Vec<_> = containers.iter().map(|it| (&*it.name, it.cpu)).collect();
    assert_eq!(asked, [("model", Some(0.5)), ("proxy", Some(0.25))]);
}

#[test]
fn what_its_controller_cannot_do_is_kept() {
    let said = |kind: &str, holds: &str, reason: &str| json!({"type": kind, "status": holds, "reason": reason, "message": "exceeded quota: gpus"});
    let of = |conditions: Value| {
        let mut object = deployment();
        object["status"]["conditions"] = conditions;
        let workload = kept(&object);
        (workload.refused, workload.overdue)
    };
    let words = |reason: &str| {
        Some(Obstruction {
            reason: reason.into(),
            message: "exceeded quota: gpus".into(),
        })
    };
    let available = said("Available", "False", "MinimumReplicasUnavailable");
    let refused = said("ReplicaFailure", "True", "FailedCreate");
    let overdue = said("Progressing", "False", "ProgressDeadlineExceeded");
    let want = (words("FailedCreate"), words("ProgressDeadlineExceeded"));
    assert_eq!(of(json!([available, refused, overdue])), want);
    let fine = json!([
        said("Progressing", "True", "NewReplicaSetAvailable"),
        said("ReplicaFailure", "False", "FailedCreate"),
        said("ReplicaFailure", "True", "FailedDelete"),
    ]);
    assert_eq!(of(fine), (None, None));
    for other in [json!(null), json!("Ready"), json!([1, "x", {}])] {
        assert_eq!(of(other), (None, None));
    }
}
