//! What has a scale subresource: Deployments, `StatefulSets` and what else was named.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

use super::super::inventory::facts::Fact;
use super::super::objects::{
    LeavingOrder, ObjectRef, Obstruction, Requirement, Selector, Workload,
};
use super::parts::ENABLED;
use super::template::RawTemplate;
use super::{Head, KindOf, group_of};

#[derive(Deserialize)]
struct Raw {
    metadata: Head,
    spec: Option<RawSpec>,
    status: Option<RawStatus>,
}

#[derive(Default, Deserialize)]
struct RawSpec {
    replicas: Option<i64>,
    // Read by hand: what other kinds call a selector may be anything.
    selector: Option<Value>,
    template: Option<RawTemplate>,
    // Read by hand as well.
    ordinals: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawStatus {
    observed_generation: Value,
    replicas: Option<i64>,
    updated_replicas: Option<i64>,
    current_revision: Option<String>,
    update_revision: Option<String>,
    selector: Option<Value>,
    // Read by hand: other kinds may keep anything there.
    conditions: Option<Value>,
}

/// A workload that may be ours: one that says so itself, or that `KServe` made.
pub(in super::super) fn workload(
    kind: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
    let Raw {
        metadata: mut head,
        spec,
        status,
    } = serde_json::from_str(text)?;
    let owner = head.owner();
    let enabled = head.annotation(ENABLED) == Some("true");
    if !enabled && !owner.as_ref().is_some_and(is_inference_service) {
        return Ok(None);
    }
    let status = status.unwrap_or_default();
    let rolling = is_rolling(kind, &head, &status);
    let spec = spec.unwrap_or_default();
    Ok(Some(Fact::Workload(Box::new(Workload {
        refused: condition(&status, "ReplicaFailure", "True", "FailedCreate"),
        overdue: condition(&status, "Progressing", "False", "ProgressDeadlineExceeded"),
        at: kind.at(&head),
        plural: kind.plural.clone(),
        resource_version: head.resource_version.as_str().into(),
        created: head.created(),
        terminating: head.terminating(),
        owner,
        labels: head.take_labels(),
        annotations: head.take_annotations(),
        replicas: spec.replicas.map_or(1, |n| u32::try_from(n).unwrap_or(0)),
        selector: spec
            .selector
            .and_then(written)
            .or_else(|| status.selector.and_then(written))
            .unwrap_or_default(),
        template: spec.template.unwrap_or_default().read(),
        leaving: leaving(kind),
        first_ordinal: spec.ordinals.map_or(0, |ordinals| start(&ordinals)),
        rolling,
    }))))
}

/// What a controller says of what it does, where it says this of it.
fn condition(status: &RawStatus, kind: &str, holds: &str, reason: &str) -> Option<Obstruction> {
    let says = |it: &&Value| it["type"] == kind && it["status"] == holds && it["reason"] == reason;
    let condition = status.conditions.as_ref()?.as_array()?.iter().find(says)?;
    Some(Obstruction {
        reason: reason.to_owned(),
        message: condition["message"].as_str().unwrap_or_default().to_owned(),
    })
}

/// Whether an owner is an `InferenceService`, of whichever group.
pub(in super::super) fn is_inference_service(owner: &ObjectRef) -> bool {
    let group = group_of(&owner.api_version);
    &*owner.kind == "InferenceService"
        && (group == "serving.kserve.io" || group == "serving.kubeflow.org")
}

fn leaving(kind: &KindOf) -> LeavingOrder {
    match (kind.group(), &*kind.kind) {
        ("apps", "Deployment" | "ReplicaSet") | ("", "ReplicationController") => {
            LeavingOrder::DeletionCost
        }
        ("apps", "StatefulSet") => LeavingOrder::Ordinal,
        _ => LeavingOrder::Unknown,
    }
}

fn start(ordinals: &Value) -> u32 {
    let start = ordinals.get("start").and_then(Value::as_u64);
    start.map_or(0, |start| u32::try_from(start).unwrap_or(0))
}

/// Pods of two templates are there, or the controller has not yet looked whether they are. Also true
/// for a moment after its number was changed.
fn is_rolling(kind: &KindOf, head: &Head, status: &RawStatus) -> bool {
    // A number with most kinds, a text with some.
    let observed = match &status.observed_generation {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    if observed.is_some_and(|observed| observed < head.generation) {
        return true;
    }
    let one_template =
        status.update_revision.is_some() && status.update_revision == status.current_revision;
    let there = status.replicas.unwrap_or(0);
    // Zero is left out by those that count, and others do not count.
    let uncounted = if kind.group() == "apps" { 0 } else { there };
    let updated = status.updated_replicas.unwrap_or(uncounted);
    !one_template && updated < there
}

/// A selector as an object, or as the text that a scale subresource has.
fn written(selector: Value) -> Option<Selector> {
    match selector {
        // A set in parentheses has commas in it: whoever reads half of it selects too much.
        Value::String(text) if text.contains('(') => None,
        Value::String(text) => Some(Selector(text.split(',').filter_map(term).collect())),
        object => of_object(serde_json::from_value(object).ok()?),
    }
    .filter(|selector| !selector.0.is_empty())
}

fn of_object(selector: LabelSelector) -> Option<Selector> {
    let labels = selector.match_labels.into_iter().flatten();
    let equal = labels.map(|(name, value)| Some(Requirement::In(name, vec![value])));
    let expressions = selector.match_expressions.into_iter().flatten().map(|it| {
        let values = it.values.unwrap_or_default();
        match it.operator.as_str() {
            "In" => Some(Requirement::In(it.key, values)),
            "NotIn" => Some(Requirement::NotIn(it.key, values)),
            "Exists" => Some(Requirement::Exists(it.key)),
            "DoesNotExist" => Some(Requirement::Absent(it.key)),
            _ => None,
        }
    });
    // A requirement that nobody understands must not be left out: less of them match more pods.
    equal
        .chain(expressions)
        .collect::<Option<_>>()
        .map(Selector)
}

/// `app=flowers`, `app!=flowers`, `app` or `!app`.
fn term(text: &str) -> Option<Requirement> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if let Some((name, value)) = text.split_once("!=") {
        return Some(Requirement::NotIn(name.into(), vec![value.into()]));
    }
    if let Some((name, value)) = text.split_once('=') {
        let value = value.trim_start_matches('=');
        return Some(Requirement::In(name.into(), vec![value.into()]));
    }
    Some(text.strip_prefix('!').map_or_else(
        || Requirement::Exists(text.into()),
        |name| Requirement::Absent(name.into()),
    ))
}
