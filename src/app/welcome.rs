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
        let lone = config.revisions.len() == 1;
        let keyed = !config.api_keys.is_empty();
        tracing::info!("try: {}", example(first, lone, keyed, listen));
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

/// A request that a newcomer can paste; of an API key only a hash is known here.
fn example(revision: &RevisionConfig, lone: bool, keyed: bool, listen: SocketAddr) -> String {
    let spec = &revision.spec;
    // Not whether it is ready: that is answered without starting it.
    let path = spec.models.first().map_or_else(
        || "/".to_owned(),
        |model| format!("/v1/models/{model}:predict"),
    );
    let body = if spec.models.is_empty() {
        ""
    } else {
        "-d '{}' "
    };
    let named = spec
        .hosts
        .first()
        .filter(|_| !lone && spec.models.is_empty());
    let host = named
        .map(|host| format!("-H 'Host: {host}' "))
        .unwrap_or_default();
    let key = if keyed {
        "-H 'Authorization: Bearer KEY' "
    } else {
        ""
    };
    format!("curl {host}{key}{body}http://{listen}{path}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Overrides, load_text};

    #[test]
    fn the_example_has_what_the_gate_asks_for() {
        let check = |file: &str, want: &str| {
            let file = format!(
                "{file}\nrevisions: [{{ name: m, models: [m], process: {{ command: [serve] }} }}]\n"
            );
            let config = load_text(Path::new("a.yaml"), &file, &Overrides::default());
            let config = config.expect("it is sound");
            let listen = "127.0.0.1:80".parse().expect("an address");
            let keyed = !config.api_keys.is_empty();
            let told = example(&config.revisions[0], true, keyed, listen);
            assert_eq!(told, want);
        };
        check("", "curl -d '{}' http://127.0.0.1:80/v1/models/m:predict");
        let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        check(
            &format!("apiKeys: [{{ name: a, sha256: {digest} }}]"),
            "curl -H 'Authorization: Bearer KEY' -d '{}' http://127.0.0.1:80/v1/models/m:predict",
        );
    }
}
