//! Our own `EndpointSlices`: where the gateways listen for callers of a Service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use super::super::doors::facts::{Family, SERVICE_NAME, SlicePort, SliceView};
use super::super::inventory::facts::Fact;
use super::{Head, KindOf};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    metadata: Head,
    address_type: String,
    ports: Option<Vec<RawPort>>,
    endpoints: Option<Vec<Endpoint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort {
    name: Option<String>,
    port: Option<i32>,
    app_protocol: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    addresses: Vec<String>,
    node_name: Option<Arc<str>>,
}

/// A slice of ours that belongs to a Service.
pub(in super::super) fn slice(
    kind: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
    let raw: Raw = serde_json::from_str(text)?;
    let head = &raw.metadata;
    let (Some(service), Some(family)) =
        (head.label(SERVICE_NAME), Family::named(&raw.address_type))
    else {
        return Ok(None);
    };
    let port = |port: RawPort| {
        Some(SlicePort {
            name: port.name.filter(|name| !name.is_empty()),
            number: u16::try_from(port.port?).ok()?,
            app_protocol: port.app_protocol,
        })
    };
    let (mut addresses, mut nodes) = (BTreeSet::new(), BTreeMap::new());
    for endpoint in raw.endpoints.into_iter().flatten() {
        let parsed = endpoint.addresses.iter().filter_map(|it| it.parse().ok());
        for ip in parsed {
            addresses.insert(ip);
            nodes.extend(endpoint.node_name.clone().map(|node| (ip, node)));
        }
    }
    Ok(Some(Fact::Slice(SliceView {
        at: kind.at(head),
        resource_version: head.resource_version.as_str().into(),
        created: head.created(),
        service: service.into(),
        owner: head.owned_by("Service"),
        family,
        ports: raw.ports.into_iter().flatten().filter_map(port).collect(),
        addresses,
        nodes,
    })))
}
