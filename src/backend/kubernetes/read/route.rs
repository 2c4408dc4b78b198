//! `HTTPRoutes` that bound how long a request takes.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::super::inventory::facts::{Fact, Leg, Route};
use super::{Head, KindOf};

#[derive(Deserialize)]
struct Raw {
    metadata: Head,
    spec: Option<Spec>,
}

#[derive(Default, Deserialize)]
struct Spec {
    hostnames: Option<Vec<String>>,
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    timeouts: Option<Timeouts>,
    backend_refs: Option<Vec<Backend>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timeouts {
    request: Option<String>,
    backend_request: Option<String>,
}

#[derive(Deserialize)]
struct Backend {
    group: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: String,
}

/// A route with a timeout; nothing where it has none.
pub(in super::super) fn route(
    kind: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
    let Raw {
        metadata: head,
        spec,
    } = serde_json::from_str(text)?;
    let spec = spec.unwrap_or_default();
    let at = kind.at(&head);
    let legs = spec.rules.into_iter().flatten().filter_map(|rule| {
        Some(Leg {
            timeout: rule.timeouts.as_ref().and_then(shortest)?,
            to: services(rule.backend_refs, &at.namespace),
        })
    });
    let legs: Vec<Leg> = legs.collect();
    if legs.is_empty() {
        return Ok(None);
    }
    Ok(Some(Fact::Route(Route {
        owner: head.owner().map(|owner| owner.uid),
        hostnames: spec.hostnames.unwrap_or_default(),
        legs,
        at,
    })))
}

fn services(backends: Option<Vec<Backend>>, home: &Arc<str>) -> Vec<(Arc<str>, Arc<str>)> {
    let is_service = |it: &Backend| {
        it.kind.as_deref().is_none_or(|kind| kind == "Service")
            && it.group.as_deref().is_none_or(str::is_empty)
    };
    let services = backends.into_iter().flatten().filter(is_service);
    let at = services.map(|it| {
        let namespace = it.namespace.filter(|namespace| !namespace.is_empty());
        (
            namespace.map_or_else(|| home.clone(), Into::into),
            it.name.into(),
        )
    });
    at.collect()
}

/// The shorter of what it grants the whole request and one attempt at it. Zero is no bound.
fn shortest(timeouts: &Timeouts) -> Option<Duration> {
    let written = [&timeouts.request, &timeouts.backend_request];
    let bounds = written.into_iter().flatten().filter_map(|it| duration(it));
    bounds.filter(|bound| !bound.is_zero()).min()
}

/// A duration as the Gateway API writes it: `60s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let more = match &unit[..end] {
            "h" => Duration::from_secs(amount.checked_mul(3600)?),
            "m" => Duration::from_secs(amount.checked_mul(60)?),
            "s" => Duration::from_secs(amount),
            "ms" => Duration::from_millis(amount),
            _ => return None,
        };
        sum = sum.checked_add(more)?;
        rest = &unit[end..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_gateway_api_writes_them() {
        let cases = [
            ("60s", Some(60_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("1h", Some(3_600_000)),
            ("0s", Some(0)),
            ("60", None),
            ("s", None),
            ("1d", None),
        ];
        for (text, want) in cases {
            assert_eq!(duration(text), want.map(Duration::from_millis), "{text}");
        }
    }
}
