//! Probes at the door of a sidecar: which requests are some, and what they are told.

use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{Health, Porter};
use crate::proxy::body::Body;
use crate::proxy::connect::Dial;
use crate::proxy::headers;
use crate::proxy::rescue::REASON;
use crate::revision::Endpoint;

static NETWORK_PROBE: HeaderName = HeaderName::from_static("k-network-probe");
static NETWORK_HASH: HeaderName = HeaderName::from_static("k-network-hash");
static KUBELET_PROBE: HeaderName = HeaderName::from_static("k-kubelet-probe");
static OURS: HeaderName = HeaderName::from_static("x-holdgate-probe");

/// The longest answer to a probe, and the longest it may take: kubelet gives up before.
const MOST_BYTES: usize = 64 * 1024;
const LONGEST: Duration = Duration::from_secs(30);

/// What a probe wants to know.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Probe {
    /// Ours: is it good to send requests here?
    Ours,
    /// The same of Knative's queue-proxy.
    Queue,
    /// One of Knative's that is for somebody else, with what it says.
    Another(String),
    /// The one of an ingress: does anybody answer at all?
    Network(Option<HeaderValue>),
    /// Kubelet's, of the model server.
    OfTheModel,
}

impl Porter {
    /// Which probe this is; `None` is a request.
    pub(super) fn recognises(&self, headers: &HeaderMap) -> Option<Probe> {
        if headers.contains_key(&OURS) {
            return Some(Probe::Ours);
        }
        let said = headers.get(&NETWORK_PROBE);
        let by_kubelet = headers.contains_key(&KUBELET_PROBE) || agent(headers, "kube-probe/");
        let by_knative = agent(headers, "Knative-Activator-Probe")
            || agent(headers, "Knative-Autoscaling-Probe");
        if !by_kubelet && !by_knative {
            let network = said.is_some_and(|said| said == "probe");
            return network.then(|| Probe::Network(headers.get(&NETWORK_HASH).cloned()));
        }
        match said {
            Some(said) if said == "queue" => Some(Probe::Queue),
            None if !self.in_knative && by_kubelet => Some(Probe::OfTheModel),
            said => {
                let said = said.map_or("", |said| said.to_str().unwrap_or_default());
                Some(Probe::Another(said.to_owned()))
            }
        }
    }

    /// A probe asks and sends nothing; and anybody may say to be one.
    pub(super) fn may_pass(&self, request: &Request<Incoming>) -> bool {
        let asks = matches!(*request.method(), Method::GET | Method::HEAD);
        asks && request.body().is_end_stream() && self.passing.available_permits() > 0
    }
}

fn agent(headers: &HeaderMap, begins: &str) -> bool {
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    agent.is_some_and(|agent| agent.starts_with(begins.as_bytes()))
}

/// What a probe is told.
pub(super) async fn answer(probe: Probe, draining: bool, health: &dyn Health) -> Response<Body> {
    const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    match probe {
        Probe::Ours if draining => reasoned(UNAVAILABLE, "draining"),
        Probe::Ours if health.is_ready() => say(StatusCode::OK, "ready\n"),
        Probe::Ours => reasoned(UNAVAILABLE, "not_ready"),
        _ if draining => say(UNAVAILABLE, "shutting down\n"),
        Probe::Queue if health.ask().await => say(StatusCode::OK, "queue"),
        Probe::Queue | Probe::OfTheModel => say(UNAVAILABLE, ""),
        Probe::Network(Some(hash)) if !hash.is_empty() => {
            let mut response = say(StatusCode::OK, "");
            response.headers_mut().insert(&NETWORK_HASH, hash);
            response
        }
        Probe::Network(_) => {
            let text = "a probe request must contain a non-empty \"K-Network-Hash\" header\n";
            say(StatusCode::BAD_REQUEST, text)
        }
        Probe::Another(said) => {
            let text = format!("unexpected probe header value: {said:?}\n");
            say(StatusCode::BAD_REQUEST, text)
        }
    }
}

fn say(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Body::answer(text, HeaderValue::from_static("text/plain; charset=utf-8"));
    *response.status_mut() = status;
    response
}

/// Ours, so that it is told apart from what a mesh between us says.
fn reasoned(status: StatusCode, reason: &'static str) -> Response<Body> {
    let mut response = say(status, format!("{reason}\n"));
    let reason = HeaderValue::from_static(reason);
    response.headers_mut().insert(&REASON, reason);
    response
}

/// To kubelet it is not ready, whatever keeps it from answering.
pub(super) fn unreachable(why: &str) -> Response<Body> {
    say(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
}

/// Asks the model server what its prober wants to know, on a connection of its own.
pub(super) async fn pass_on<D: Dial>(
    dial: &D,
    (app, by_http2): (Endpoint, bool),
    request: Request<Incoming>,
) -> Response<Body> {
    let passed = timeout(LONGEST, pass(dial, (app, by_http2), request)).await;
    match passed {
        Ok(Ok(response)) => response,
        Ok(Err(why)) => unreachable(&why),
        Err(_) => unreachable("the model server does not answer in time"),
    }
}

async fn pass<D: Dial>(
    dial: &D,
    (app, by_http2): (Endpoint, bool),
    request: Request<Incoming>,
) -> Result<Response<Body>, String> {
    let io = TokioIo::new(dial.dial(app).await.map_err(|e| e.to_string())?);
    let (mut head, _) = request.into_parts();
    headers::strip_hop_by_hop(&mut head.headers);
    let path = head.uri.path_and_query().map(ToString::to_string);
    head.uri = path.and_then(|path| path.parse().ok()).unwrap_or_default();
    head.version = Version::HTTP_11;
    let mut request = Request::from_parts(head, Empty::<Bytes>::new());
    if by_http2 {
        let handshake = http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = handshake.map_err(|e| e.to_string())?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
        headers::into_http2(&mut request, app.0, false);
        told(sender.send_request(request).await).await
    } else {
        let handshake = http1::handshake(io).await;
        let (mut sender, connection) = handshake.map_err(|e| e.to_string())?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
        told(sender.send_request(request).await).await
    }
}

/// What the model server has told, whole.
async fn told(answer: hyper::Result<Response<Incoming>>) -> Result<Response<Body>, String> {
    let (mut head, body) = answer.map_err(|e| e.to_string())?.into_parts();
    let body = Limited::new(body, MOST_BYTES).collect().await;
    // What it says is for people: kubelet reads the status.
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    headers::strip_hop_by_hop(&mut head.headers);
    head.headers.remove(http::header::CONTENT_LENGTH);
    head.version = Version::HTTP_11;
    Ok(Response::from_parts(head, Body::own(body)))
}
