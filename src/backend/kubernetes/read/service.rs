//! Services: by which names somebody reaches the pods, and by which way.

use std::sync::Arc;

use serde::Deserialize;

use super::super::doors::facts::{
    Family, SELECTOR, ServicePort, ServiceView, Target, parse_selector,
};
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
#[serde(rename_all = "camelCase")]
struct Spec {
    selector: Option<Labels>,
    ports: Option<Vec<RawPort>>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    ip_families: Option<Vec<String>>,
    internal_traffic_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort {
    name: Option<String>,
    port: i32,
    target_port: Option<RawTarget>,
    app_protocol: Option<String>,
    protocol: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawTarget {
    Number(i32),
    Name(String),
}

/// A Service that leads to pods by their labels, or that `KServe` made.
pub(in super::super) fn service(
    kind: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
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
    let ports = spec.ports.into_iter().flatten().filter_map(port);
    let families = spec.ip_families.into_iter().flatten();
    let view = ServiceView {
        at: kind.at(&head),
        resource_version: head.resource_version.as_str().into(),
        selector,
        kept: head.annotation(SELECTOR).and_then(parse_selector),
        headless: spec.cluster_ip.as_deref() == Some("None"),
        local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        families: families.filter_map(|name| Family::named(&name)).collect(),
        ports: ports.collect(),
        made: owner.is_some(),
    };
    let ports = view.ports.iter().map(|port| Port {
        name: port.name.clone(),
        number: port.number,
    });
    Ok(Some(Fact::Service(Service {
        selector: view.effective(),
        ports: ports.collect(),
        owner,
        component: head.label("component").map(str::to_owned),
        view: Arc::new(view),
    })))
}

fn port(raw: RawPort) -> Option<ServicePort> {
    let number = u16::try_from(raw.port).ok()?;
    let target = match raw.target_port {
        None | Some(RawTarget::Number(0)) => Target::Number(number),
        Some(RawTarget::Number(target)) => Target::Number(u16::try_from(target).ok()?),
        Some(RawTarget::Name(name)) => Target::Name(name),
    };
    Some(ServicePort {
        name: raw.name.filter(|name| !name.is_empty()),
        number,
        target,
        app_protocol: raw.app_protocol,
        tcp: raw.protocol.is_none_or(|protocol| protocol == "TCP"),
    })
}
