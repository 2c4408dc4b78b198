//! The first lines a person reads: where to knock, what is behind it, and a command that works.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::config::{Config, RevisionConfig};
use crate::revision::RevisionSpec;

/// Says that the gate is open.
pub(super) fn greet(config: &Config, listen: SocketAddr, admin: Option<SocketAddr>) {
    let admin = admin.map_or("no admin port".to_owned(), |admin| {
        format!("admin on http://{admin}")
    });
    tracing::info!("listening on http://{listen}, {admin}");
    for revision in &config.revisions {
        tracing::info!("{}", describe(&revision.spec));
    }
    if let Some(first) = config.revisions.first() {
        tracing::info!(
            "try: {}",
            example(first, config.revisions.len() == 1, listen)
        );
    }
}

fn describe(spec: &RevisionSpec) -> String {
    let scaling = &spec.scaling;
    let most = scaling
        .max_replicas
        .map_or("any number of".to_owned(), |most| most.to_string());
    let mut text = format!("{}: {} to {most} replicas", spec.id, scaling.min_replicas);
    if spec.container_concurrency.written() > 0 {
        let _ = write!(
            text,
            ", at most {} requests each",
            spec.container_concurrency.written()
        );
    }
    if !spec.hosts.is_empty() {
        let _ = write!(text, ", hosts {}", spec.hosts.join(" "));
    }
    if !spec.models.is_empty() {
        let _ = write!(text, ", models {}", spec.models.join(" "));
    }
    text
}

/// A request that a newcomer can paste.
fn example(revision: &RevisionConfig, lone: bool, listen: SocketAddr) -> String {
    let spec = &revision.spec;
    let readiness = revision
        .process
        .as_ref()
        .and_then(|process| process.readiness.path.clone());
    let model = spec
        .models
        .first()
        .map(|model| format!("/v1/models/{model}"));
    let path = readiness.or(model).unwrap_or_else(|| "/".to_owned());
    let named = spec
        .hosts
        .first()
        .filter(|_| !lone && spec.models.is_empty());
    let host = named
        .map(|host| format!("-H 'Host: {host}' "))
        .unwrap_or_default();
    format!("curl {host}http://{listen}{path}")
}
