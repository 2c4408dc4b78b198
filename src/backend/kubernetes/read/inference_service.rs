//! `InferenceServices`, of both groups. What their settings mean is read elsewhere; here is only found
//! out whether they are ours and what they consist of.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::claim::Component;
use super::super::inventory::facts::{Fact, InferenceService, Part, Word};
use super::parts::{CLASS, ENABLED, LAST_APPLIED};
use super::{Head, KindOf};

const MODE: &str = "serving.kserve.io/deploymentMode";
const STOP: &str = "serving.kserve.io/stop";
const OURS: &str = "holdgate.dev/";

/// What in the metadata of an object changes by itself, and means nothing to a reader of settings.
const PASSING: [&str; 2] = ["managedFields", "resourceVersion"];

/// An `InferenceService`, whoever scales it.
pub(in super::super) fn inference_service(
    kind: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
    let mut document: Value = serde_json::from_str(text)?;
    let head = Head::deserialize(&document["metadata"])?;
    let status = document.as_object_mut().and_then(|it| it.remove("status"));
    strip(&mut document, kind);
    let said = status
        .as_ref()
        .and_then(|status| status["deploymentMode"].as_str());
    let mode = head
        .annotation(MODE)
        .or(said)
        .filter(|mode| !mode.is_empty());
    Ok(Some(Fact::InferenceService(InferenceService {
        at: kind.at(&head),
        created: head.created(),
        mode: mode.map(|mode| todays_mode(mode).to_owned()),
        stopped: head.annotation(STOP).is_some_and(is_true),
        word: word(&head, &document),
        parts: parts(&head, &document),
        document: Arc::new(document),
    })))
}

/// As `KServe` reads it.
fn is_true(written: &str) -> bool {
    written.eq_ignore_ascii_case("true")
}

/// The name that a deployment mode has today.
pub(super) fn todays_mode(written: &str) -> &str {
    match written {
        "RawDeployment" => "Standard",
        "Serverless" => "Knative",
        other => other,
    }
}

/// Objects in a list do not say what they are; whoever reads the settings wants to know it.
fn strip(document: &mut Value, kind: &KindOf) {
    document["apiVersion"] = Value::from(&*kind.api_version);
    document["kind"] = Value::from(&*kind.kind);
    let Some(metadata) = document["metadata"].as_object_mut() else {
        return;
    };
    for passing in PASSING {
        metadata.remove(passing);
    }
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
}

/// Whether it speaks of us, in its own annotations or in those of a component.
fn word(head: &Head, document: &Value) -> Word {
    match head.annotation(ENABLED) {
        Some("false") => return Word::Refused,
        Some(_) => return Word::Ours,
        None => {}
    }
    let own = document.pointer("/metadata/annotations");
    let inner = Component::ALL.map(|part| document["spec"][part.as_str()].get("annotations"));
    let speaks = |all: &Map<String, Value>| all.keys().any(|key| key.starts_with(OURS));
    let mut places = inner
        .into_iter()
        .chain([own])
        .flatten()
        .filter_map(Value::as_object);
    if places.any(speaks) {
        Word::Ours
    } else {
        Word::None
    }
}

fn parts(head: &Head, document: &Value) -> Vec<Part> {
    let spec = &document["spec"];
    let part = |component: Component| {
        let word = component.as_str();
        let written = spec.get(word).filter(|it| it.is_object())?;
        let inner = written.get("annotations").and_then(|all| all.get(CLASS));
        let class = inner
            .and_then(Value::as_str)
            .or_else(|| head.annotation(CLASS));
        let infix = match component {
            Component::Predictor => written.get("name").and_then(Value::as_str),
            Component::Transformer | Component::Explainer => None,
        };
        let infix = infix.filter(|name| !name.is_empty());
        let name = &head.name;
        Some(Part {
            component,
            expected: infix.map_or_else(
                || format!("{name}-{word}"),
                |infix| format!("{name}-{infix}-{word}"),
            ),
            class: class.map(str::to_owned),
        })
    };
    Component::ALL.into_iter().filter_map(part).collect()
}
