//! What becomes of a workload and of a pod that were changed meanwhile, and how a failure is told.

use std::time::SystemTime;

use super::super::objects::{LeavingOrder, ObjectRef, Selector, Stage, Template, samples};
use super::super::tests_server::{Fault, Server};
use super::*;

const PATH: &str = "/apis/apps/v1/namespaces/models/deployments/llama";
const POD: &str = "/api/v1/namespaces/models/pods/llama-1";

/// A workload that is there, as it was seen before anything else happened to it.
fn seen(server: &Server, api_version: &str, kind: &str, plural: &str) -> (String, Workload) {
    let path = match api_version {
        "v1" => format!("/api/v1/namespaces/models/{plural}/llama"),
        _ => format!("/apis/{api_version}/namespaces/models/{plural}/llama"),
    };
    server.put(
        &path,
        json!({ "metadata": { "name": "llama", "uid": "u" }, "spec": { "replicas": 1 } }),
    );
    let version = server.get(&path).unwrap()["metadata"]["resourceVersion"].clone();
    let workload = Workload {
        overdue: None,
        refused: None,
        at: ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: "models".into(),
            name: "llama".into(),
            uid: "u".into(),
        },
        plural: plural.into(),
        resource_version: version.as_str().unwrap().into(),
        created: SystemTime::UNIX_EPOCH,
        terminating: false,
        owner: None,
        labels: [].into(),
        annotations: [].into(),
        replicas: 1,
        selector: Selector::default(),
        template: Template::default(),
        leaving: LeavingOrder::DeletionCost,
        first_ordinal: 0,
        rolling: false,
    };
    (path, workload)
}

fn deployment(server: &Server) -> Workload {
    seen(server, "apps/v1", "Deployment", "deployments").1
}

fn pod(uid: &str) -> PodView {
    PodView {
        stage: Stage::Running,
        ready: true,
        ..samples::pod(uid, "llama-1", SystemTime::UNIX_EPOCH)
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_is_scaled_by_a_patch_of_its_scale_subresource() {
    for (version, kind, plural) in [
        ("apps/v1", "Deployment", "deployments"),
        ("apps/v1", "StatefulSet", "statefulsets"),
        (
            "leaderworkerset.x-k8s.io/v1",
            "LeaderWorkerSet",
            "leaderworkersets",
        ),
        ("v1", "ReplicationController", "replicationcontrollers"),
    ] {
        let server = Server::default();
        let (path, workload) = seen(&server, version, kind, plural);
        let api = KubeApi::new(server.client());
        assert_eq!(api.scale(&workload, 3).await, Ok(()), "{kind}");
        assert_eq!(server.calls(), [format!("PATCH {path}/scale")]);
        assert_eq!(server.get(&path).unwrap()["spec"]["replicas"], 3);
    }
}

/// What somebody else makes of the workload meanwhile.
fn changed(server: &Server, uid: &str, replicas: u32) {
    let status = json!({ "observedGeneration": 2 });
    server.put(
        PATH,
        json!({
            "metadata": { "name": "llama", "uid": uid },
            "spec": { "replicas": replicas },
            "status": status,
        }),
    );
}

fn replicas(server: &Server) -> Value {
    server.get(PATH).unwrap()["spec"]["replicas"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_status_that_changes_does_not_keep_a_workload_from_growing() {
    for from in [0, 1] {
        let server = Server::default();
        let mut workload = deployment(&server);
        workload.replicas = from;
        changed(&server, "u", from);
        let api = KubeApi::new(server.client());
        assert_eq!(api.scale(&workload, 3).await, Ok(()), "from {from}");
        assert_eq!(replicas(&server), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_was_changed_since_it_was_seen_is_not_raised() {
    for (seen, uid, by_now) in [(1, "u", 7), (0, "u", 7), (1, "u", 0), (1, "another", 1)] {
        let server = Server::default();
        let mut workload = deployment(&server);
        workload.replicas = seen;
        changed(&server, uid, by_now);
        let api = KubeApi::new(server.client());
        assert_eq!(api.scale(&workload, 3).await, Err(ApiError::Conflict));
        assert_eq!(replicas(&server), by_now);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_at_all_since_it_was_seen_is_not_lowered() {
    let server = Server::default();
    let workload = deployment(&server);
    changed(&server, "u", 1);
    let api = KubeApi::new(server.client());
    assert_eq!(api.scale(&workload, 0).await, Err(ApiError::Conflict));
    assert_eq!(replicas(&server), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_cost_is_written_and_taken_away_and_nothing_else_is_touched() {
    let server = Server::default();
    let others = json!({ "name": "llama-1", "uid": "1", "annotations": { "a": "b" } });
    server.put(POD, json!({ "metadata": others }));
    let api = KubeApi::new(server.client());
    let annotations = || server.get(POD).unwrap()["metadata"]["annotations"].clone();
    let set = async |cost| api.set_deletion_cost("models", &pod("1"), cost).await;
    assert_eq!(set(Some(-100)).await, Ok(()));
    assert_eq!(annotations(), json!({ "a": "b", DELETION_COST: "-100" }));
    assert_eq!(set(None).await, Ok(()));
    assert_eq!(annotations(), json!({ "a": "b" }));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_only_has_the_name_of_the_one_meant_is_left_alone() {
    let server = Server::default();
    server.put(
        POD,
        json!({ "metadata": { "name": "llama-1", "uid": "2" } }),
    );
    let api = KubeApi::new(server.client());
    let set = api.set_deletion_cost("models", &pod("1"), Some(5)).await;
    assert_eq!(set, Err(ApiError::Conflict));
    assert_eq!(
        server.get(POD).unwrap()["metadata"]["annotations"],
        Value::Null
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_by_what_can_be_done_about_it() {
    let words = || "because".to_owned();
    let refused = || ApiError::Refused(words());
    let away = |why: &str| ApiError::Unreachable(why.to_owned());
    for (fault, want) in [
        (Fault::Refuse(409, "because"), ApiError::Conflict),
        (Fault::Refuse(404, "because"), ApiError::Gone),
        (Fault::Refuse(403, "because"), ApiError::Forbidden(words())),
        (Fault::Refuse(422, "because"), refused()),
        (Fault::Refuse(429, "because"), refused()),
        (Fault::Refuse(500, "because"), refused()),
        (Fault::Refuse(503, "because"), refused()),
        (Fault::Away, away("nobody listens")),
        (Fault::Hang, away("no answer within 3s")),
    ] {
        let server = Server::default();
        let workload = deployment(&server);
        server.fail(fault);
        let begun = crate::sync::now();
        let failed = KubeApi::new(server.client()).scale(&workload, 3).await;
        assert_eq!(failed, Err(want));
        let took = crate::sync::now().saturating_duration_since(begun);
        assert!(took <= super::super::call::LONGEST, "{took:?}");
        assert_eq!(server.calls().len(), 1, "it is tried once");
    }
}
