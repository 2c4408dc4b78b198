//! Changes workloads and pods through the API server. What is written, and when, is decided by those
//! who steer.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch};
use serde_json::{Value, json};

use super::call::{Failure, in_time, patching};
use super::objects::{PodView, Workload};
use super::seams::{Api, ApiError};

/// By this a `ReplicaSet` chooses which of its pods go first.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The API server.
#[derive(Clone)]
pub struct KubeApi {
    client: Client,
}

impl std::fmt::Debug for KubeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeApi").finish_non_exhaustive()
    }
}

impl KubeApi {
    /// Behind this client.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Api for KubeApi {
    async fn scale(&self, workload: &Workload, replicas: u32) -> Result<(), ApiError> {
        let (client, at) = (self.client.clone(), &workload.at);
        let resource = resource(workload);
        let api: kube::Api<DynamicObject> =
            kube::Api::namespaced_with(client, &at.namespace, &resource);
        if replicas > workload.replicas {
            let from = Seen {
                name: &at.name,
                uid: &at.uid,
                replicas: workload.replicas,
            };
            return raise(&api, from, replicas).await;
        }
        let patch = lower(workload, replicas);
        let done = in_time(api.patch_scale(&at.name, &patching(), &patch)).await;
        done.map(drop).map_err(|failure| failure.error)
    }

    /// Another pod that goes by the same name by now is a conflict.
    async fn set_deletion_cost(
        &self,
        namespace: &str,
        pod: &PodView,
        cost: Option<i32>,
    ) -> Result<(), ApiError> {
        let api: kube::Api<Pod> = kube::Api::namespaced(self.client.clone(), namespace);
        let cost = cost.map_or(Value::Null, |cost| cost.to_string().into());
        let patch = Patch::Merge(json!({
            "metadata": { "uid": &*pod.uid, "annotations": { DELETION_COST: cost } },
        }));
        let done = in_time(api.patch_metadata(&pod.name, &patching(), &patch)).await;
        done.map(drop).map_err(|failure| failure.error)
    }
}

/// A workload as it was seen when more was wanted of it.
pub(super) struct Seen<'a> {
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    pub(super) replicas: u32,
}

/// Asks for more, if the same workload still asks for as many as were seen; else it is a conflict. Its
/// version does not matter: its status changes all the time while pods start, and none of that is a
/// reason to wait.
pub(super) async fn raise(
    api: &kube::Api<DynamicObject>,
    from: Seen<'_>,
    replicas: u32,
) -> Result<(), ApiError> {
    // No number is how a scale subresource writes none.
    let seen = Some(from.replicas).filter(|seen| *seen > 0);
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": from.uid },
        { "op": "test", "path": "/spec/replicas", "value": seen },
        { "op": "add", "path": "/spec/replicas", "value": replicas },
    ]);
    let patch = Patch::Json::<Value>(serde_json::from_value(patch).expect("it is written as one"));
    let done = in_time(api.patch_scale(from.name, &patching(), &patch)).await;
    done.map(drop).map_err(|failure| match failure {
        Failure { status, .. } if is_failed_test(&failure.error, status) => ApiError::Conflict,
        failure => failure.error,
    })
}

/// Fewer, if nothing at all has changed: who goes depends on more than the number, a rollout that has
/// just begun among it. The scale subresource of every kind compares a `resourceVersion` in the patch
/// with that of the workload itself.
fn lower(workload: &Workload, replicas: u32) -> Patch<Value> {
    Patch::Merge(json!({
        "metadata": { "resourceVersion": &*workload.resource_version },
        "spec": { "replicas": replicas },
    }))
}

/// What the API server says of a JSON patch that does not apply, in these words since it knows them; a
/// number that it does not like is told in others, with the same status.
fn is_failed_test(error: &ApiError, status: Option<u16>) -> bool {
    const WORDS: &str = "the server rejected our request due to an error in our request";
    status == Some(422) && matches!(error, ApiError::Refused(words) if words.starts_with(WORDS))
}

fn resource(workload: &Workload) -> ApiResource {
    let (group, version) = match workload.at.api_version.split_once('/') {
        Some(both) => both,
        None => ("", &*workload.at.api_version),
    };
    let kind = GroupVersionKind::gvk(group, version, &workload.at.kind);
    ApiResource::from_gvk_with_plural(&kind, &workload.plural)
}

#[cfg(test)]
mod tests {
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
}
