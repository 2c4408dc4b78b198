//! Takes the deletion costs off pods that a gateway wrote there. What somebody else wrote stays.

use kube::api::{DynamicObject, ListParams, Patch};
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};

use super::super::call::{MANAGER, in_time, patching};
use super::super::objects::DELETION_COST;
use super::super::seams::ApiError;
use super::found::annotation;
use super::{PAGE, Release, named, pods};

impl Release<'_> {
    /// Takes our deletion costs off these pods.
    pub(super) async fn unmark(&mut self, namespace: Option<&str>, which: &ListParams) {
        let resource = pods();
        let api = match namespace {
            Some(namespace) => named(&self.client, namespace, &resource),
            None => kube::Api::all_with(self.client.clone(), &resource),
        };
        let mut page = which.clone().limit(PAGE);
        loop {
            let listed = match in_time(api.list_metadata(&page)).await {
                Ok(listed) => listed,
                Err(failure) => return self.failed("pods", failure.error),
            };
            let ours = listed.items.iter().filter(|pod| is_marked_by_us(pod));
            for pod in ours {
                self.unmark_one(pod).await;
            }
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => return,
            }
        }
    }

    async fn unmark_one(&mut self, pod: &PartialObjectMeta<DynamicObject>) {
        let meta = &pod.metadata;
        let name = meta.name.as_deref().unwrap_or_default();
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let told = format!("pod/{name} in {namespace}");
        let patch = Patch::Merge(json!({
            "metadata": { "uid": meta.uid, "annotations": { DELETION_COST: Value::Null } },
        }));
        let api = named(&self.client, namespace, &pods());
        match in_time(api.patch_metadata(name, &patching(), &patch)).await {
            Ok(_) => self.done(format!("{told}: deletion cost removed")),
            // Another by that name is one that nobody marked.
            Err(failure) if matches!(failure.error, ApiError::Gone | ApiError::Conflict) => {}
            Err(failure) => self.failed(told, failure.error),
        }
    }
}

/// Whether the deletion cost of a pod was written by a gateway: the API server keeps who wrote what.
fn is_marked_by_us(pod: &PartialObjectMeta<DynamicObject>) -> bool {
    if annotation(&pod.metadata, DELETION_COST).is_none() {
        return false;
    }
    let field = format!("f:{DELETION_COST}");
    let entries = pod.metadata.managed_fields.iter().flatten();
    let mut ours = entries.filter(|entry| entry.manager.as_deref() == Some(MANAGER));
    ours.any(|entry| {
        let fields = entry
            .fields_v1
            .as_ref()
            .map_or(&Value::Null, |fields| &fields.0);
        !fields["f:metadata"]["f:annotations"][&field].is_null()
    })
}
