//! The door of a sidecar: what comes to it that is no request for the model server, and what Knative's
//! queue-proxy would change in those that are. A gate of many has none of this and pays nothing for it.

mod knative;
mod probes;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use parking_lot::{Mutex, RwLock};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Notify, Semaphore};

use super::body::Body;
use super::connect::Dial;
use super::{Throttler, now};
use crate::admission::meter::{Meter, Report};
use crate::revision::{Endpoint, Protocol};
use probes::Probe;

static PROXY_REQUEST: HeaderName = HeaderName::from_static("k-proxy-request");
/// A gateway shows with it that a request is one of its own; whoever says anything else in it asks how
/// busy the door is, and is told with it.
pub(super) static LOAD: HeaderName = HeaderName::from_static("x-holdgate-load");

/// Most probes that are passed on at once: what they are told by can be said by anybody, and they take
/// no slot.
const PASSED_ON: usize = 2;

/// Whether the model server is ready. A seam: what looks at it is no part of the data path.
pub trait Health: Debug + Send + Sync {
    /// As it was when it was last looked at.
    fn is_ready(&self) -> bool;
    /// As it is: looks, or joins who does.
    fn ask(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// Stands at the door of a sidecar.
#[derive(Debug)]
pub struct Porter {
    health: Arc<dyn Health>,
    throttler: Arc<Throttler>,
    /// Where the model server listens.
    app: Endpoint,
    /// It stands in the place of Knative's queue-proxy.
    in_knative: bool,
    draining: AtomicBool,
    /// Nobody is here, and somebody wants to know when one comes.
    asleep: AtomicBool,
    bell: Notify,
    passing: Semaphore,
    /// Requests that came through a gateway, which counts them itself.
    proxied: Arc<Mutex<Meter>>,
    /// What such a gateway shows.
    mark: RwLock<Option<String>>,
}

/// What has come to the door.
pub(super) enum Caller {
    /// Somebody who asks whether anybody is there.
    Probe(Probe),
    /// Kubelet's probe of the model server itself.
    PassedOn(Request<Incoming>),
    /// A request for the model server.
    Guest(Request<Incoming>, Through),
}

/// What is known of the way by which a request came.
#[derive(Debug, Default)]
pub(super) struct Through {
    /// It counts as one of a gateway until this is dropped.
    proxied: Option<Proxied>,
    pub(super) wants_load: bool,
}

/// A request that came through a gateway, as long as it is here.
#[derive(Debug)]
pub struct Proxied(Arc<Mutex<Meter>>);

impl Drop for Proxied {
    fn drop(&mut self) {
        self.0.lock().leave(now());
    }
}

impl Through {
    /// What counts it, to be kept until it is over.
    pub(super) fn take(&mut self) -> Option<Proxied> {
        self.proxied.take()
    }
}

impl Porter {
    /// Stands before the model server at `app`.
    pub fn new(
        health: Arc<dyn Health>,
        throttler: Arc<Throttler>,
        app: Endpoint,
        in_knative: bool,
    ) -> Self {
        Self {
            health,
            throttler,
            app,
            in_knative,
            draining: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            bell: Notify::new(),
            passing: Semaphore::new(PASSED_ON),
            proxied: Arc::new(Mutex::new(Meter::new(now()))),
            mark: RwLock::new(None),
        }
    }

    /// From now on it says that nobody should be sent here, or no longer.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Relaxed);
    }

    /// Who shows this from now on is a gateway that counts its requests itself.
    pub fn know(&self, mark: &str) {
        let known = self.mark.read().as_deref() == Some(mark);
        if !known {
            *self.mark.write() = Some(mark.to_owned());
        }
    }

    /// Whether a gateway whose requests it counts itself shows this.
    pub(crate) fn knows(&self, shown: &HeaderValue) -> bool {
        let mark = self.mark.read();
        let mark = mark.as_deref().map(str::as_bytes);
        mark.is_some_and(|mark| shown.as_bytes().ct_eq(mark).into())
    }

    /// Waits until somebody comes; at once if somebody is here.
    pub async fn woken(&self) {
        self.asleep.store(true, Relaxed);
        if self.throttler.glance().in_flight == 0 {
            self.bell.notified().await;
        }
        self.asleep.store(false, Relaxed);
    }

    /// What came through gateways since this was last asked.
    pub fn proxied(&self) -> Report {
        self.proxied.lock().report(now())
    }

    /// Requests that came through gateways and are here now.
    pub fn proxied_now(&self) -> u32 {
        self.proxied.lock().in_flight()
    }

    /// Who has come.
    pub(super) fn meets(&self, mut request: Request<Incoming>) -> Caller {
        if let Some(probe) = self.recognises(request.headers()) {
            return match probe {
                Probe::OfTheModel if self.may_pass(&request) => Caller::PassedOn(request),
                // Whoever it is waits in line.
                Probe::OfTheModel => Caller::Guest(request, Through::default()),
                probe => Caller::Probe(probe),
            };
        }
        if self.asleep.load(Relaxed) && self.asleep.swap(false, Relaxed) {
            self.bell.notify_one();
        }
        let headers = request.headers_mut();
        let said = headers.remove(&LOAD);
        let by_gateway = said.as_ref().is_some_and(|said| self.knows(said));
        let wants_load = said.is_some() && !by_gateway;
        let by_activator = self.in_knative
            && headers
                .get(&PROXY_REQUEST)
                .is_some_and(|by| by == "activator");
        if self.in_knative {
            knative::restore(headers);
        }
        let proxied = (by_gateway || by_activator).then(|| {
            self.proxied.lock().arrive(now());
            Proxied(Arc::clone(&self.proxied))
        });
        let through = Through {
            proxied,
            wants_load,
        };
        Caller::Guest(request, through)
    }

    /// Tells who asks how busy the door is.
    pub(super) fn tell_load(&self, headers: &mut HeaderMap) {
        let reading = self.throttler.read();
        let load = format!("in_flight={}, queued={}", reading.running, reading.waiting);
        let load = HeaderValue::try_from(load).expect("words and numbers are valid in a header");
        headers.insert(&LOAD, load);
    }

    /// The answer to a probe.
    pub(super) async fn answer(&self, probe: Probe) -> Response<Body> {
        probes::answer(probe, self.draining.load(Relaxed), &*self.health).await
    }

    /// The model server's own answer to a probe that takes no slot.
    pub(super) async fn pass_on<D: Dial>(
        &self,
        dial: &D,
        protocol: Protocol,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let Ok(_passing) = self.passing.acquire().await else {
            return probes::unreachable("nobody is asked any more");
        };
        probes::pass_on(dial, (self.app, protocol == Protocol::H2c), request).await
    }
}
