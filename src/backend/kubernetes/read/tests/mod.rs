//! Objects as a cluster tells them, and what is kept of them.

mod inference_services;
mod initializing;
mod others;
mod pods;
mod probes;
mod said;
mod workloads;

use serde_json::Value;

use super::{KindOf, Reader};
use crate::backend::kubernetes::inventory::facts::Fact;

/// What a reader keeps of an object, which does not say its own kind, as in a list.
fn read(reader: Reader, api_version: &str, kind: &str, object: &Value) -> Option<Fact> {
    let kind = KindOf {
        api_version: api_version.into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()).into(),
    };
    reader(&kind, &object.to_string()).expect("it can be read")
}
