//! The second step: a slot at a replica, now or after a wait, or a refusal.
//!
//! While a request waits its body is read ahead, within a budget: hyper notices that a client has
//! left only while it may read. A body beyond the budget stays in the socket, which is then watched.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::Request;
use http_body::Body as _;
use tokio::time::{Sleep, sleep_until};

use super::body::{Cut, ReadAhead, Upload};
use super::detach::detach;
use super::error::Refusal;
use super::headers::{self, Waited};
use super::route::Routed;
use super::{Arrival, Client, Permit, Place, Revision, now};
use crate::stats::WaitOutcome;

/// A request on its way, whatever it waits for. On the heap, so that it is moved from step to step
/// by its address and takes no room in the future of a connection that has none.
#[derive(Debug)]
pub(super) struct Errand {
    /// Whose request it is.
    pub(super) revision: Arc<Revision>,
    /// The request as it will be sent.
    pub(super) request: Request<Upload>,
    /// What it waited for.
    pub(super) waited: Waited,
    /// When it arrived.
    arrived: Instant,
    /// Replicas that could not be reached for it.
    rebuffs: u32,
}

/// A request with a slot.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Its slot.
    pub(super) permit: Permit,
    /// The request.
    pub(super) errand: Box<Errand>,
}

/// A replica could not be reached: what is left of the request, and the wait that follows.
#[derive(Debug)]
pub(super) struct Unreachable {
    arrival: Arrival,
    errand: Box<Errand>,
    replica: crate::revision::ReplicaId,
    cause: io::Error,
}

/// A request that has come in: admitted, or about to be. Few have to wait, so what waiting takes
/// is on the heap, too.
pub(super) enum Entry<'a> {
    /// It has a slot.
    Now(Admitted),
    /// It is in line.
    Later(Waiting<'a>),
}

/// Resolves with the slot.
pub(super) type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Admitted, Refusal>> + Send + 'a>>;

/// Most replicas tried for one request.
const MOST_REBUFFS: u32 = 3;

/// Asks for a slot for a request that has just arrived.
pub(super) fn admit(routed: Routed, client: &Client, now: Instant) -> Result<Entry<'_>, Refusal> {
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
    let arrival = revision.throttler.arrive(bytes);
    let errand = Box::new(Errand {
        revision,
        request,
        waited: Waited::default(),
        arrived: now,
        rebuffs: 0,
    });
    errand.enter(arrival, bytes, client, None)
}

impl Errand {
    /// Takes what the throttler had for it.
    fn enter(
        self: Box<Self>,
        arrival: Arrival,
        reserved: u64,
        client: &Client,
        rebuff: Rebuff,
    ) -> Result<Entry<'_>, Refusal> {
        let mut errand = self;
        match arrival {
            Arrival::Admitted(permit) => Ok(Entry::Now(Admitted { permit, errand })),
            Arrival::Waiting(place) => {
                detach(&mut errand.request);
                let wait = Wait {
                    errand,
                    place,
                    reserved,
                };
                Ok(Entry::Later(wait.out(client, rebuff)))
            }
            Arrival::QueueFull => Err(queue_full(&errand.revision)),
            Arrival::Outage(outage) => Err(Refusal::Outage(outage)),
        }
    }
}

impl Admitted {
    /// The replica of this slot could not be reached.
    #[must_use]
    pub(super) fn rebuffed(self, cause: io::Error) -> Unreachable {
        let Self { permit, mut errand } = self;
        let replica = permit.replica().id;
        let arrival = permit.rebuffed(errand.request.body().held_bytes());
        errand.rebuffs += 1;
        Unreachable {
            arrival,
            errand,
            replica,
            cause,
        }
    }
}

/// Asks for another slot for a request whose replica could not be reached. It keeps its place in
/// the order of arrival.
pub(super) fn admit_elsewhere(failed: Unreachable, client: &Client) -> Result<Entry<'_>, Refusal> {
    let Unreachable {
        arrival,
        errand,
        replica,
        cause,
    } = failed;
    if errand.rebuffs >= MOST_REBUFFS {
        return Err(Refusal::ConnectFailed(cause));
    }
    errand.revision.stats.retries.inc();
    let reserved = errand.request.body().held_bytes();
    errand.enter(arrival, reserved, client, Some((replica, cause)))
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
    errand: Box<Errand>,
    place: Place,
    /// Bytes the line already counts for it.
    reserved: u64,
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
    fn out(mut self, client: &Client, rebuff: Rebuff) -> Waiting<'_> {
        // Not an async fn: that would keep its arguments twice, and this is what a held request is.
        Box::pin(async move {
            let mut tab = WaitTab {
                revision: Arc::clone(&self.errand.revision),
                since: self.errand.arrived,
                outcome: WaitOutcome::Cancelled,
            };
            let turn = self.turn(client, rebuff, now()).await;
            tab.outcome = match &turn {
                Ok(_) => WaitOutcome::Admitted,
                Err(Refusal::ClientClosed) => WaitOutcome::Cancelled,
                Err(_) => WaitOutcome::Refused,
            };
            let permit = turn?;
            let mut errand = self.errand;
            let warm_since = errand.revision.throttler.outlook().warm_since;
            errand.waited = split(errand.arrived, permit.since(), warm_since);
            Ok(Admitted { permit, errand })
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
                Event::Body(Ok(ReadAhead::Refused)) => {
                    return Err(queue_full(&self.errand.revision));
                }
                Event::Body(Ok(ReadAhead::Complete | ReadAhead::Partial)) => reading = false,
                Event::Body(Err(Cut::TooLarge(limit))) => {
                    return Err(Refusal::BodyTooLarge { limit });
                }
                Event::Body(Err(Cut::Malformed(_))) => return Err(Refusal::BodyMalformed),
                Event::Body(Err(_)) | Event::HangUp => return Err(Refusal::ClientClosed),
                Event::Due => {
                    if let Some((replica, cause)) = rebuff.take()
                        && self.errand.revision.throttler.lists(replica)
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
        mut timer: Pin<&mut Sleep>,
        mut hang_up: Pin<&mut impl Future<Output = ()>>,
        reading: bool,
    ) -> Event {
        let read_ahead = self.errand.revision.spec.queue.read_ahead;
        let (place, reserved) = (&mut self.place, &mut self.reserved);
        let upload = self.errand.request.body_mut();
        poll_fn(move |cx| {
            if let Poll::Ready(turn) = Future::poll(Pin::new(&mut *place), cx) {
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
        let queue = &self.errand.revision.spec.queue;
        if rebuff.is_some() {
            return began + self.errand.revision.spec.timeouts.connect;
        }
        let serving_since = self.errand.revision.throttler.outlook().warm_since;
        if let Some(since) = serving_since {
            // However often the replicas come and go, there is an end to it.
            let latest = self.errand.arrived + queue.cold_timeout + queue.timeout;
            return (since.max(self.errand.arrived) + queue.timeout).min(latest);
        }
        let cold = self.errand.arrived + queue.cold_timeout;
        cold.min(now() + queue.timeout.max(Duration::from_millis(1)))
    }

    fn waited_too_long(&self) -> Refusal {
        let outlook = self.errand.revision.throttler.outlook();
        let queue = &self.errand.revision.spec.queue;
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
