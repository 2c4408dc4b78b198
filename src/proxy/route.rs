//! The first step: which revision a request is for.

use std::sync::Arc;

use http::header::{HOST, HeaderName};
use http::uri::Authority;
use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;

use super::by_body;
use super::canned;
use super::error::Refusal;
use super::keys::caller;
use super::upload::Upload;
use super::{Client, Registry, Revision};
use crate::callers::{ApiKey, may_see};
use crate::registry::Behind;
use crate::revision::RevisionId;

static REVISION: HeaderName = HeaderName::from_static("x-holdgate-revision");
static ISVC_NAME: HeaderName = HeaderName::from_static("kserve-isvc-name");
static ISVC_NAMESPACE: HeaderName = HeaderName::from_static("kserve-isvc-namespace");

/// A request with its revision.
#[derive(Debug)]
pub(super) struct Routed {
    /// Whose request it is.
    pub(super) revision: Arc<Revision>,
    /// The request as it came, without the gate's own key.
    pub(super) request: Request<Upload>,
    /// Whose key it came with; `None` where nobody needs one.
    pub(super) caller: Option<Arc<ApiKey>>,
    /// Nobody asked for this one: it is the only one there is.
    pub(super) lone: bool,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Way {
    /// To a revision.
    To(Routed),
    /// To the one of the model in its body, which has to be read for that.
    ByBody(Request<Upload>, Option<Arc<ApiKey>>),
    /// It asks the gate which models there are.
    Listing(Option<Arc<ApiKey>>),
}

/// Finds the revision: of a door that is one's own, that one, whatever the request says. Else what
/// it says decides, and only who has a key, where there are any, is told anything of revisions. Who
/// calls a Service knows of no gate: at its door nobody needs a key.
pub(super) fn route(
    registry: &Registry,
    client: &Client,
    request: Request<Incoming>,
) -> Result<Way, Refusal> {
    let version = request.version();
    let mut request = request.map(|body| Upload::new(body, version));
    let named = take_name(request.headers_mut());
    let caller = caller(registry, &client.key, &mut request);
    // A tunnel has no path to be routed by, and we make none.
    let tunnel = request.method() == Method::CONNECT;
    match client.door.map(|number| registry.by_port(number)) {
        None | Some(Behind::Everybody) => by_what_it_says(registry, named, request, caller?),
        Some(Behind::Revision(revision)) if !tunnel => Ok(Way::To(Routed {
            revision,
            request,
            caller: caller.unwrap_or_default(),
            lone: false,
        })),
        Some(Behind::Revision(_) | Behind::Nobody) => Err(no_route(&request)),
    }
}

/// The one that is named, the only one there is, or the one that the rest of the request asks for.
fn by_what_it_says(
    registry: &Registry,
    named: Option<Result<String, Refusal>>,
    request: Request<Upload>,
    caller: Option<Arc<ApiKey>>,
) -> Result<Way, Refusal> {
    if request.method() == Method::CONNECT {
        return Err(no_route(&request));
    }
    let (found, lone) = match named {
        Some(name) => (Some(by_name(registry, &name?)?), false),
        None => match registry.lone() {
            Some(lone) => (Some(lone), true),
            None => (asked_for(registry, &request), false),
        },
    };
    match found {
        Some(revision) => {
            check_key(caller.as_deref(), &revision)?;
            Ok(Way::To(Routed {
                revision,
                request,
                caller,
                lone,
            }))
        }
        None if canned::is_listing(&request) => Ok(Way::Listing(caller)),
        None if by_body::may_name_a_model(&request) => Ok(Way::ByBody(request, caller)),
        None => Err(no_route(&request)),
    }
}

/// Whether the key, where one is needed, opens the revision.
pub(super) fn check_key(caller: Option<&ApiKey>, revision: &Revision) -> Result<(), Refusal> {
    let id = &revision.spec.id;
    if may_see(caller, id) {
        return Ok(());
    }
    let revision = id.clone();
    Err(Refusal::Forbidden { revision })
}

/// No revision takes this host and path.
pub(super) fn no_route<B>(request: &Request<B>) -> Refusal {
    Refusal::NoRoute {
        host: host(request).unwrap_or_default().to_owned(),
        path: request.uri().path().to_owned(),
    }
}

/// The revision that a request names, which is said to nobody else. Of several names none is meant.
fn take_name(headers: &mut HeaderMap) -> Option<Result<String, Refusal>> {
    if !headers.contains_key(&REVISION) {
        return None;
    }
    let several = headers.get_all(&REVISION).iter().nth(1).is_some();
    let name = headers.remove(&REVISION)?;
    let unknown = |why: &str| Refusal::Unnamed(format!("{REVISION} {why}"));
    if several {
        return Some(Err(unknown("is there twice")));
    }
    let name = name.to_str().map(str::to_owned);
    Some(name.map_err(|_| unknown("is no name")))
}

fn by_name(registry: &Registry, name: &str) -> Result<Arc<Revision>, Refusal> {
    let found = registry.by_name(&RevisionId::new(name));
    found.ok_or_else(|| Refusal::Unnamed(format!("no revision is called {name:?}")))
}

/// The one of the exact host, then the one that `KServe`'s routes name, then the one of the model in
/// the path.
fn asked_for<B>(registry: &Registry, request: &Request<B>) -> Option<Arc<Revision>> {
    host(request)
        .and_then(|host| by_host(registry, host))
        .or_else(|| by_headers(registry, request.headers()))
        .or_else(|| by_model(registry, model(request.uri().path())?))
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
