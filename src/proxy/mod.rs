//! The data path: one straight line from a request to its answer.
//!
//! ```text
//!   Request<Incoming>   Rescue   outermost: every refusal becomes an answer here and nowhere else
//!           ▼           Route    name, host, path or model in the body → revision, or one of our answers
//!        Routed         Admit    read ahead and wait for a permit, until a deadline
//!       Admitted        Connect  a kept connection or a new one; unreachable → Admit again
//!       Connected       Forward  send, wait for the head
//!   Response<Body>      streamed out; end, error or hang-up drops the body → permit → next ticket
//! ```
//!
//! Each step changes the type of the request, so a step left out or swapped does not compile. The
//! only way back up is `Drop`.

mod admit;
pub mod beside;
mod body;
mod by_body;
mod canned;
mod client;
pub mod connect;
mod detach;
mod error;
mod exchange;
mod forward;
mod grpc;
mod headers;
mod keys;
mod paced;
mod reach;
mod rescue;
mod route;
mod shared;
mod strict;
mod terms;
mod through;
mod upgrade;
mod upload;
mod wait;
mod waiting;
mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HeaderValue;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio_util::either::Either;

use crate::callers::ApiKey;
use crate::model_scan::Goal;
use crate::revision::Protocol;
use crate::stats::Receipt;
use crate::sync::now;
use crate::{registry, throttler};
use admit::{Entry, admit};
use beside::{Caller, Porter};
use by_body::{Reading, Scans};
use client::{closing, closing_unread};
use connect::Dial;
use rescue::{Form, rescue};
use route::{Routed, Way, check_key, route};
use upload::Upload;
use waiting::{Manner, Onlookers, account};

pub use body::{Body, Cut};
pub use client::Client;
pub use connect::{Connections, TcpDial};
pub use error::Refusal;
pub use waiting::Early;
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

/// The data path of a gate.
#[derive(Clone, Debug)]
pub struct Proxy<D> {
    registry: Arc<Registry>,
    dial: D,
    /// Who stands at the door of a sidecar; elsewhere there is none.
    porter: Option<Arc<Porter>>,
    scans: Arc<Scans>,
    onlookers: Arc<Onlookers>,
    /// Shown to sidecars with each request.
    mark: Option<HeaderValue>,
}

/// Most bytes of a body that are read to find its model, where nobody says otherwise.
const MODEL_SCAN: u64 = 1 << 20;

/// What becomes of a request that does not simply ask for a slot.
enum Aside<'a> {
    /// It goes nowhere.
    Refused(Refusal),
    /// It is answered already.
    Answered(Box<Response<Body>>),
    /// What becomes of it has yet to be seen.
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send + 'a>>),
}

/// What a request with a revision goes on with.
type Entered<'a> = (Arc<Revision>, Receipt, Result<Entry<'a>, Refusal>);

impl<D: Dial> Proxy<D> {
    /// Forwards to the revisions of `registry`, reaching replicas through `dial`.
    pub fn new(registry: Arc<Registry>, dial: D) -> Self {
        Self {
            registry,
            dial,
            porter: None,
            scans: Scans::new(MODEL_SCAN),
            onlookers: Arc::default(),
            mark: None,
        }
    }

    /// The same, showing sidecars with each request that it is one of a gateway that counts it.
    #[must_use]
    pub fn marking(self, mark: &str) -> Self {
        let mark = HeaderValue::try_from(mark).ok();
        Self { mark, ..self }
    }

    /// The same at the door of a sidecar.
    #[must_use]
    pub fn with_porter(self, porter: Arc<Porter>) -> Self {
        let porter = Some(porter);
        Self { porter, ..self }
    }

    /// The same, reading so many bytes of a body to find its model; 0 is none.
    #[must_use]
    pub fn scanning(self, budget: u64) -> Self {
        let scans = Scans::new(budget);
        Self { scans, ..self }
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
        let form = Form::of(&request);
        client.wire.asked(!request.body().is_end_stream());
        if let Some(porter) = self.porter.as_deref() {
            return Either::Left(Box::pin(self.meet(porter, client, request, form, arrived)));
        }
        Either::Right(self.receive(client, request, form, arrived))
    }

    /// What has come to the door of a sidecar.
    async fn meet(
        &self,
        porter: &Porter,
        client: &Client,
        request: Request<Incoming>,
        form: Form,
        arrived: Instant,
    ) -> Response<Body> {
        let (request, mut through) = match porter.meets(request) {
            Caller::Probe(probe) => return porter.answer(probe).await,
            Caller::PassedOn(request) => {
                let lone = self.registry.lone();
                let protocol = lone.map_or_else(Protocol::default, |lone| lone.spec.protocol);
                return porter.pass_on(&self.dial, protocol, request).await;
            }
            Caller::Guest(request, through) => (request, through),
        };
        let mut response = self.receive(client, request, form, arrived).await;
        if let Some(proxied) = through.take() {
            response.body_mut().counts(proxied, &client.wire);
        }
        if through.wants_load {
            porter.tell_load(response.headers_mut());
        }
        response
    }

    /// From the first step to the answer.
    fn receive<'a>(
        &'a self,
        client: &'a Client,
        request: Request<Incoming>,
        form: Form,
        arrived: Instant,
    ) -> impl Future<Output = Response<Body>> + Send + 'a {
        let sound = strict::check(&request);
        let entered = match sound.and_then(|()| route(&self.registry, client, request)) {
            Ok(Way::To(routed)) => self.enter(routed, client, arrived),
            Ok(Way::ByBody(request, caller)) => {
                let found = self.by_body(request, caller, client, arrived);
                Err(Aside::Later(Box::pin(found)))
            }
            Ok(Way::Listing(caller)) => Err(self.listed(caller.as_deref(), arrived)),
            Err(refusal) => Err(Aside::Refused(refusal)),
        };
        self.conclude(entered, client, form, arrived)
    }

    /// Asks for a slot for a request with a revision, or finds that it needs none.
    fn enter<'a>(
        &'a self,
        routed: Routed,
        client: &'a Client,
        arrived: Instant,
    ) -> Result<Entered<'a>, Aside<'a>> {
        let revision = Arc::clone(&routed.revision);
        if let Some(answer) = canned::answer(&routed) {
            let took = now().saturating_duration_since(arrived);
            revision.stats.answered(answer.status().as_u16(), took);
            return Err(Aside::Answered(Box::new(answer)));
        }
        match Manner::of(&routed) {
            Some(Manner::Page) => {
                if let Some(page) = self.page(&routed, arrived) {
                    return Err(Aside::Answered(Box::new(page)));
                }
            }
            Some(Manner::Hearing(hearing)) => {
                let proxy = self.clone();
                let answer = proxy.hearing(routed, client.clone(), hearing, arrived);
                return Err(Aside::Later(Box::pin(answer)));
            }
            None => {}
        }
        let receipt = Receipt::new(Arc::clone(&revision.stats), arrived);
        Ok((revision, receipt, admit(routed, client, arrived)))
    }

    /// Finds the revision of the model that a body asks for, and goes on with it.
    async fn by_body(
        &self,
        mut request: Request<Upload>,
        caller: Option<Arc<ApiKey>>,
        client: &Client,
        arrived: Instant,
    ) -> Response<Body> {
        let form = Form::of(&request);
        // Whoever reads the body may take the last of several models: who may not ask for all of them
        // must name one.
        let confined = caller.as_ref().is_some_and(|key| key.revisions.is_some());
        let goal = if confined { Goal::Only } else { Goal::First };
        let reading = Reading::new(&self.registry.unrouted, arrived);
        let found = by_body::find(&self.registry, &mut request, &self.scans, goal).await;
        reading.over();
        let opened = found.and_then(|revision| {
            check_key(caller.as_deref(), &revision)?;
            Ok(revision)
        });
        let entered = match opened {
            Ok(revision) => {
                let routed = Routed {
                    revision,
                    request,
                    caller,
                    lone: false,
                };
                self.enter(routed, client, arrived)
            }
            Err(refusal) => Err(Aside::Refused(refusal)),
        };
        self.conclude(entered, client, form, arrived).await
    }

    /// Which models there are.
    fn listed(&self, caller: Option<&ApiKey>, arrived: Instant) -> Aside<'static> {
        let answer = canned::listing(&self.registry, caller);
        let took = now().saturating_duration_since(arrived);
        self.registry.unrouted.answered(200, took);
        Aside::Answered(Box::new(answer))
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn would keep its arguments twice, and every open connection has room for one"
    )]
    fn conclude<'a>(
        &'a self,
        entered: Result<Entered<'a>, Aside<'a>>,
        client: &'a Client,
        form: Form,
        arrived: Instant,
    ) -> impl Future<Output = Response<Body>> + Send + 'a {
        async move {
            let (revision, receipt, entry) = match entered {
                Ok(entered) => entered,
                Err(Aside::Refused(refusal)) => {
                    let response = self.unrouted(&refusal, form, arrived);
                    return closing(response, &refusal, client);
                }
                Err(Aside::Answered(answer)) => return closing_unread(*answer, client),
                Err(Aside::Later(answer)) => return answer.await,
            };
            let mut answer = self.answer(client, entry).await;
            account(&mut answer, &revision, receipt, client);
            match answer {
                Ok(response) => response,
                Err(refusal) => closing(rescue(&refusal, form, now()), &refusal, client),
            }
        }
    }

    /// What came was no request, so that it was never served: the parser has refused it.
    pub(crate) fn unread(&self, error: &hyper::Error) {
        if error.is_parse_too_large() {
            self.count_unread(431, "head_too_large");
        } else if error.is_parse() {
            self.count_unread(400, "request_malformed");
        }
    }

    /// A request has not come to the end of its head in time.
    pub(crate) fn too_slow(&self) {
        self.count_unread(408, "head_timeout");
    }

    fn count_unread(&self, code: u16, reason: &'static str) {
        let stats = &self.registry.unrouted;
        stats.rejections.count(reason);
        stats.answered(code, Duration::ZERO);
    }

    fn unrouted(&self, refusal: &Refusal, form: Form, arrived: Instant) -> Response<Body> {
        let (code, reason) = refusal.status_and_reason();
        let stats = &self.registry.unrouted;
        stats.rejections.count(reason);
        stats.answered(code, now().saturating_duration_since(arrived));
        rescue(refusal, form, arrived)
    }
}
