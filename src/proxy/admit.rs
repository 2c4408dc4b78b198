//! The second step: a slot at a replica, now or after a wait, or a refusal.
//!
//! While a request waits its body is read ahead, within a budget: hyper notices that a client has
//! left only while it may read. A body beyond the budget stays in the socket, which is then watched.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::Request;
use http_body::Body as _;
use tokio::time::{Sleep, sleep_until};

use super::body::{Cut, ReadAhead, Upload};
use super::error::Refusal;
use super::headers::{self, Waited};
use super::route::Routed;
use super::{Arrival, Client, Permit, Place, Revision, now};
use crate::stats::WaitOutcome;

/// A request with a slot.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Whose request it is.
    pub(super) revision: Arc<Revision>,
    /// Its slot.
    pub(super) permit: Permit,
    /// The request as it will be sent.
    pub(super) request: Request<Upload>,
    /// What it waited for.
    pub(super) waited: Waited,
    /// When it arrived.
    pub(super) arrived: Instant,
    /// Replicas that could not be reached for it.
    pub(super) rebuffs: u32,
}

/// A replica could not be reached: what is left of the request, and the wait that follows.
#[derive(Debug)]
pub(super) struct Unreachable {
    revision: Arc<Revision>,
    arrival: Arrival,
    request: Request<Upload>,
    waited: Waited,
    arrived: Instant,
    rebuffs: u32,
    replica: crate::revision::ReplicaId,
    cause: io::Error,
}

/// Most replicas tried for one request.
const MOST_REBUFFS: u32 = 3;

/// Gets a slot for a request that has just arrived.
pub(super) async fn admit(
    routed: Routed,
    client: &Client,
    now: Instant,
) -> Result<Admitted, Refusal> {
    let Routed { revision, request } = routed;
    let spec = &revision.spec;
    let announced = request.body().size_hint().exact();
    if let (Some(limit), Some(bytes)) = (spec.max_body_bytes, announced)
        && bytes > limit
    {
        return Err(Refusal::BodyTooLarge { limit });
    }
    let mut request = request.map(|body| Upload::new(body, spec.max_body_bytes));
    headers::rewrite(&mut request, &client.name);
    let bytes = announced.unwrap_or(0).min(spec.queue.read_ahead);
    match revision.throttler.arrive(bytes) {
        Arrival::Admitted(permit) => {
            let waited = Waited::default();
            Ok(Admitted {
                revision,
                permit,
                request,
                waited,
                arrived: now,
                rebuffs: 0,
            })
        }
        Arrival::Waiting(place) => {
            let wait = Wait {
                revision,
                request,
                place,
                reserved: bytes,
                arrived: now,
                rebuffs: 0,
            };
            wait.out(client, None).await
        }
        Arrival::QueueFull => Err(queue_full(&revision)),
        Arrival::Outage(outage) => Err(Refusal::Outage(outage)),
    }
}

impl Admitted {
    /// The replica of this slot could not be reached.
    #[must_use]
    pub(super) fn rebuffed(self, cause: io::Error) -> Unreachable {
        let replica = self.permit.replica().id;
        let arrival = self.permit.rebuffed(self.request.body().held_bytes());
        Unreachable {
            revision: self.revision,
            arrival,
            request: self.request,
            waited: self.waited,
            arrived: self.arrived,
            rebuffs: self.rebuffs + 1,
            replica,
            cause,
        }
    }
}

/// Gets another slot for a request whose replica could not be reached. It keeps its place in the
/// order of arrival.
pub(super) async fn admit_elsewhere(
    failed: Unreachable,
    client: &Client,
) -> Result<Admitted, Refusal> {
    let Unreachable {
        revision,
        arrival,
        request,
        waited,
        arrived,
        rebuffs,
        replica,
        cause,
    } = failed;
    if rebuffs >= MOST_REBUFFS {
        return Err(Refusal::ConnectFailed(cause));
    }
    revision.stats.retries.inc();
    match arrival {
        Arrival::Admitted(permit) => Ok(Admitted {
            revision,
            permit,
            request,
            waited,
            arrived,
            rebuffs,
        }),
        Arrival::Waiting(place) => {
            let reserved = request.body().held_bytes();
            let wait = Wait {
                revision,
                request,
                place,
                reserved,
                arrived,
                rebuffs,
            };
            wait.out(client, Some((replica, cause))).await
        }
        Arrival::QueueFull => Err(queue_full(&revision)),
        Arrival::Outage(outage) => Err(Refusal::Outage(outage)),
    }
}

fn queue_full(revision: &Revision) -> Refusal {
    let estimate = revision.throttler.outlook().estimate;
    Refusal::QueueFull {
        status: revision.spec.overload_status,
        estimate,
    }
}

/// A request in line.
struct Wait {
    revision: Arc<Revision>,
    request: Request<Upload>,
    place: Place,
    /// Bytes the line already counts for it.
    reserved: u64,
    arrived: Instant,
    rebuffs: u32,
}

/// Why a wait was interrupted.
enum Event {
    Turn(Result<Permit, Arc<crate::ports::Outage>>),
    Body(Result<ReadAhead, Cut>),
    HangUp,
    Due,
}

type Rebuff = Option<(crate::revision::ReplicaId, io::Error)>;

impl Wait {
    /// Waits for a slot until a deadline, reading ahead.
    async fn out(mut self, client: &Client, rebuff: Rebuff) -> Result<Admitted, Refusal> {
        let mut tab = WaitTab {
            revision: Arc::clone(&self.revision),
            since: self.arrived,
            outcome: WaitOutcome::Cancelled,
        };
        let began = now();
        let waited = self.turn(client, rebuff, began).await;
        tab.outcome = match &waited {
            Ok(_) => WaitOutcome::Admitted,
            Err(Refusal::ClientClosed) => WaitOutcome::Cancelled,
            Err(_) => WaitOutcome::Refused,
        };
        let permit = waited?;
        let waited = split(
            self.arrived,
            permit.since(),
            self.revision.throttler.outlook().warm_since,
        );
        let Self {
            revision,
            request,
            arrived,
            rebuffs,
            ..
        } = self;
        Ok(Admitted {
            revision,
            permit,
            request,
            waited,
            arrived,
            rebuffs,
        })
    }

    async fn turn(
        &mut self,
        client: &Client,
        mut rebuff: Rebuff,
        began: Instant,
    ) -> Result<Permit, Refusal> {
        let mut timer = pin!(sleep_until(self.deadline(&rebuff, began).into()));
        let mut hang_up = pin!(client.hung_up());
        let mut reading = true;
        loop {
            let event = self
                .next_event(timer.as_mut(), hang_up.as_mut(), reading)
                .await;
            match event {
                Event::Turn(Ok(permit)) => return Ok(permit),
                Event::Turn(Err(outage)) => return Err(Refusal::Outage(outage)),
                Event::Body(Ok(ReadAhead::Refused)) => return Err(queue_full(&self.revision)),
                Event::Body(Ok(ReadAhead::Complete | ReadAhead::Partial)) => reading = false,
                Event::Body(Err(Cut::TooLarge(limit))) => {
                    return Err(Refusal::BodyTooLarge { limit });
                }
                Event::Body(Err(Cut::Malformed(_))) => return Err(Refusal::BodyMalformed),
                Event::Body(Err(_)) | Event::HangUp => return Err(Refusal::ClientClosed),
                Event::Due => {
                    if let Some((replica, cause)) = rebuff.take()
                        && self.revision.throttler.lists(replica)
                    {
                        return Err(Refusal::ConnectFailed(cause));
                    }
                    let deadline = self.deadline(&None, began);
                    if deadline <= now() {
                        return Err(self.waited_too_long());
                    }
                    timer.as_mut().reset(deadline.into());
                }
            }
        }
    }

    async fn next_event(
        &mut self,
        mut timer: std::pin::Pin<&mut Sleep>,
        mut hang_up: std::pin::Pin<&mut impl Future<Output = ()>>,
        reading: bool,
    ) -> Event {
        let read_ahead = self.revision.spec.queue.read_ahead;
        let (place, reserved) = (&mut self.place, &mut self.reserved);
        let upload = self.request.body_mut();
        poll_fn(move |cx| {
            if let Poll::Ready(turn) = Future::poll(std::pin::Pin::new(&mut *place), cx) {
                return Poll::Ready(Event::Turn(turn));
            }
            if reading {
                let mut held = upload.held_bytes();
                let read = upload.poll_read_ahead(cx, read_ahead, |bytes| {
                    held += bytes;
                    let more = held.saturating_sub(*reserved);
                    *reserved += more;
                    more == 0 || place.hold_more(more)
                });
                if let Poll::Ready(read) = read {
                    return Poll::Ready(Event::Body(read));
                }
            } else if hang_up.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::HangUp);
            }
            timer.as_mut().poll(cx).map(|()| Event::Due)
        })
        .await
    }

    /// When the wait ends at the latest, as things stand. The budget for a cold start runs while no
    /// replica serves, the queue's own from the moment one does; so this may move, but never to
    /// before the moment it is next looked at.
    fn deadline(&self, rebuff: &Rebuff, began: Instant) -> Instant {
        let queue = &self.revision.spec.queue;
        if rebuff.is_some() {
            return began + self.revision.spec.timeouts.connect;
        }
        let serving_since = self.revision.throttler.outlook().warm_since;
        if let Some(since) = serving_since {
            return since.max(self.arrived) + queue.timeout;
        }
        let cold = self.arrived + queue.cold_timeout;
        cold.min(now() + queue.timeout.max(Duration::from_millis(1)))
    }

    fn waited_too_long(&self) -> Refusal {
        let outlook = self.revision.throttler.outlook();
        let queue = &self.revision.spec.queue;
        match outlook.warm_since {
            Some(_) => Refusal::QueueTimeout {
                waited: queue.timeout,
                estimate: outlook.estimate,
            },
            None => Refusal::ColdStartTimeout {
                waited: queue.cold_timeout,
                diagnosis: outlook.diagnosis,
                estimate: outlook.estimate,
            },
        }
    }
}

/// Tells the two waits apart: for a replica, and for a slot.
fn split(arrived: Instant, admitted: Instant, warm_since: Option<Instant>) -> Waited {
    let total = admitted.saturating_duration_since(arrived);
    let cold = warm_since
        .filter(|&warm| warm > arrived)
        .map(|warm| warm.saturating_duration_since(arrived).min(total));
    Waited {
        queue: total.saturating_sub(cold.unwrap_or_default()),
        cold,
    }
}

/// Counts one wait when it is over, however it ends.
struct WaitTab {
    revision: Arc<Revision>,
    since: Instant,
    outcome: WaitOutcome,
}

impl Drop for WaitTab {
    fn drop(&mut self) {
        let took = now().saturating_duration_since(self.since);
        self.revision.stats.waited(self.outcome, took);
    }
}
