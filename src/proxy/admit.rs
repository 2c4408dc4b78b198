//! The second step: a slot at a replica, now or after a wait, or a refusal.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use http::Request;
use http_body::Body as _;

use super::detach::detach;
use super::error::Refusal;
use super::headers::{self, Waited};
use super::route::Routed;
use super::upload::Upload;
use super::wait::{Rebuff, Wait};
use super::{Arrival, Client, Permit, Revision, now};
use crate::admission::deadline;
use crate::guests::Guest;
use crate::ports::Outage;

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
    /// Its place in the book of guests.
    pub(super) guest: Guest,
    /// When it arrived.
    pub(super) arrived: Instant,
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
    Later(Pin<Box<dyn Future<Output = Result<Admitted, Refusal>> + Send + 'a>>),
}

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
    let (method, path) = (request.method().as_str(), request.uri().path());
    let guest = revision.throttler.guests().arrive(method, path, now);
    let mut request = request.map(|body| Upload::new(body, spec.max_body_bytes));
    headers::rewrite(&mut request, &client.name);
    let bytes = announced.unwrap_or(0).min(spec.queue.read_ahead);
    let arrival = revision.throttler.arrive(bytes);
    let errand = Box::new(Errand {
        revision,
        request,
        waited: Waited::default(),
        guest,
        arrived: now,
    });
    errand.enter(arrival, bytes, client, None)
}

impl Errand {
    /// It has tried for longer than it may wait for a slot and then for a connection.
    fn is_late(&self) -> bool {
        let spec = &self.revision.spec;
        let (now, warm_since) = (now(), self.revision.throttler.outlook().warm_since);
        now > deadline(&spec.queue, self.arrived, warm_since, now) + spec.timeouts.connect
    }

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
                Ok(Entry::Later(Box::pin(wait.out(client, rebuff))))
            }
            Arrival::QueueFull => Err(queue_full(&errand.revision)),
            Arrival::Outage(outage) => Err(cannot_come(&errand.revision, outage)),
        }
    }
}

impl Admitted {
    /// The replica of this slot could not be reached.
    #[must_use]
    pub(super) fn rebuffed(self, cause: io::Error) -> Unreachable {
        let Self { permit, errand } = self;
        let replica = permit.replica().id;
        let arrival = permit.rebuffed(errand.request.body().held_bytes());
        errand.guest.waits();
        Unreachable {
            arrival,
            errand,
            replica,
            cause,
        }
    }
}

/// Asks for another slot for a request whose replica could not be reached, however many it has tried:
/// each is tried once until it can be reached again. It keeps its place in the order of arrival.
pub(super) fn admit_elsewhere(failed: Unreachable, client: &Client) -> Result<Entry<'_>, Refusal> {
    let Unreachable {
        mut arrival,
        errand,
        replica,
        cause,
    } = failed;
    if errand.is_late() {
        let refusal = Refusal::ConnectFailed(cause);
        arrival.ends(refusal.fate());
        return Err(refusal);
    }
    errand.revision.stats.retries.inc();
    let reserved = errand.request.body().held_bytes();
    errand.enter(arrival, reserved, client, Some((replica, cause)))
}

pub(super) fn cannot_come(revision: &Revision, outage: Arc<Outage>) -> Refusal {
    let expected = revision.throttler.outlook().expected;
    Refusal::Outage { outage, expected }
}

pub(super) fn queue_full(revision: &Revision) -> Refusal {
    let estimate = revision.throttler.outlook().estimate;
    Refusal::QueueFull {
        status: revision.spec.overload_status,
        estimate,
    }
}
