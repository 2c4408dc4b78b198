//! Who else changes numbers of replicas.

use serde::Deserialize;

use super::super::inventory::facts::{Fact, Steerer};
use super::{Head, KindOf, group_of};

#[derive(Deserialize)]
struct Raw {
    metadata: Head,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    scale_target_ref: Option<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    api_version: Option<String>,
    kind: Option<String>,
    name: String,
}

/// A `HorizontalPodAutoscaler` or Knative's `PodAutoscaler`, which say what kind they steer.
pub(in super::super) fn by_autoscaler(
    kind: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
    steerer(kind, text, |target| target.api_version.clone())
}

/// A `ScaledObject`, which means a Deployment where it does not say what.
pub(in super::super) fn by_scaled_object(
    kind: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
    steerer(kind, text, |target| {
        let written = target.api_version.clone().filter(|it| !it.is_empty());
        Some(written.unwrap_or_else(|| "apps/v1".to_owned()))
    })
}

fn steerer(
    kind: &KindOf,
    text: &str,
    api_version: fn(&Target) -> Option<String>,
) -> Result<Option<Fact>, serde_json::Error> {
    let Raw {
        metadata: head,
        spec,
    } = serde_json::from_str(text)?;
    let Some(target) = spec.and_then(|spec| spec.scale_target_ref) else {
        return Ok(None);
    };
    let group = api_version(&target).filter(|it| !it.is_empty());
    let of = target.kind.filter(|kind| !kind.is_empty());
    Ok(Some(Fact::Steerer(Steerer {
        at: kind.at(&head),
        group: group.map(|it| group_of(&it).to_owned()),
        kind: of.unwrap_or_else(|| "Deployment".to_owned()),
        name: target.name,
    })))
}
