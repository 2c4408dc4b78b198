//! What is said to those who wait, where somebody wants that: a page to browsers, heartbeats to
//! streams of events, blanks to those who wait for JSON. The request itself waits as it would
//! otherwise; only the head of its answer is sent earlier.

mod bystander;
mod early;
mod onlookers;
mod page;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE};
use http::{HeaderMap, Method, Request, Response};
use tokio::task::yield_now;
use tokio::time::timeout_at;
use tokio_util::task::AbortOnDropHandle;

use super::admit::admit;
use super::body::{Body, Cut};
use super::connect::Dial;
use super::error::Refusal;
use super::rescue::{Form, rescue};
use super::route::Routed;
use super::terms::depend_on_body;
use super::{Client, Proxy, Revision, closing, now};
use crate::stats::Receipt;

pub(super) use bystander::Bystander;
pub use early::Early;
use early::{Kind, begin};
pub(super) use onlookers::Onlookers;

static FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// How somebody wants to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Before a page, if it is a start that is waited for.
    Page,
    /// Hearing something, from the moment on that it takes so long.
    Hearing(Hearing),
}

/// What somebody hears who waits for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hearing {
    /// How often, if the answer will be an event stream.
    events: Option<Duration>,
    /// It is known that it will be; else the body tells.
    streams: bool,
    /// How often, if it will be JSON.
    blanks: Option<Duration>,
}

impl Manner {
    /// How this request may wait; `None` where it waits as any other.
    pub(super) fn of(routed: &Routed) -> Option<Self> {
        let (spec, request) = (&routed.revision.spec.waiting, &routed.request);
        if !spec.page && spec.heartbeat.is_none() && spec.keep_alive.is_none() {
            return None;
        }
        // What becomes something else than HTTP has no head that could be sent before.
        if request.headers().contains_key(UPGRADE) || request.method() == Method::CONNECT {
            return None;
        }
        if spec.page && is_visit(request) {
            return Some(Self::Page);
        }
        let streams = accepts(request.headers(), "text/event-stream");
        let is_json = is_json(request);
        let hearing = Hearing {
            events: spec.heartbeat.filter(|_| streams || is_json),
            streams,
            blanks: spec.keep_alive.filter(|_| !streams && is_json),
        };
        let hears = hearing.events.is_some() || hearing.blanks.is_some();
        hears.then_some(Self::Hearing(hearing))
    }
}

impl Hearing {
    /// What the answer has to be for something to be said, and from when on, in that order.
    fn kinds(self) -> impl Iterator<Item = (Kind, Duration)> {
        let events = self.events.map(|every| (Kind::Events, every));
        let blanks = self.blanks.map(|every| (Kind::Blanks, every));
        let mut kinds = [events, blanks];
        kinds.sort_by_key(|kind| kind.map(|(_, every)| every));
        kinds.into_iter().flatten()
    }
}

/// Somebody opens a page in a browser.
fn is_visit<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let mode = headers.get(&FETCH_MODE).map(HeaderValue::as_bytes);
    request.method() == Method::GET
        && mode.is_none_or(|mode| mode == b"navigate")
        && accepts(headers, "text/html")
}

/// It names this media type among those it takes.
fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let lines = headers.get_all(ACCEPT).into_iter();
    let words = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    words
        .filter(|word| !refuses(word))
        .filter_map(|word| word.split(';').next())
        .any(|word| word.trim().eq_ignore_ascii_case(kind))
}

/// `text/html;q=0`.
fn refuses(word: &str) -> bool {
    let mut parameters = word.split(';').skip(1).map(str::trim);
    let weight = parameters.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    weight.is_some_and(|q| q.trim().parse() == Ok(0.0_f32))
}

/// Somebody posts JSON and is content with JSON.
fn is_json<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let posts = Form::of(request) == Form::OpenAi
        || headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| is(kind, "application/json"));
    let takes = !headers.contains_key(ACCEPT)
        || ["application/json", "application/*", "*/*"]
            .iter()
            .any(|kind| accepts(headers, kind));
    request.method() == Method::POST && posts && takes
}

/// A content type is of this kind, whatever its parameters are.
fn is(kind: &HeaderValue, wanted: &str) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(wanted)
}

impl<D: Dial> Proxy<D> {
    /// The page of those who wait for a start; `None` where there is nothing to wait for.
    pub(super) fn page(&self, routed: &Routed, arrived: Instant) -> Option<Response<Body>> {
        let revision = &routed.revision;
        if !revision.throttler.is_at_zero() {
            return None;
        }
        if !self.onlookers.look(revision, arrived) {
            return None;
        }
        let page = page::answer(revision);
        let took = now().saturating_duration_since(arrived);
        revision.stats.answered(page.status().as_u16(), took);
        Some(page)
    }

    /// Answers a request whose client hears something while it waits for long.
    pub(super) async fn hearing(
        self,
        mut routed: Routed,
        client: Client,
        hearing: Hearing,
        arrived: Instant,
    ) -> Response<Body> {
        let revision = Arc::clone(&routed.revision);
        let form = Form::of(&routed.request);
        let bystander = Arc::new(Bystander::new(hearing));
        let upload = routed.request.body_mut();
        upload.is_heard_by(Arc::clone(&bystander));
        // What is packed could not be told from what was said before it.
        let plain = HeaderValue::from_static("identity");
        routed.request.headers_mut().insert(ACCEPT_ENCODING, plain);
        let wire = Arc::clone(client.wire());
        let peer = client.clone();
        let mut exchange = Box::pin(self.exchange(routed, client, arrived));
        for (kind, every) in hearing.kinds() {
            let due = arrived + every;
            if let Ok(ended) = timeout_at(due.into(), exchange.as_mut()).await {
                return ended.unwrap_or_else(|refusal| {
                    closing(rescue(&refusal, form, now()), &refusal, &peer)
                });
            }
            if bystander.streams() == (kind == Kind::Events) {
                wire.passing(None, revision.spec.timeouts.idle);
                // It goes on whether or not the client takes what is said meanwhile.
                let exchange = AbortOnDropHandle::new(tokio::spawn(exchange));
                return begin(kind, every, exchange, (revision, bystander, wire));
            }
        }
        exchange
            .await
            .unwrap_or_else(|refusal| closing(rescue(&refusal, form, now()), &refusal, &peer))
    }

    /// One exchange from its arrival to the head of its answer, counted.
    async fn exchange(
        self,
        mut routed: Routed,
        client: Client,
        arrived: Instant,
    ) -> Result<Response<Body>, Refusal> {
        let revision = Arc::clone(&routed.revision);
        let receipt = Receipt::new(Arc::clone(&revision.stats), arrived);
        let entry = match hear_out(&mut routed).await {
            Ok(()) => admit(routed, &client, arrived),
            Err(cut) => Err(Refusal::from(&cut)),
        };
        let mut answer = self.answer(&client, entry).await;
        account(&mut answer, &revision, receipt, &client);
        answer
    }
}

/// Takes what has come of a body, where its client is let wait as it says; what has not come is not
/// waited for.
async fn hear_out(routed: &mut Routed) -> Result<(), Cut> {
    let spec = &routed.revision.spec;
    if !depend_on_body(spec, &routed.request) {
        return Ok(());
    }
    let upload = routed.request.body_mut();
    // hyper reads on once it was asked, which is between the first look and the second.
    for _ in 0..2 {
        let look =
            poll_fn(|cx| Poll::Ready(upload.poll_read_ahead(cx, spec.queue.read_ahead, |_| true)));
        if let Poll::Ready(read) = look.await {
            return read.map(drop);
        }
        yield_now().await;
    }
    Ok(())
}

/// Counts an exchange: when its answer has ended, or as refused. On a stream of HTTP/2 it is handed
/// over in pieces.
pub(super) fn account(
    answer: &mut Result<Response<Body>, Refusal>,
    revision: &Revision,
    mut receipt: Receipt,
    client: &Client,
) {
    match answer {
        Ok(response) => {
            let body = response.body_mut();
            match body {
                Body::Through(through) => through.account(receipt, &client.wire),
                Body::Tunnel(tunnel) => {
                    if let Some(tunnel) = tunnel.take() {
                        tunnel.lay(receipt, client);
                    }
                }
                Body::Own(_) | Body::Paced(_) | Body::Early(_) => {}
            }
            if client.connection.is_some() {
                *body = std::mem::replace(body, Body::Own(None)).paced(&client.wire);
            }
        }
        Err(refusal) => {
            let (code, reason) = refusal.status_and_reason();
            receipt.answered(code);
            revision.stats.rejections.count(reason);
            tracing::debug!(revision = %revision.spec.id, code, reason, %refusal, "refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a valid request")
    }

    #[test]
    fn a_page_is_for_those_who_open_one() {
        let check = |method, headers: &[(&str, &str)], want| {
            assert_eq!(
                is_visit(&request(method, "/", headers)),
                want,
                "{headers:?}"
            );
        };
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        check("GET", &[("accept", browser)], true);
        check(
            "GET",
            &[("accept", browser), ("sec-fetch-mode", "navigate")],
            true,
        );
        check(
            "GET",
            &[("accept", browser), ("sec-fetch-mode", "cors")],
            false,
        );
        check("POST", &[("accept", browser)], false);
        check("GET", &[("accept", "*/*")], false);
        check("GET", &[("accept", "text/html;q=0, */*")], false);
        check("GET", &[], false);
    }

    #[test]
    fn json_is_for_those_who_post_it_and_take_it() {
        let check = |method, path, headers: &[(&str, &str)], want| {
            assert_eq!(
                is_json(&request(method, path, headers)),
                want,
                "{headers:?}"
            );
        };
        let json = ("content-type", "application/json; charset=utf-8");
        check("POST", "/v1/models/m:predict", &[json], true);
        check(
            "POST",
            "/v1/models/m:predict",
            &[json, ("accept", "*/*")],
            true,
        );
        check(
            "POST",
            "/v1/models/m:predict",
            &[json, ("accept", "application/json")],
            true,
        );
        check(
            "POST",
            "/v1/models/m:predict",
            &[json, ("accept", "text/plain")],
            false,
        );
        check("POST", "/v1/chat/completions", &[], true);
        check("POST", "/", &[], false);
        check("GET", "/v1/chat/completions", &[json], false);
    }
}
