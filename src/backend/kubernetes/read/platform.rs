//! `KServe`'s own settings, as far as they are about us: its ConfigMap `inferenceservice-config`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::inventory::facts::{Fact, Platform};
use super::KindOf;
use super::inference_service::todays_mode;

#[derive(Deserialize)]
struct Raw {
    data: Option<BTreeMap<String, String>>,
}

/// The domain of hosts and the usual deployment mode. A value that cannot be read is none: `KServe`
/// complains of it itself.
pub(in super::super) fn platform(
    _: &KindOf,
    text: &str,
) -> Result<Option<Fact>, serde_json::Error> {
    let Raw { data } = serde_json::from_str(text)?;
    let data = data.unwrap_or_default();
    let written = |page: &str, key: &str| {
        let page: Value = serde_json::from_str(data.get(page)?).ok()?;
        let value = page.get(key)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let mode = written("deploy", "defaultDeploymentMode");
    Ok(Some(Fact::Platform(Platform {
        domain: written("ingress", "ingressDomain"),
        mode: mode.map(|mode| todays_mode(&mode).to_owned()),
    })))
}
