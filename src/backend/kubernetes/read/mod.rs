//! What is kept of an object: from its JSON to the few facts that something is decided by. What is of
//! no use is dropped here, and whole objects are never held.

mod inference_service;
mod parts;
mod platform;
mod pod;
mod route;
mod said;
mod service;
mod slice;
mod stage;
mod steerer;
mod template;
#[cfg(test)]
mod tests;
mod workload;

use std::sync::Arc;

use super::inventory::facts::Fact;
use super::objects::ObjectRef;

pub(super) use inference_service::inference_service;
pub(super) use parts::{CLASS, ENABLED, EXTERNAL, Head, head};
pub(super) use platform::platform;
pub(super) use pod::pod;
pub(super) use route::route;
pub(super) use said::said;
pub(super) use service::service;
pub(super) use slice::slice;
pub(super) use steerer::{by_autoscaler, by_scaled_object};
pub(super) use workload::{is_inference_service, workload};

/// Which kind of object a text is: objects in a list do not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KindOf {
    /// `apps/v1`.
    pub(super) api_version: Arc<str>,
    /// `Deployment`.
    pub(super) kind: Arc<str>,
    /// `deployments`.
    pub(super) plural: Arc<str>,
}

impl KindOf {
    /// The group, empty for the oldest one.
    pub(super) fn group(&self) -> &str {
        group_of(&self.api_version)
    }

    fn at(&self, head: &Head) -> ObjectRef {
        ObjectRef {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            namespace: head.namespace.as_str().into(),
            name: head.name.as_str().into(),
            uid: head.uid.as_str().into(),
        }
    }
}

/// The group in an `apiVersion`.
pub(super) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Reads one kind of object; nothing where it is of no interest.
pub(super) type Reader = fn(&KindOf, &str) -> Result<Option<Fact>, serde_json::Error>;
