//! The third step: sends an admitted request and waits for the answer's head.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::Revision;
use super::admit::Admitted;
use super::body::{Body, Cut};
use super::connect::{Answer, Connection};
use super::error::Refusal;
use super::exchange::{Exchange, Watchdog};
use super::grpc;
use super::headers;
use super::now;
use super::shared::is_refused;
use super::through::{Through, spawn};
use super::upgrade::switch;
use super::upload::Upload;
use crate::revision::{OnDisconnect, Timeouts};

/// A request with a slot and a connection to its replica.
#[derive(Debug)]
pub(super) struct Connected {
    /// The request and its slot.
    pub(super) admitted: Admitted,
    /// The connection.
    pub(super) connection: Connection,
}

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Failed {
    /// A kept connection turned out to be closed before a byte of the request was written to it: it
    /// can be sent again on another.
    Stale(Admitted),
    /// A new connection was closed before a byte was written to it: as good as no connection.
    TurnedAway(Admitted),
    /// It may have reached the replica, so it is not sent again.
    Sent(Refusal),
}

/// A replica is not called stuck before it worked so long for nobody: it may be slow, and others may
/// be inside.
const LEAST_PATIENCE: Duration = Duration::from_secs(60);

/// Sends the request; the answer's body holds the permit from there on.
pub(super) async fn forward(connected: Connected, now: Instant) -> Result<Response<Body>, Failed> {
    let Connected {
        admitted: Admitted {
            mut permit,
            mut errand,
        },
        mut connection,
    } = connected;
    permit.used(now);
    errand.guest.sent(permit.replica().id, now);
    let mut request = errand.request;
    let spec = &errand.revision.spec;
    if connection.is_shared() {
        let secured = errand.revision.tls.is_some();
        headers::into_http2(&mut request, permit.replica().endpoint.0, secured);
    }
    let left = errand.answer_by.map(|at| at.saturating_duration_since(now));
    if let Some(left) = left {
        grpc::tell_timeout(request.headers_mut(), left);
    }
    let spare = spare(&request, &connection);
    let upload = request.body_mut().track(now);
    let answer = connection.send(request);
    let total = total_of(&spec.timeouts, errand.grpc, left);
    let first = [total, spec.timeouts.first_byte]
        .into_iter()
        .flatten()
        .min();
    let exchange = Exchange {
        connection,
        guest: errand.guest,
        permit,
        upload,
        on_disconnect: spec.on_disconnect,
        patience: spec.timeouts.total.map(|total| total.max(LEAST_PATIENCE)),
        watchdog: Watchdog::new(now, first, spec.timeouts.idle),
    };
    let head = Head {
        waiting: Some((answer, exchange)),
        spare,
    };
    match head.await {
        Ok((response, exchange)) => {
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                let (revision, waited) = (&errand.revision, errand.waited);
                let client = errand.upgrade.take();
                return switch(response, exchange, client, revision, waited).map_err(Failed::Sent);
            }
            let stream = errand.grpc || is_event_stream(response.headers());
            let total = total_of(&errand.revision.spec.timeouts, stream, left);
            let (revision, waited) = (&errand.revision, errand.waited);
            let response = pass_through(response, exchange, total, revision, waited);
            Ok(if errand.grpc {
                grpc::passes(response)
            } else {
                response
            })
        }
        Err(Lost::NotSent(unsent)) => {
            let (request, exchange, refused) = *unsent;
            errand.request = request;
            let Exchange {
                permit,
                connection,
                guest,
                ..
            } = exchange;
            errand.guest = guest;
            let admitted = Admitted { permit, errand };
            Err(if connection.kept && !refused {
                Failed::Stale(admitted)
            } else {
                Failed::TurnedAway(admitted)
            })
        }
        Err(Lost::Refused(refusal)) => Err(Failed::Sent(refusal)),
    }
}

/// How long an answer may take in all, from the moment its request is sent. Calls of gRPC count as
/// streams: which of them are is not to be seen.
fn total_of(timeouts: &Timeouts, stream: bool, left: Option<Duration>) -> Option<Duration> {
    let own = if stream {
        timeouts.stream
    } else {
        timeouts.total
    };
    [own, left].into_iter().flatten().min()
}

/// The same request once more, for a stream that is refused: only if its body is still whole then. A
/// connection that is not shared gives it back by itself, or has sent some of it.
fn spare(request: &Request<Upload>, connection: &Connection) -> Option<Box<Request<Upload>>> {
    if !connection.is_shared() {
        return None;
    }
    let mut spare = Request::new(request.body().spare()?);
    spare.method_mut().clone_from(request.method());
    spare.uri_mut().clone_from(request.uri());
    *spare.version_mut() = request.version();
    spare.headers_mut().clone_from(request.headers());
    Some(Box::new(spare))
}

fn pass_through(
    response: Response<Incoming>,
    mut exchange: Exchange,
    total: Option<Duration>,
    revision: &Revision,
    waited: headers::Waited,
) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    // Ours, not the replica's: in HTTP/1.0 a cut stream could not be told from a whole one.
    head.version = Version::HTTP_11;
    headers::strip_hop_by_hop(&mut head.headers);
    headers::announce(&mut head.headers, waited);
    exchange.watchdog.set_total(total);
    let now = now();
    exchange.answers(&revision.stats, now);
    exchange.watchdog.fed(now);
    let through = Through::new(incoming, exchange, head.status.as_u16());
    Response::from_parts(head, Body::Through(through))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    kind.trim_start()
        .get(..17)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
}

/// Waits for the head of an answer. Dropped before it came, it keeps the slot occupied until the
/// replica begins to answer or ends: a slot is free only when the replica is.
struct Head {
    waiting: Option<(Answer, Exchange)>,
    /// The request as it can be sent once more, if its stream is refused.
    spare: Option<Box<Request<Upload>>>,
}

/// Why no head came.
enum Lost {
    /// What was not sent, or was refused (`true`) before anything was done with it.
    NotSent(Box<(Request<Upload>, Exchange, bool)>),
    Refused(Refusal),
}

impl Future for Head {
    type Output = Result<(Response<Incoming>, Exchange), Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (answer, exchange) = self.waiting.as_mut().expect("not polled after it is ready");
        let outcome = match answer.as_mut().poll(cx) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                let budget: Duration = std::task::ready!(exchange.poll_expired(cx));
                let refusal = Refusal::UpstreamTimeout(budget);
                exchange.permit.ends(refusal.fate());
                // Dropping `self` keeps the slot: the replica still works.
                return Poll::Ready(Err(Lost::Refused(refusal)));
            }
        };
        let (_, mut exchange) = self.waiting.take().expect("looked at above");
        Poll::Ready(match outcome {
            Ok(response) => Ok((response, exchange)),
            Err(mut error) => Err(if let Some(request) = error.take_message() {
                Lost::NotSent(Box::new((request, exchange, false)))
            } else {
                let error = error.into_error();
                let spare = self.spare.take().filter(|_| is_refused(&error));
                if let Some(request) = spare {
                    exchange.connection.retire();
                    Lost::NotSent(Box::new((*request, exchange, true)))
                } else {
                    let refusal = broken_off(&exchange, error);
                    exchange.permit.ends(refusal.fate());
                    outlast_upload(exchange, &refusal);
                    Lost::Refused(refusal)
                }
            }),
        })
    }
}

fn broken_off(exchange: &Exchange, error: hyper::Error) -> Refusal {
    if let Some(budget) = exchange.watchdog.is_over(now()) {
        // The replica was told how long it may take, and was the first to say so.
        return Refusal::UpstreamTimeout(budget);
    }
    match our_cut(&error) {
        Some(cut) => Refusal::from(cut),
        None => Refusal::UpstreamReset(error),
    }
}

/// Why the upload was broken off on our side, if it was: by its client, or for what it was.
fn our_cut(error: &hyper::Error) -> Option<&Cut> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Keeps the slot of an upload that was broken off on our side until the replica is done with it.
fn outlast_upload(mut exchange: Exchange, refusal: &Refusal) {
    let keeps = match refusal {
        Refusal::ClientClosed => exchange.on_disconnect != OnDisconnect::Release,
        Refusal::BodyTooLarge { .. } | Refusal::BodyMalformed => true,
        _ => false,
    };
    if keeps {
        exchange.abandon();
        spawn(exchange.outlast_upload());
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let Some((answer, mut exchange)) = self.waiting.take() else {
            return;
        };
        if exchange.on_disconnect != OnDisconnect::Release {
            exchange.abandon();
            spawn(outlast(answer, exchange));
        }
    }
}

/// Keeps the slot of an exchange that nobody waits for until the replica begins to answer or ends.
async fn outlast(answer: Answer, exchange: Exchange) {
    match exchange.patiently(answer).await {
        Ok(response) if exchange.on_disconnect == OnDisconnect::Finish => {
            let (head, incoming) = response.into_parts();
            let through = Through::new(incoming, exchange, head.status.as_u16());
            through.read_out().await;
        }
        Err(error) if our_cut(error.error()).is_some() => exchange.outlast_upload().await,
        _ => {}
    }
}
