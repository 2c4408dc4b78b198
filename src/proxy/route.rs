//! The first step: which revision a request is for.

use std::sync::Arc;

use http::header::{HOST, HeaderName};
use http::uri::Authority;
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;

use super::error::Refusal;
use super::{Registry, Revision};
use crate::registry::Behind;

static ISVC_NAME: HeaderName = HeaderName::from_static("kserve-isvc-name");
static ISVC_NAMESPACE: HeaderName = HeaderName::from_static("kserve-isvc-namespace");

/// A request with its revision.
#[derive(Debug)]
pub(super) struct Routed {
    /// Whose request it is.
    pub(super) revision: Arc<Revision>,
    /// The request as it came.
    pub(super) request: Request<Incoming>,
}

/// Finds the revision: of a door that is one's own, that one, whatever the request says. Else what
/// it says decides.
pub(super) fn route(
    registry: &Registry,
    door: Option<u16>,
    request: Request<Incoming>,
) -> Result<Routed, Refusal> {
    let found = match door.map(|number| registry.by_port(number)) {
        None | Some(Behind::Everybody) => asked_for(registry, &request),
        Some(Behind::Revision(revision)) => Some(revision),
        Some(Behind::Nobody) => None,
    };
    match found {
        // A tunnel has no path to be routed by, and we make none.
        Some(revision) if request.method() != Method::CONNECT => Ok(Routed { revision, request }),
        _ => Err(Refusal::NoRoute {
            host: host(&request).unwrap_or_default().to_owned(),
            path: request.uri().path().to_owned(),
        }),
    }
}

/// The only one there is takes everything; of several, the one of the exact host, then the one that
/// `KServe`'s routes name, then the one of the model in the path.
fn asked_for<B>(registry: &Registry, request: &Request<B>) -> Option<Arc<Revision>> {
    registry.lone().or_else(|| {
        host(request)
            .and_then(|host| by_host(registry, host))
            .or_else(|| by_headers(registry, request.headers()))
            .or_else(|| by_model(registry, model(request.uri().path())?))
    })
}

/// The host a client asked for, without its port. An absolute target wins over the header
/// (RFC 9112, 3.2.2).
fn host<B>(request: &Request<B>) -> Option<&str> {
    let header = || {
        request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok())
    };
    let named = request
        .uri()
        .authority()
        .map(Authority::as_str)
        .or_else(header)?;
    Some(without_port(named))
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn by_host(registry: &Registry, host: &str) -> Option<Arc<Revision>> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return registry.by_host(&host.to_ascii_lowercase());
    }
    registry.by_host(host)
}

/// What `KServe` has an `HTTPRoute` add, whatever the host is: both, or they say nothing.
fn by_headers(registry: &Registry, headers: &HeaderMap) -> Option<Arc<Revision>> {
    let word = |name: &HeaderName| headers.get(name)?.to_str().ok();
    let (name, namespace) = (word(&ISVC_NAME)?, word(&ISVC_NAMESPACE)?);
    registry.by_host(&format!("{name}.{namespace}").to_ascii_lowercase())
}

/// The model in `/v1/models/M…` or `/v2/models/M…`: the segment, as it stands.
fn model(path: &str) -> Option<&str> {
    let path = path
        .strip_prefix("/v1/models/")
        .or_else(|| path.strip_prefix("/v2/models/"))?;
    path.split('/').next().filter(|model| !model.is_empty())
}

/// A model's own name may hold a colon (`llama3:8b`), and so does `M:predict`: the longest wins.
fn by_model(registry: &Registry, segment: &str) -> Option<Arc<Revision>> {
    registry.by_model(segment).or_else(|| {
        let (model, _verb) = segment.rsplit_once(':')?;
        registry.by_model(model)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_the_segment_after_models() {
        let check = |path, want| assert_eq!(model(path), want, "{path}");
        check("/v1/models/flowers:predict", Some("flowers:predict"));
        check("/v2/models/flowers/infer", Some("flowers"));
        check("/v1/models/llama3:8b", Some("llama3:8b"));
        check("/v1/models", None);
        check("/v1/models/", None);
        check("/v3/models/flowers", None);
    }

    #[test]
    fn a_port_is_no_part_of_the_host() {
        let check = |authority, want| assert_eq!(without_port(authority), want);
        check("a.example", "a.example");
        check("a.example:8080", "a.example");
        check("[::1]:80", "[::1]");
        check("localhost:", "localhost");
    }
}
