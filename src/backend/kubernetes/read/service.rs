//! Services: by which names somebody reaches the pods.

use std::sync::Arc;

use serde::Deserialize;

use super::super::inventory::facts::{Fact, Labels, Service};
use super::super::objects::Port;
use super::workload::is_inference_service;
use super::{Head, KindOf};

#[derive(Deserialize)]
struct Raw {
    metadata: Head,
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
struct Spec {
    selector: Option<Labels>,
    ports: Option<Vec<RawPort>>,
}

#[derive(Deserialize)]
struct RawPort {
    name: Option<String>,
    port: i32,
}

/// A Service that leads to pods by their labels, or that `KServe` made.
pub(in super::super) fn service(_: &KindOf, text: &str) -> Result<Option<Fact>, serde_json::Error> {
    let Raw {
        metadata: head,
        spec,
    } = serde_json::from_str(text)?;
    let spec = spec.unwrap_or_default();
    let owner: Option<Arc<str>> = head.owner().filter(is_inference_service).map(|it| it.uid);
    let selector = spec.selector.unwrap_or_default();
    if selector.is_empty() && owner.is_none() {
        return Ok(None);
    }
    let ports = spec.ports.into_iter().flatten().filter_map(|port| {
        let name = port.name.filter(|name| !name.is_empty());
        Some(Port {
            name,
            number: u16::try_from(port.port).ok()?,
        })
    });
    Ok(Some(Fact::Service(Service {
        selector,
        ports: ports.collect(),
        owner,
        component: head.label("component").map(str::to_owned),
    })))
}
