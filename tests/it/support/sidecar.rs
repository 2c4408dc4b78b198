//! A sidecar in memory: the real door and data path before one model server of a machine.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use holdgate::backend::seams::{Launcher as _, Order};
use holdgate::ports::{ReplicaState, ReplicaView, World};
use holdgate::proxy::beside::{Health, Porter};
use holdgate::proxy::{Proxy, Registry, Revision, Throttler};
use holdgate::revision::{Endpoint, ReplicaId, RevisionSpec};
use holdgate::server::Server;
use holdgate::stats::Stats;
use holdgate::sync::now;
use tokio_util::task::AbortOnDropHandle;

use super::{Answer, Ask, Client, Machine, ms, process};

/// A sidecar and its model server.
pub(crate) struct Sidecar {
    pub(crate) machine: Machine,
    pub(crate) server: Server<Machine>,
    pub(crate) throttler: Arc<Throttler>,
    pub(crate) door: Arc<Porter>,
    health: Arc<Told>,
    app: Endpoint,
}

/// Whether the model server is ready, as a test says.
#[derive(Debug, Default)]
struct Told(AtomicBool);

impl Health for Told {
    fn is_ready(&self) -> bool {
        self.0.load(Relaxed)
    }

    fn ask(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(self.is_ready()))
    }
}

impl Sidecar {
    /// Its model server listens, and is not ready yet.
    pub(crate) async fn cold(spec: RevisionSpec, in_knative: bool) -> Self {
        let machine = Machine::default();
        let app = machine.endpoint().expect("an address");
        let order = Order {
            replica: ReplicaId(1),
            endpoint: app,
            spec: Arc::new(process(ms(0))),
            devices: Vec::new(),
        };
        machine.launch(&order).await.expect("it starts");
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        let health = Arc::new(Told::default());
        let door = Porter::new(
            Arc::clone(&health) as Arc<dyn Health>,
            Arc::clone(&throttler),
            app,
            in_knative,
        );
        let door = Arc::new(door);
        let registry = Arc::new(Registry::default());
        registry.insert(Revision {
            spec,
            throttler: Arc::clone(&throttler),
            stats: Arc::new(Stats::new()),
            tls: None,
        });
        let proxy = Proxy::new(registry, machine.clone()).with_porter(Arc::clone(&door));
        Self {
            server: Server::new(Arc::new(proxy), 1000),
            machine,
            throttler,
            door,
            health,
            app,
        }
    }

    /// Its model server is ready.
    pub(crate) async fn warm(spec: RevisionSpec, in_knative: bool) -> Self {
        let sidecar = Self::cold(spec, in_knative).await;
        sidecar.set_ready(true);
        sidecar
    }

    /// What is seen of its model server from now on.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.health.0.store(ready, Relaxed);
        self.throttler.follow(&self.world());
    }

    /// What is there.
    pub(crate) fn world(&self) -> World {
        let state = if self.health.is_ready() {
            ReplicaState::Ready
        } else {
            ReplicaState::Starting
        };
        let view = ReplicaView {
            id: ReplicaId(1),
            name: None,
            uid: None,
            endpoint: Some(self.app),
            state,
            since: now(),
            phase: None,
            detail: None,
            kept_by: None,
        };
        World {
            replicas: vec![view],
            ..World::default()
        }
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: Ask) -> Answer {
        Client::new(self.server.clone()).await.ask(request).await
    }

    /// The same in a task of its own.
    pub(crate) fn asking(&self, request: Ask) -> AbortOnDropHandle<Answer> {
        let client = Client::new(self.server.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { client.await.ask(request).await }))
    }
}

/// The same request with another header.
pub(crate) fn saying(name: &'static str, value: &str, mut request: Ask) -> Ask {
    let value = value.parse().expect("a header value");
    request.headers_mut().insert(name, value);
    request
}
