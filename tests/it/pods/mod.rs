//! The data path over real sockets, where replicas are pods: they die and come back at their
//! address, go away, or are stopped, and the world says so sooner or later.

mod coming;
mod dying;
#[cfg(feature = "kubernetes")]
mod http2;
mod leaving;
mod pod;
mod routing;
mod stopped;
mod unschedulable;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdgate::ports::{Outage, OutageReason, ReplicaState, ReplicaView, World};
use holdgate::proxy::connect::Dial;
use holdgate::proxy::{Proxy, Registry, Revision, TcpDial, Throttler};
use holdgate::revision::{ContainerConcurrency, Endpoint, ReplicaId, RevisionId, RevisionSpec};
use holdgate::server::{self, Server};
use holdgate::stats::Stats;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::support::defaults;
use pod::Pod;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Dials over TCP, but for addresses that are silent: nobody refuses there, and nobody answers.
#[derive(Clone, Default)]
struct Dials {
    silent: Arc<Mutex<BTreeSet<SocketAddr>>>,
    silenced: Arc<Notify>,
}

impl Dial for Dials {
    type Io = TcpStream;

    async fn dial(&self, endpoint: Endpoint) -> io::Result<TcpStream> {
        if self.silent.lock().contains(&endpoint.0) {
            self.silenced.notify_one();
            return std::future::pending().await;
        }
        TcpDial.dial(endpoint).await
    }
}

/// A gate for many tenants, and one revision of it.
struct Front {
    address: SocketAddr,
    registry: Arc<Registry>,
    throttler: Arc<Throttler>,
    spec: RevisionSpec,
    stats: Arc<Stats>,
    dials: Dials,
    world: Mutex<World>,
    _accepting: AbortOnDropHandle<()>,
}

impl Front {
    /// With a hard limit, over these pods.
    fn new(limit: u32, pods: &[&Pod]) -> Self {
        let mut spec = defaults("m.ns");
        spec.hosts = vec!["m.ns".into(), "m.ns.example.com".into()];
        spec.container_concurrency = ContainerConcurrency::new(limit);
        spec.timeouts.connect = LONG;
        Self::of(spec, pods)
    }

    fn of(spec: RevisionSpec, pods: &[&Pod]) -> Self {
        let registry = Arc::new(Registry::exact());
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        let dials = Dials::default();
        let proxy = Arc::new(Proxy::new(Arc::clone(&registry), dials.clone()));
        let listener: TcpListener = server::listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let server = Server::new(proxy, 1000);
        let accepting = tokio::spawn(async move { server.accept(listener).await });
        let front = Self {
            address,
            registry,
            throttler,
            spec,
            stats: Arc::default(),
            dials,
            world: Mutex::default(),
            _accepting: AbortOnDropHandle::new(accepting),
        };
        front.route();
        front.show(|world| {
            world.replicas = (1..).zip(pods).map(|(id, pod)| view(id, pod)).collect();
        });
        front
    }

    fn route(&self) {
        self.registry.insert(Revision {
            spec: self.spec.clone(),
            throttler: Arc::clone(&self.throttler),
            stats: Arc::clone(&self.stats),
            tls: None,
        });
    }

    fn remove(&self) {
        self.registry.remove(&RevisionId::new("m.ns"));
    }

    /// The world has changed, and the throttler is told.
    fn show(&self, change: impl FnOnce(&mut World)) {
        let mut world = self.world.lock();
        change(&mut world);
        self.throttler.follow(&world);
    }

    /// How far a replica has come.
    fn turn(&self, id: u64, state: ReplicaState) {
        self.show(|world| {
            let mut views = world.replicas.iter_mut();
            let view = views.find(|view| view.id == ReplicaId(id));
            view.expect("it is there").state = state;
        });
    }

    /// No replica can come, or one can again.
    fn out(&self, reason: Option<OutageReason>) {
        let outage = |reason| {
            Arc::new(Outage {
                reason,
                detail: "its owner has stopped it".to_owned(),
                next_attempt: None,
            })
        };
        self.show(|world| world.outage = reason.map(outage));
    }

    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own, in a task of its own.
    fn asking(&self, id: impl Display, target: &str) -> AbortOnDropHandle<Answer> {
        let (address, request) = (self.address, get(&id.to_string(), target));
        AbortOnDropHandle::new(tokio::spawn(async move {
            Client::connect(address).await.ask(request).await
        }))
    }

    async fn ask(&self, id: impl Display, target: &str) -> Answer {
        self.asking(id, target).await.expect("no panic")
    }

    /// Lets time pass until something is so.
    async fn until(&self, so: impl Fn(&Self) -> bool) {
        let waits = async {
            while !so(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LONG, waits)
            .await
            .expect("it comes to it");
    }

    fn waiting(&self) -> usize {
        self.throttler.read().waiting
    }
}

fn view(id: u64, pod: &Pod) -> ReplicaView {
    ReplicaView {
        phase: None,
        kept_by: None,
        uid: None,
        id: ReplicaId(id),
        name: Some(format!("m-{id}").into()),
        endpoint: Some(Endpoint(pod.address)),
        state: ReplicaState::Ready,
        since: tokio::time::Instant::now().into_std(),
        detail: None,
    }
}

fn get(id: &str, target: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(target).header("host", "m.ns");
    let request = request.header("x-request-id", id).body(Empty::new());
    request.expect("a valid request")
}

/// A connection to the gate.
struct Client {
    sender: SendRequest<Empty<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.expect("a connection");
        let driver = tokio::spawn(async move {
            // How it ended is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Self {
            sender,
            _driver: AbortOnDropHandle::new(driver),
        }
    }

    async fn ask(&mut self, request: Request<Empty<Bytes>>) -> Answer {
        let asked = async {
            let sent = self.sender.send_request(request).await;
            let (head, body) = sent.expect("an answer comes").into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            Answer {
                status: head.status,
                headers: head.headers,
                body: String::from_utf8(body.into()).expect("text"),
            }
        };
        let asked = tokio::time::timeout(LONG, asked).await;
        asked.expect("it is answered in time")
    }
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn code(&self) -> u16 {
        self.status.as_u16()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().expect("text"))
    }

    /// Status and reason.
    fn told(&self) -> (u16, Option<&str>) {
        (self.code(), self.header("x-holdgate-reason"))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}
