//! Pods.

use std::sync::Arc;

use serde::Deserialize;

use super::super::inventory::facts::{Fact, Pod};
use super::super::objects::{DELETION_COST, PodView};
use super::stage::{Status, down, is_initializing, is_ready, restarts, stage, unready};
use super::{Head, KindOf};

#[derive(Deserialize)]
struct Raw {
    metadata: Head,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    node_name: Option<String>,
    init_containers: Option<Vec<InitContainer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitContainer {
    name: String,
    restart_policy: Option<String>,
}

impl Spec {
    pub(super) fn is_scheduled(&self) -> bool {
        self.node_name.as_ref().is_some_and(|node| !node.is_empty())
    }

    /// An init container that keeps running beside the others, instead of going before them.
    pub(super) fn stays(&self, container: &str) -> bool {
        let mut named = self.init_containers.iter().flatten();
        named.any(|it| it.name == container && it.restart_policy.as_deref() == Some("Always"))
    }
}

/// A pod; nothing once it has ended.
pub(in super::super) fn pod(_: &KindOf, text: &str) -> Result<Option<Fact>, serde_json::Error> {
    let Raw {
        metadata: mut head,
        spec,
        status,
    } = serde_json::from_str(text)?;
    let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
    if status.has_ended() {
        return Ok(None);
    }
    let down = down(&spec, &status);
    let view = PodView {
        node_word: None,
        volume_word: None,
        uid: head.uid.as_str().into(),
        name: head.name.as_str().into(),
        created: head.created(),
        ip: status.ip(),
        stage: stage(&spec, &status),
        started: status.has_started(),
        initializing: is_initializing(&spec, &status),
        ready: is_ready(&status),
        unready: unready(&status),
        terminating: head.terminating(),
        restarts: restarts(&status),
        crashes: status.begun_again().saturating_add(down),
        down,
        deletion_cost: head
            .annotation(DELETION_COST)
            .and_then(|cost| cost.parse().ok()),
        node: spec
            .node_name
            .filter(|node| !node.is_empty())
            .map(Into::into),
    };
    Ok(Some(Fact::Pod(Pod {
        labels: Arc::new(head.take_labels()),
        view: Arc::new(view),
    })))
}
