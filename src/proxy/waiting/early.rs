//! An answer whose head was sent before the replica's: something is said in its body until the
//! replica's begins. What turns out otherwise than its head says ends in an error and is cut.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as _, Frame};
use serde_json::Value;
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::super::beside::Proxied;
use super::super::body::{Body, Cut};
use super::super::error::Refusal;
use super::super::rescue::error_object;
use super::super::wire::Wire;
use super::super::{Revision, now};
use super::{Bystander, is};

static ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Of a replica's refusal so much is passed on.
const MOST_TOLD: usize = 64 * 1024;

/// What was said last is on its way for so long before the answer is cut.
const LAST_WORD: Duration = Duration::from_millis(100);

/// What an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An event stream: comments may stand in it.
    Events,
    /// JSON: blanks may stand before it.
    Blanks,
}

/// The exchange of which the answer is.
pub(super) type Exchange = AbortOnDropHandle<Result<Response<Body>, Refusal>>;

/// An answer that has begun before the replica's.
pub struct Early {
    kind: Kind,
    beat: Interval,
    stage: Stage,
    revision: Arc<Revision>,
    bystander: Arc<Bystander>,
    wire: Arc<Wire>,
    /// It came through a gateway to the door of a sidecar.
    proxied: Option<Proxied>,
}

enum Stage {
    /// The replica has not begun.
    Waiting(Exchange),
    /// Its answer is passed on.
    Passing(Body),
    /// It says what is wrong.
    Failing(StatusCode, Body, Vec<u8>),
    /// What was wrong was said, and is on its way.
    Said(Pin<Box<Sleep>>),
    Over,
}

/// Begins an answer.
pub(super) fn begin(
    kind: Kind,
    every: Duration,
    exchange: Exchange,
    (revision, bystander, wire): (Arc<Revision>, Arc<Bystander>, Arc<Wire>),
) -> Response<Body> {
    let mut beat = interval(every);
    wire.offer(Some(now()));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let early = Early {
        kind,
        beat,
        stage: Stage::Waiting(exchange),
        revision,
        bystander,
        wire,
        proxied: None,
    };
    let mut response = Response::new(Body::Early(Box::new(early)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.content_type()));
    let control = HeaderValue::from_static("no-cache, no-transform");
    headers.insert(CACHE_CONTROL, control);
    headers.insert(&ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

impl Early {
    /// Is one of a gateway's requests until it is over.
    pub(in crate::proxy) fn counts(&mut self, proxied: Proxied) {
        self.proxied = Some(proxied);
    }
}

impl Kind {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Blanks => "application/json",
        }
    }

    /// What the head says is so of this one.
    fn is_kept_by(self, status: StatusCode, headers: &HeaderMap) -> bool {
        let kind = headers.get(CONTENT_TYPE);
        let packed = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding != "identity");
        status == StatusCode::OK
            && !packed
            && kind.is_some_and(|kind| is(kind, self.content_type()))
    }
}

impl Early {
    /// What is said next. The wire knows what is not taken: on a stream of HTTP/2, nobody else does.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.wire.offer(None);
        let frame = ready!(self.poll_said(cx));
        self.wire.offer(Some(now()));
        Poll::Ready(frame)
    }

    fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            match &mut self.stage {
                Stage::Waiting(exchange) => {
                    if let Poll::Ready(ended) = Pin::new(exchange).poll(cx) {
                        // What panicked or was aborted with the runtime is no answer.
                        let Ok(ended) = ended else {
                            return Poll::Ready(Some(Err(self.cut())));
                        };
                        if let Some(last) = self.heard(ended) {
                            return Poll::Ready(Some(Ok(last)));
                        }
                        continue;
                    }
                    ready!(self.beat.poll_tick(cx));
                    return Poll::Ready(Some(Ok(self.says())));
                }
                Stage::Passing(body) => return Pin::new(body).poll_frame(cx),
                Stage::Failing(status, body, told) => {
                    let frame = ready!(Pin::new(body).poll_frame(cx));
                    if let Some(Ok(frame)) = frame
                        && told.len() < MOST_TOLD
                    {
                        let data = frame.into_data().unwrap_or_default();
                        told.extend_from_slice(&data[..data.len().min(MOST_TOLD - told.len())]);
                        continue;
                    }
                    let error = refused(*status, told);
                    return Poll::Ready(Some(Ok(self.last_word(&error))));
                }
                Stage::Said(on_its_way) => {
                    ready!(on_its_way.as_mut().poll(cx));
                    return Poll::Ready(Some(Err(self.cut())));
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    pub(in crate::proxy) fn is_end_stream(&self) -> bool {
        match &self.stage {
            Stage::Passing(body) => body.is_end_stream(),
            Stage::Over => true,
            _ => false,
        }
    }

    /// The replica has answered, or we have refused; the last word, if it can be said at once.
    fn heard(&mut self, ended: Result<Response<Body>, Refusal>) -> Option<Frame<Bytes>> {
        match ended {
            Ok(response) => {
                let (head, body) = response.into_parts();
                self.stage = if self.kind.is_kept_by(head.status, &head.headers) {
                    Stage::Passing(body)
                } else {
                    Stage::Failing(head.status, body, Vec::new())
                };
                None
            }
            Err(refusal) => {
                let (_, reason) = refusal.status_and_reason();
                let error = error_object(&refusal.to_string(), refusal.status(), reason);
                Some(self.last_word(&error))
            }
        }
    }

    /// What is said while nothing else is.
    fn says(&self) -> Frame<Bytes> {
        Frame::data(match self.kind {
            Kind::Events => {
                let told = self.bystander.tells(&self.revision);
                Bytes::from(format!(": holdgate {told}\n\n"))
            }
            Kind::Blanks => Bytes::from_static(b" "),
        })
    }

    fn last_word(&mut self, error: &Value) -> Frame<Bytes> {
        self.stage = Stage::Said(Box::pin(sleep(LAST_WORD)));
        Frame::data(Bytes::from(match self.kind {
            Kind::Events => format!("event: error\ndata: {error}\n\n"),
            Kind::Blanks => format!("{error}\n"),
        }))
    }

    fn cut(&mut self) -> Cut {
        self.stage = Stage::Over;
        self.wire.cut();
        Cut::Otherwise
    }
}

/// What a replica has said of its refusal, as an error object.
fn refused(status: StatusCode, told: &[u8]) -> Value {
    let read: Option<Value> = serde_json::from_slice(told).ok();
    if let Some(object) = read.filter(|read| read.get("error").is_some_and(Value::is_object)) {
        return object;
    }
    let text = String::from_utf8_lossy(told);
    let message = format!("the replica answered {status}: {}", text.trim());
    error_object(&message, status, "upstream_status")
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Early")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
