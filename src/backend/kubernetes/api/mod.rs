//! Changes workloads and pods through the API server. What is written, and when, is decided by those
//! who steer.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{ApiResource, DynamicObject, Patch};
use serde_json::{Value, json};

use super::call::{Failure, in_time, kind_of, patching};
use super::objects::{DELETION_COST, PodView, Workload};
use super::seams::{Api, ApiError};

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
    let at = &workload.at;
    kind_of(&at.api_version, &at.kind, &workload.plural)
}

#[cfg(test)]
mod tests;
