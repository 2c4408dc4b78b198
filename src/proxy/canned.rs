//! What the gate answers itself: which models there are, and, while no replica is ready, whoever
//! only looks whether one is there. None of it is demand, and none of it waits.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::body::Body;
use super::rescue::REASON;
use super::route::Routed;
use super::{Registry, Revision};
use crate::callers::{ApiKey, may_see};
use crate::revision::Canned;

/// The word for an answer that a replica would have given, were one ready.
const AT_ZERO: HeaderValue = HeaderValue::from_static("at_zero");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// What scrapers are told in.
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The paths of health checks.
const HEALTH: [&str; 8] = [
    "/healthz",
    "/livez",
    "/readyz",
    "/health",
    "/ready",
    "/ping",
    "/v2/health/live",
    "/v2/health/ready",
];

/// How those begin to name themselves who ask for nothing but health.
const CHECKERS: [&[u8]; 3] = [b"kube-probe/", b"GoogleHC/", b"ELB-HealthChecker/"];

/// What somebody wants to know who only looks.
enum Look<'a> {
    Canned(&'a Canned),
    Health,
    /// Whether a model is there, by its name.
    Model(&'a str),
    Listing,
    Metrics,
    Icon,
}

/// It asks which models there are.
pub(super) fn is_listing<B>(request: &Request<B>) -> bool {
    only_looks(request) && matches!(request.uri().path(), "/v1/models" | "/openai/v1/models")
}

/// The answer that takes the place of a replica's; `None` where a replica is to answer.
pub(super) fn answer(routed: &Routed) -> Option<Response<Body>> {
    let Routed {
        revision,
        request,
        lone,
        ..
    } = routed;
    if !only_looks(request) {
        return None;
    }
    let look = look(revision, request)?;
    // What is written down is what the gate is asked for; whoever asks one of several asks its server.
    let always = matches!(look, Look::Listing) && *lone && !revision.spec.models.is_empty();
    let at_zero = revision.throttler.is_at_zero();
    if !always && !at_zero {
        return None;
    }
    let mut response = told(revision, &look);
    if at_zero {
        response.headers_mut().insert(&REASON, AT_ZERO);
    }
    Some(response)
}

/// Every model of these revisions, started or not.
pub(super) fn listing(registry: &Registry, caller: Option<&ApiKey>) -> Response<Body> {
    let mut all = registry.all();
    all.retain(|revision| may_see(caller, &revision.spec.id));
    let models: Vec<Value> = all.iter().flat_map(|revision| models(revision)).collect();
    json_answer(&list(&models))
}

fn only_looks<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

fn look<'a, B>(revision: &'a Revision, request: &'a Request<B>) -> Option<Look<'a>> {
    let (at_zero, path) = (&revision.spec.at_zero, request.uri().path());
    if let Some(canned) = at_zero.canned.iter().find(|canned| canned.path == path) {
        return Some(Look::Canned(canned));
    }
    if !at_zero.probes {
        return None;
    }
    match path {
        "/metrics" => Some(Look::Metrics),
        "/favicon.ico" => Some(Look::Icon),
        "/v1/models" | "/openai/v1/models" => Some(Look::Listing),
        _ if HEALTH.contains(&path) || is_checker(request.headers()) => Some(Look::Health),
        _ => model_looked_for(path)
            .filter(|model| has(revision, model))
            .map(Look::Model),
    }
}

fn is_checker(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    agent.is_some_and(|agent| CHECKERS.iter().any(|known| agent.starts_with(known)))
}

/// The model whose readiness is asked for: `/v1/models/M` (and with `/openai` before it), or
/// `/v2/models/M/ready`.
fn model_looked_for(path: &str) -> Option<&str> {
    let v1 = path.strip_prefix("/openai").unwrap_or(path);
    let model = match v1.strip_prefix("/v1/models/") {
        Some(model) => model,
        None => path.strip_prefix("/v2/models/")?.strip_suffix("/ready")?,
    };
    (!model.is_empty() && !model.contains('/')).then_some(model)
}

fn has(revision: &Revision, model: &str) -> bool {
    let models = &revision.spec.models;
    models.is_empty() || models.iter().any(|known| known == model)
}

fn told(revision: &Revision, look: &Look<'_>) -> Response<Body> {
    match look {
        Look::Canned(canned) => written(canned),
        Look::Health => json_answer(&json!({ "live": true, "ready": true, "status": "at_zero" })),
        Look::Model(model) => {
            let mut answer = model_object(revision, model);
            answer["name"] = json!(model);
            // It answers whoever asks: who waits for it to be ready would wait for ever.
            answer["ready"] = json!(true);
            json_answer(&answer)
        }
        Look::Listing => json_answer(&list(&models(revision))),
        Look::Metrics => text("# no replica is running\n", EXPOSITION),
        Look::Icon => {
            let mut response = Response::new(Body::own(Bytes::new()));
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    }
}

fn written(canned: &Canned) -> Response<Body> {
    let kind = HeaderValue::try_from(&canned.content_type).unwrap_or(TEXT);
    let mut response = text(&canned.body, kind);
    *response.status_mut() = StatusCode::from_u16(canned.status).unwrap_or(StatusCode::OK);
    response
}

fn text(body: &str, kind: HeaderValue) -> Response<Body> {
    let mut response = Body::answer(body.to_owned(), kind);
    // What is so now is not so in a moment.
    let not_kept = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, not_kept);
    response
}

fn json_answer(body: &Value) -> Response<Body> {
    text(&format!("{body}\n"), JSON)
}

fn list(models: &[Value]) -> Value {
    json!({ "object": "list", "data": models })
}

/// Its models; of one that names none, its own name.
fn models(revision: &Revision) -> Vec<Value> {
    let spec = &revision.spec;
    if spec.models.is_empty() {
        return vec![model_object(revision, spec.id.as_str())];
    }
    let models = spec.models.iter();
    models.map(|model| model_object(revision, model)).collect()
}

fn model_object(revision: &Revision, model: &str) -> Value {
    let created = revision.stats.since.duration_since(UNIX_EPOCH);
    let created = created.unwrap_or_default().as_secs();
    json!({ "id": model, "object": "model", "created": created, "owned_by": "holdgate" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_whether_a_model_is_there_names_it() {
        let check = |path, want| assert_eq!(model_looked_for(path), want, "{path}");
        check("/v1/models/m", Some("m"));
        check("/openai/v1/models/m", Some("m"));
        check("/v1/models/llama3:8b", Some("llama3:8b"));
        check("/v2/models/m/ready", Some("m"));
        check("/v2/models/m", None);
        check("/v2/models/m/versions/1/ready", None);
        check("/v2/models//ready", None);
        check("/v1/models/", None);
        check("/v1/models/m/x", None);
    }
}
