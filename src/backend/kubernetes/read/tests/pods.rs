//! Pods: how far they have come, and why they do not go on.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::read;
use crate::backend::kubernetes::inventory::facts::Fact;
use crate::backend::kubernetes::objects::{Obstruction, PodView, Stage};
use crate::backend::kubernetes::read::pod;

/// A pod as kubelet leaves it: fetched its model, serves, is ready.
pub(super) fn running() -> Value {
    json!({
        "metadata": {
            "name": "flowers-predictor-7d9c5b6f4-x2x7k",
            "generateName": "flowers-predictor-7d9c5b6f4-",
            "namespace": "default",
            "uid": "5a9f0c6e-6a36-4f5e-8f0e-1d1f0a4b7c11",
            "resourceVersion": "4711",
            "creationTimestamp": "2026-11-22T07:00:00Z",
            "labels": {"app": "isvc.flowers-predictor", "pod-template-hash": "7d9c5b6f4"},
            "annotations": {"controller.kubernetes.io/pod-deletion-cost": "-7"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "flowers-predictor-7d9c5b6f4",
                "uid": "a", "controller": true, "blockOwnerDeletion": true
            }],
            "managedFields": [{
                "manager": "kubelet", "operation": "Update", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {}}
            }]
        },
        "spec": {
            "nodeName": "node-1",
            "initContainers": [{"name": "storage-initializer", "image": "kserve/storage-initializer"}],
            "containers": [{"name": "kserve-container", "image": "tensorflow/serving"}]
        },
        "status": {
            "phase": "Running",
            "hostIP": "10.0.0.1",
            "podIP": "10.244.1.7",
            "podIPs": [{"ip": "10.244.1.7"}],
            "conditions": [
                {"type": "Initialized", "status": "True"},
                {"type": "Ready", "status": "True"},
                {"type": "ContainersReady", "status": "True"},
                {"type": "PodScheduled", "status": "True"}
            ],
            "initContainerStatuses": [{
                "name": "storage-initializer", "ready": true, "restartCount": 4, "image": "", "imageID": "",
                "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}
            }],
            "containerStatuses": [{
                "name": "kserve-container", "ready": true, "restartCount": 2, "image": "", "imageID": "",
                "state": {"running": {"startedAt": "2026-11-22T07:00:05Z"}}
            }]
        }
    })
}

pub(super) fn view(object: &Value) -> PodView {
    match read(pod, "v1", "Pod", object) {
        Some(Fact::Pod(pod)) => (*pod.view).clone(),
        other => panic!("it is no pod: {other:?}"),
    }
}

fn kept(reason: &str, message: &str) -> Obstruction {
    Obstruction {
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

/// A running pod with one value changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut object = running();
    *object.pointer_mut(pointer).expect("there is such a field") = value;
    object
}

#[test]
fn a_serving_pod_is_kept_with_what_somebody_decides_by() {
    let view = view(&running());
    assert_eq!(
        view,
        PodView {
            node_word: None,
            nominated: None,
            volume_word: None,
            uid: "5a9f0c6e-6a36-4f5e-8f0e-1d1f0a4b7c11".into(),
            name: "flowers-predictor-7d9c5b6f4-x2x7k".into(),
            created: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_330_800),
            node: Some("node-1".into()),
            ip: Some([10, 244, 1, 7].into()),
            stage: Stage::Running,
            started: true,
            ready: true,
            terminating: false,
            unready: 0,
            initializing: false,
            restarts: 2,
            crashes: 6,
            down: 0,
            deletion_cost: Some(-7),
        }
    );
}

#[test]
fn a_pod_that_is_being_deleted_says_so() {
    let mut object = running();
    object["metadata"]["deletionTimestamp"] = json!("2026-11-22T07:10:00Z");
    object["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    assert!(view(&object).terminating);
}

#[test]
fn a_pod_that_was_not_scheduled_says_why() {
    let mut object = with("/spec/nodeName", Value::Null);
    object["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    }]});
    let unscheduled = view(&object);
    let why = Some(kept(
        "Unschedulable",
        "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
    ));
    assert_eq!(unscheduled.stage, Stage::Unscheduled(why));
    assert_eq!((unscheduled.node, unscheduled.ip), (None, None));
    assert_eq!(unscheduled.nominated, None);
    object["status"]["nominatedNodeName"] = json!("node-7");
    assert_eq!(view(&object).nominated.as_deref(), Some("node-7"));
    object["status"] = json!({"phase": "Pending", "nominatedNodeName": ""});
    assert_eq!(view(&object).stage, Stage::Unscheduled(None));
    assert_eq!(view(&object).nominated, None);
}

#[test]
fn a_pod_on_its_way_says_what_keeps_it() {
    let waiting =
        |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    let container = "/status/containerStatuses/0/state";
    let init = "/status/initContainerStatuses/0/state";
    let mut crashing = with(container, waiting("CrashLoopBackOff", "back-off 10s"));
    crashing["status"]["containerStatuses"][0]["lastState"] = last;
    let mut fetching = with(
        init,
        json!({"running": {"startedAt": "2026-11-22T07:00:01Z"}}),
    );
    fetching["status"]["containerStatuses"][0]["state"] =
        json!({"waiting": {"reason": "PodInitializing"}});
    let mut nothing = running();
    nothing["status"] = json!({"phase": "Pending"});
    let cases = [
        (
            with(container, waiting("ContainerCreating", "")),
            Some(kept("ContainerCreating", "")),
        ),
        (
            with(
                container,
                waiting("ImagePullBackOff", "Back-off pulling image \"x\""),
            ),
            Some(kept("ImagePullBackOff", "Back-off pulling image \"x\"")),
        ),
        (
            crashing,
            Some(kept(
                "CrashLoopBackOff",
                "back-off 10s; it ended with exit code 137 (OOMKilled)",
            )),
        ),
        (
            fetching,
            Some(kept(
                "PodInitializing",
                "init container storage-initializer runs",
            )),
        ),
        (
            with(init, waiting("CrashLoopBackOff", "back-off 20s")),
            Some(kept("CrashLoopBackOff", "back-off 20s")),
        ),
        (
            with(
                init,
                json!({"terminated": {"exitCode": 1, "reason": "Error"}}),
            ),
            Some(kept("Error", "it ended with exit code 1")),
        ),
        (
            with(
                container,
                json!({"terminated": {"exitCode": 3, "reason": "Error"}}),
            ),
            Some(kept("Error", "it ended with exit code 3")),
        ),
        (nothing, None),
    ];
    for (object, want) in cases {
        assert_eq!(view(&object).stage, Stage::Waiting(want), "{object}");
    }
}

#[test]
fn a_sidecar_that_stays_is_no_step_on_the_way() {
    let mut object = running();
    object["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    object["status"]["initContainerStatuses"][0]["state"] = json!({"running": {}});
    assert_eq!(view(&object).stage, Stage::Running);
}

#[test]
fn a_sidecar_that_keeps_the_others_waiting_is_named() {
    let mut object = running();
    object["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
    object["status"]["containerStatuses"][0]["state"] = waiting("PodInitializing");
    for (sidecar, told) in [
        ("PodInitializing", "PodInitializing"),
        ("ImagePullBackOff", "ImagePullBackOff"),
        ("CrashLoopBackOff", "CrashLoopBackOff"),
    ] {
        object["status"]["initContainerStatuses"][0]["state"] = waiting(sidecar);
        let want = Stage::Waiting(Some(kept(told, "")));
        assert_eq!(view(&object).stage, want);
    }
}

#[test]
fn a_pod_that_crashes_has_started_and_one_whose_image_is_missing_has_not() {
    let state = "/status/containerStatuses/0/state";
    let crashes = with(state, json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    let mut comes = with(state, json!({"waiting": {"reason": "ErrImagePull"}}));
    comes["status"]["phase"] = json!("Pending");
    assert!(view(&crashes).started);
    assert!(!view(&comes).started);
}

#[test]
fn a_container_has_crashed_when_it_ends_and_not_when_kubelet_starts_it_again() {
    let container = "/status/containerStatuses/0/state";
    let first = "/status/initContainerStatuses/0/state";
    let ended = |code: i32| json!({"terminated": {"exitCode": code, "reason": "Error"}});
    let backs_off = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let cases = [
        (with(container, ended(1)), true),
        (with(container, ended(0)), true),
        (with(container, backs_off.clone()), true),
        (
            with(container, json!({"waiting": {"reason": "ErrImagePull"}})),
            false,
        ),
        // What goes first ends when all is well.
        (with(first, ended(0)), false),
        (with(first, ended(1)), true),
        (with(first, backs_off), true),
    ];
    for (object, down) in cases {
        let view = view(&object);
        assert_eq!(
            (view.down, view.crashes),
            (u32::from(down), 6 + u32::from(down)),
            "{object}"
        );
    }
    let mut beside = with(first, ended(0));
    beside["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
    assert_eq!(view(&beside).down, 1);
}

#[test]
fn what_kubelet_says_is_told_apart_from_what_others_make_of_its_silence() {
    let condition = "/status/conditions/1/status";
    let silent = view(&with(condition, json!("False")));
    assert_eq!((silent.ready, silent.unready), (false, 0));
    let said = view(&with("/status/containerStatuses/0/ready", json!(false)));
    assert_eq!(said.unready, 1);
}

#[test]
fn a_pod_that_has_ended_is_none() {
    for phase in ["Succeeded", "Failed"] {
        assert_eq!(
            read(pod, "v1", "Pod", &with("/status/phase", json!(phase))),
            None
        );
    }
}
