//! The data path: one straight line from a request to its answer.
//!
//! ```text
//!   Request<Incoming>   Rescue   outermost: every refusal becomes an answer here and nowhere else
//!           ▼           Route    host or path → revision
//!        Routed         Admit    read ahead and wait for a permit, until a deadline
//!       Admitted        Connect  a kept connection or a new one; unreachable → Admit again
//!       Connected       Forward  send, wait for the head
//!   Response<Body>      streamed out; end, error or hang-up drops the body → permit → next ticket
//! ```
//!
//! Each step changes the type of the request, so a step left out or swapped does not compile. The
//! only way back up is `Drop`.

mod admit;
mod body;
pub mod connect;
mod detach;
mod error;
mod forward;
mod headers;
mod rescue;
mod route;
mod through;
mod upload;
mod wait;
mod wire;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::stats::Receipt;
use crate::sync::now;
use crate::{registry, throttler};
use admit::{Admitted, Entry, admit, admit_elsewhere};
use connect::{Dial, connect, probe_back_in};
use forward::{Connected, Failed, forward};
use headers::ClientName;
use rescue::{Form, rescue};
use route::route;

pub use body::{Body, Cut};
pub use connect::{Connections, TcpDial};
pub use error::Refusal;
pub use wire::Wire;

/// The revisions, with connections kept per replica.
pub type Registry = registry::Registry<Connections>;
/// A revision of them.
pub type Revision = registry::Revision<Connections>;
/// Its throttler.
pub type Throttler = throttler::Throttler<Connections>;
/// One of its replicas.
pub type Replica = throttler::Replica<Connections>;
type Arrival = throttler::Arrival<Connections>;
type Permit = throttler::Permit<Connections>;
type Place = throttler::Place<Connections>;

/// The other end of one client connection.
#[derive(Clone, Debug)]
pub struct Client {
    name: ClientName,
    stream: Option<Arc<TcpStream>>,
    wire: Arc<Wire>,
    /// The port number of the door it came in by; `None` is the data port.
    door: Option<u16>,
}

impl Client {
    /// A client at an address; with its stream, a hang-up behind an unread body can be seen.
    #[must_use]
    pub fn new(ip: IpAddr, stream: Option<Arc<TcpStream>>) -> Self {
        Self {
            name: ClientName::new(ip),
            stream,
            wire: Arc::new(Wire::new()),
            door: None,
        }
    }

    /// The same client, come in by a door, or by the data port (`None`).
    #[must_use]
    pub fn by_door(self, door: Option<u16>) -> Self {
        Self { door, ..self }
    }

    /// What its exchanges tell about its connection.
    #[must_use]
    pub fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Resolves once the client has left; never, if that cannot be seen. Looks at the socket
    /// twenty times a second while it holds unread bytes, since those keep it readable.
    async fn hung_up(&self) {
        let Some(stream) = &self.stream else {
            return std::future::pending().await;
        };
        loop {
            match stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => {}
                Ok(_) | Err(_) => return,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The data path of a gate.
#[derive(Debug)]
pub struct Proxy<D> {
    registry: Arc<Registry>,
    dial: D,
}

impl<D: Dial> Proxy<D> {
    /// Forwards to the revisions of `registry`, reaching replicas through `dial`.
    pub fn new(registry: Arc<Registry>, dial: D) -> Self {
        Self { registry, dial }
    }

    /// Answers one request. Dropping the future is a client that left.
    //
    // Not an async fn: what a request passes through at once would stay in its future, and every
    // open connection has room for one.
    pub fn serve<'a>(
        &'a self,
        client: &'a Client,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send + 'a {
        let arrived = now();
        let form = Form::of(request.uri().path());
        client.wire.asked(!request.body().is_end_stream());
        let entered = route(&self.registry, client.door, request).map(|routed| {
            let revision = Arc::clone(&routed.revision);
            let receipt = Receipt::new(Arc::clone(&revision.stats), arrived);
            (revision, receipt, admit(routed, client, arrived))
        });
        async move {
            let (revision, mut receipt, entry) = match entered {
                Ok(entered) => entered,
                Err(refusal) => {
                    let response = self.unrouted(&refusal, form, arrived);
                    return closing(response, &refusal, client);
                }
            };
            match self.answer(client, entry).await {
                Ok(mut response) => {
                    if let Body::Through(through) = response.body_mut() {
                        through.account(receipt, &client.wire);
                    }
                    response
                }
                Err(refusal) => {
                    let (code, reason) = refusal.status_and_reason();
                    receipt.answered(code);
                    revision.stats.rejections.count(reason);
                    tracing::debug!(revision = %revision.spec.id, code, reason, %refusal, "refused");
                    closing(rescue(&refusal, form, now()), &refusal, client)
                }
            }
        }
    }

    fn unrouted(&self, refusal: &Refusal, form: Form, arrived: Instant) -> Response<Body> {
        let (code, reason) = refusal.status_and_reason();
        let stats = &self.registry.unrouted;
        stats.rejections.count(reason);
        stats.answered(code, now().saturating_duration_since(arrived));
        rescue(refusal, form, arrived)
    }

    async fn answer(
        &self,
        client: &Client,
        entry: Result<Entry<'_>, Refusal>,
    ) -> Result<Response<Body>, Refusal> {
        let mut admitted = match entry? {
            Entry::Now(admitted) => admitted,
            Entry::Later(wait) => wait.await?,
        };
        loop {
            let connected = self.reach(admitted, client).await?;
            match forward(connected, now()).await {
                Ok(response) => return Ok(response),
                Err(Failed::Stale(again)) => admitted = again,
                Err(Failed::TurnedAway(again)) => {
                    let cause = io::ErrorKind::ConnectionReset.into();
                    admitted = self.elsewhere(again, cause, client).await?;
                }
                Err(Failed::Sent(refusal)) => return Err(refusal),
            }
        }
    }

    /// A connection for an admitted request: to its replica, or to another if that one cannot be
    /// reached.
    async fn reach(&self, mut admitted: Admitted, client: &Client) -> Result<Connected, Refusal> {
        loop {
            let replica = Arc::clone(admitted.permit.replica());
            let budget = admitted.errand.revision.spec.timeouts.connect;
            match connect(&self.dial, &replica, budget, now()).await {
                Ok(connection) => {
                    return Ok(Connected {
                        admitted,
                        connection,
                    });
                }
                Err(cause) => admitted = self.elsewhere(admitted, cause, client).await?,
            }
        }
    }

    /// Another slot for a request whose replica could not be reached.
    async fn elsewhere(
        &self,
        admitted: Admitted,
        cause: io::Error,
        client: &Client,
    ) -> Result<Admitted, Refusal> {
        let replica = Arc::clone(admitted.permit.replica());
        let throttler = Arc::clone(admitted.permit.throttler());
        tracing::debug!(%cause, replica = %replica.id, "could not connect to a replica");
        let unreachable = admitted.rebuffed(cause);
        probe_back_in(self.dial.clone(), throttler, replica);
        match admit_elsewhere(unreachable, client)? {
            Entry::Now(admitted) => Ok(admitted),
            Entry::Later(wait) => wait.await,
        }
    }
}

/// Says that the connection ends with this answer where nobody will read what the client may still
/// be sending: a request sent behind it would be lost. What was sent on to a replica has been read,
/// but for an upload that breaks off.
fn closing(mut response: Response<Body>, refusal: &Refusal, client: &Client) -> Response<Body> {
    let sent = matches!(
        refusal,
        Refusal::UpstreamReset(_) | Refusal::UpstreamTimeout(_)
    );
    if client.wire.is_unread() && !sent {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}
