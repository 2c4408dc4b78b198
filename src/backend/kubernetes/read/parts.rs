//! What objects of every kind have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::inventory::facts::Labels;
use super::super::objects::ObjectRef;

/// As much of an object's metadata as somebody decides by.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Head {
    pub(in super::super) name: String,
    #[serde(default)]
    pub(in super::super) namespace: String,
    #[serde(default)]
    pub(super) uid: String,
    #[serde(default)]
    pub(in super::super) resource_version: String,
    #[serde(default)]
    pub(super) generation: i64,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<IgnoredAny>,
    labels: Option<Labels>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
    controller: Option<bool>,
}

/// An object of which only the metadata matters.
#[derive(Deserialize)]
struct Headed {
    metadata: Head,
}

/// The metadata of whatever kind of object.
pub(in super::super) fn head(text: &str) -> Result<Head, serde_json::Error> {
    serde_json::from_str::<Headed>(text).map(|it| it.metadata)
}

impl Head {
    pub(super) fn created(&self) -> SystemTime {
        let written = self.creation_timestamp.as_ref();
        written.map_or(SystemTime::UNIX_EPOCH, |time| time.0.into())
    }

    pub(super) fn terminating(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.as_ref()?.get(name).map(String::as_str)
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }

    pub(super) fn take_labels(&mut self) -> Labels {
        self.labels.take().unwrap_or_default()
    }

    /// Without what `kubectl apply` keeps there, a second copy of the whole object.
    pub(super) fn take_annotations(&mut self) -> BTreeMap<String, String> {
        let mut annotations = self.annotations.take().unwrap_or_default();
        annotations.remove(LAST_APPLIED);
        annotations
    }

    /// The UID of what it goes with, where that is of this kind.
    pub(super) fn owned_by(&self, kind: &str) -> Option<Arc<str>> {
        let mut owners = self.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.kind == kind)?;
        Some(owner.uid.as_str().into())
    }

    /// The controller that made it.
    pub(super) fn owner(&self) -> Option<ObjectRef> {
        let mut owners = self.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true))?;
        Some(ObjectRef {
            api_version: owner.api_version.as_str().into(),
            kind: owner.kind.as_str().into(),
            namespace: self.namespace.as_str().into(),
            name: owner.name.as_str().into(),
            uid: owner.uid.as_str().into(),
        })
    }
}

/// Where `kubectl apply` keeps what it was given.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What opts a workload in, or an `InferenceService` out.
pub(in super::super) const ENABLED: &str = "holdgate.dev/enabled";
/// Who scales what an `InferenceService` consists of.
pub(in super::super) const CLASS: &str = "serving.kserve.io/autoscalerClass";
/// The class under which it leaves that to us.
pub(in super::super) const EXTERNAL: &str = "external";
