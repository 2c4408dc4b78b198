//! The third step: sends an admitted request and waits for the answer's head.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::Revision;
use super::admit::Admitted;
use super::body::Body;
use super::connect::Connection;
use super::error::Refusal;
use super::headers;
use super::now;
use super::through::{Exchange, Through, Watchdog, spawn};
use super::upload::Upload;
use crate::autoscale::StartPhase;
use crate::revision::OnDisconnect;

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
    let upload = request.body_mut().track(now);
    let answer = Box::pin(connection.sender.try_send_request(request));
    let first = [spec.timeouts.total, spec.timeouts.first_byte]
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
    };
    match head.await {
        Ok((response, exchange)) => {
            let (revision, waited) = (&errand.revision, errand.waited);
            Ok(pass_through(response, exchange, revision, waited))
        }
        Err(Lost::NotSent(unsent)) => {
            let (request, exchange) = *unsent;
            errand.request = request;
            let Exchange {
                permit,
                connection,
                guest,
                ..
            } = exchange;
            errand.guest = guest;
            let admitted = Admitted { permit, errand };
            Err(if connection.kept {
                Failed::Stale(admitted)
            } else {
                Failed::TurnedAway(admitted)
            })
        }
        Err(Lost::Refused(refusal)) => Err(Failed::Sent(refusal)),
    }
}

fn pass_through(
    response: Response<Incoming>,
    mut exchange: Exchange,
    revision: &Revision,
    waited: headers::Waited,
) -> Response<Body> {
    let (mut head, incoming) = response.into_parts();
    // Ours, not the replica's: in HTTP/1.0 a cut stream could not be told from a whole one.
    head.version = Version::HTTP_11;
    headers::strip_hop_by_hop(&mut head.headers);
    headers::announce(&mut head.headers, waited);
    let timeouts = &revision.spec.timeouts;
    let total = if is_event_stream(&head.headers) {
        timeouts.stream
    } else {
        timeouts.total
    };
    exchange.watchdog.set_total(total);
    let now = now();
    if exchange.permit.replica().answers_first() {
        let took = now.saturating_duration_since(exchange.watchdog.began);
        revision.stats.start_phase(StartPhase::FirstAnswer, took);
    }
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

type Answer =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + Send>>;

/// Waits for the head of an answer. Dropped before it came, it keeps the slot occupied until the
/// replica begins to answer or ends: a slot is free only when the replica is.
struct Head {
    waiting: Option<(Answer, Exchange)>,
}

/// Why no head came.
enum Lost {
    NotSent(Box<(Request<Upload>, Exchange)>),
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
                Lost::NotSent(Box::new((request, exchange)))
            } else {
                let refusal = broken_off(&exchange, error.into_error());
                exchange.permit.ends(refusal.fate());
                Lost::Refused(refusal)
            }),
        })
    }
}

fn broken_off(exchange: &Exchange, error: hyper::Error) -> Refusal {
    let too_large = exchange
        .upload
        .as_ref()
        .is_some_and(|upload| upload.is_too_large());
    match std::error::Error::source(&error).and_then(|source| source.downcast_ref()) {
        Some(super::body::Cut::TooLarge(limit)) if too_large => {
            Refusal::BodyTooLarge { limit: *limit }
        }
        Some(super::body::Cut::Malformed(_)) => Refusal::BodyMalformed,
        Some(super::body::Cut::Client(_)) => Refusal::ClientClosed,
        _ => Refusal::UpstreamReset(error),
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
/// One that does neither in time is stuck, and reported: its slots come back when it is replaced.
async fn outlast(mut answer: Answer, exchange: Exchange) {
    let in_time = match exchange.patience {
        Some(patience) => tokio::time::timeout(patience, &mut answer).await.ok(),
        None => Some((&mut answer).await),
    };
    let answered = if let Some(answered) = in_time {
        answered
    } else {
        let permit = &exchange.permit;
        permit.throttler().report_stuck(permit.replica().id);
        answer.await
    };
    if let Ok(response) = answered
        && exchange.on_disconnect == OnDisconnect::Finish
    {
        let (head, incoming) = response.into_parts();
        let through = Through::new(incoming, exchange, head.status.as_u16());
        through.read_out().await;
    }
}
