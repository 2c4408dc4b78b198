//! The second step: a slot at a replica, now or after a wait, or a refusal.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use http::Request;
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::detach::detach;
use super::error::Refusal;
use super::grpc;
use super::headers::{self, Waited};
use super::route::Routed;
use super::terms::{Asked, ends_wait, latest};
use super::upload::Upload;
use super::wait::{Rebuff, Wait};
use super::{Arrival, Client, Permit, Registry, Revision, now};
use crate::admission::{Back, Deadline, Full, Terms, Ticket};
use crate::callers::ApiKey;
use crate::guests::Guest;
use crate::ports::Outage;
use crate::revision::Protocol;
use crate::tls::Speech;

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
    /// Whose key it came with.
    caller: Option<Arc<ApiKey>>,
    /// What it asked of us.
    pub(super) asked: Asked,
    /// Until when it is let wait, where it says so.
    pub(super) deadline: Option<Deadline>,
    /// When it arrived.
    pub(super) arrived: Instant,
    /// It is a call of gRPC.
    pub(super) grpc: bool,
    /// Until when its caller waits, where that was said.
    pub(super) answer_by: Option<Instant>,
    /// Its client's connection once it has become something else than HTTP; `None` if it is not to.
    pub(super) upgrade: Option<OnUpgrade>,
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
    let Routed {
        revision,
        mut request,
        caller,
        ..
    } = routed;
    let spec = &revision.spec;
    let announced = request.body().size_hint().exact();
    if let (Some(limit), Some(bytes)) = (spec.max_body_bytes, announced)
        && bytes > limit
    {
        return Err(Refusal::BodyTooLarge { limit });
    }
    if let Some(limit) = spec.max_body_bytes
        && !request.body_mut().limit(Some(limit))
    {
        return Err(Refusal::BodyTooLarge { limit });
    }
    let grpc = grpc::is_call(&request);
    let answer_by = if grpc {
        grpc::timeout(request.headers()).map(|timeout| now + timeout)
    } else {
        None
    };
    let asked = Asked::take(request.headers_mut());
    let upgrade = headers::rewrite(&mut request, &client.name);
    if upgrade.is_some() && spec.protocol == Protocol::H2c {
        return Err(Refusal::NoUpgrade);
    }
    let (method, path) = (request.method().as_str(), request.uri().path());
    let guest = revision.throttler.guests().arrive(method, path, now);
    let bytes = announced.unwrap_or(0).min(spec.queue.read_ahead);
    let bytes = bytes.max(request.body().held_bytes());
    let mut deadline = None;
    let arrival = revision.throttler.arrive_on(bytes, || {
        let terms = asked.terms(&revision.spec, &request, caller.as_deref(), now);
        deadline = terms.deadline;
        terms
    });
    let errand = Box::new(Errand {
        revision,
        request,
        waited: Waited::default(),
        guest,
        caller,
        asked,
        deadline,
        arrived: now,
        grpc,
        answer_by,
        upgrade,
    });
    errand.enter(arrival, bytes, client, None)
}

impl Errand {
    /// Its replica is to be spoken to in HTTP/2.
    pub(super) fn goes_by_http2(&self) -> bool {
        match self.revision.spec.protocol {
            Protocol::Auto => self.grpc,
            Protocol::Http1 => false,
            Protocol::H2c => true,
        }
    }

    /// Goes on by the settings of now: what it failed by may have changed while it waited.
    pub(super) fn goes_on_in(&mut self, registry: &Registry) {
        let present = registry.by_name(&self.revision.spec.id);
        let present = present.filter(|it| Arc::ptr_eq(&it.throttler, &self.revision.throttler));
        if let Some(present) = present {
            self.revision = present;
        }
    }

    /// What is to be spoken behind the handshake with its replica, where there is one.
    pub(super) fn speech(&self) -> Speech {
        if self.upgrade.is_none() && self.goes_by_http2() {
            Speech::Http2
        } else {
            Speech::Http1
        }
    }

    /// It has tried for longer than it may wait for a slot and then for a connection.
    fn is_late(&self) -> bool {
        let spec = &self.revision.spec;
        let (now, warm_since) = (now(), self.revision.throttler.outlook().warm_since);
        let own = ends_wait(self.deadline);
        let latest = latest(&spec.queue, (self.arrived, own), warm_since, now);
        now > latest + spec.timeouts.connect
    }

    /// Its terms, for who was not asked for them when it arrived.
    fn terms(&self) -> Terms {
        let (spec, caller) = (&self.revision.spec, self.caller.as_deref());
        self.asked.terms(spec, &self.request, caller, self.arrived)
    }

    /// Tells those who ask for it how it waits: with this ticket, or no longer.
    pub(super) fn stands(&self, ticket: Option<Ticket>) {
        self.guest.stands(ticket);
        if let Some(bystander) = self.request.body().bystander() {
            bystander.stands(ticket);
        }
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
            Arrival::QueueFull(full) => Err(queue_full(&errand.revision, full)),
            Arrival::Late(wait) => Err(Refusal::DeadlineUnmeetable { wait: Some(wait) }),
            Arrival::Outage(outage) => Err(cannot_come(&errand.revision, outage)),
        }
    }
}

impl Admitted {
    /// The replica of this slot could not be reached.
    #[must_use]
    pub(super) fn rebuffed(self, cause: io::Error) -> Unreachable {
        let Self { permit, mut errand } = self;
        let replica = permit.replica().id;
        let back = Back {
            bytes: errand.request.body().held_bytes(),
            terms: errand.terms(),
            since: errand.arrived,
        };
        errand.deadline = back.terms.deadline;
        let arrival = permit.rebuffed(back);
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

pub(super) fn queue_full(revision: &Revision, full: Full) -> Refusal {
    let estimate = revision.throttler.outlook().estimate;
    Refusal::QueueFull {
        full,
        status: revision.spec.overload_status,
        estimate,
    }
}
