//! A gate in front of model servers that speak TLS, and who asks it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdgate::ports::{ReplicaState, ReplicaView, World};
use holdgate::proxy::{Proxy, Registry, Revision, TcpDial, Throttler};
use holdgate::revision::{Endpoint, ReplicaId, RevisionSpec};
use holdgate::server::{Server, listen};
use holdgate::stats::Stats;
use holdgate::tls::ReplicaTls;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::replica::Replica;
use crate::support::{Authority, PATIENCE, defaults, until};

pub(super) const NAME: &str = "replica.example";

/// A gate in front of model servers that speak TLS.
pub(super) struct Scene {
    pub(super) registry: Arc<Registry>,
    pub(super) throttler: Arc<Throttler>,
    pub(super) stats: Arc<Stats>,
    pub(super) spec: RevisionSpec,
    pub(super) at: SocketAddr,
    pub(super) dir: TempDir,
}

impl Scene {
    pub(super) fn new(replicas: &[&Replica], shape: impl FnOnce(&mut RevisionSpec)) -> Self {
        let mut spec = defaults("m");
        shape(&mut spec);
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        let view = |(id, replica): (u64, &&Replica)| ReplicaView {
            phase: None,
            kept_by: None,
            uid: None,
            id: ReplicaId(id),
            name: None,
            endpoint: Some(Endpoint(replica.at)),
            detail: None,
            state: ReplicaState::Ready,
            since: Instant::now().into_std(),
        };
        throttler.follow(&World {
            replicas: (1..).zip(replicas).map(view).collect(),
            ..World::default()
        });
        let registry = Arc::new(Registry::default());
        let server = Server::new(Arc::new(Proxy::new(Arc::clone(&registry), TcpDial)), 1000);
        let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { server.accept(listener).await });
        Self {
            registry,
            throttler,
            stats: Arc::default(),
            spec,
            at,
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Reaches replicas so from now on; `None` is without TLS.
    pub(super) fn reach_by(&self, tls: Option<ReplicaTls>) {
        self.registry.insert(Revision {
            spec: self.spec.clone(),
            throttler: Arc::clone(&self.throttler),
            stats: Arc::clone(&self.stats),
            tls,
        });
    }

    pub(super) fn believes(&self, authority: &Authority, name: Option<&str>) -> ReplicaTls {
        let file = self.file("ca.crt", &authority.pem());
        ReplicaTls::read(Some(&file), name, None).expect("sound")
    }

    /// The same, showing a certificate that somebody signed.
    pub(super) fn shows(&self, authority: &Authority, signed_by: &Authority) -> ReplicaTls {
        let (cert, key) = signed_by.sign("gate.example", 2100);
        let (cert, key) = (self.file("tls.crt", &cert), self.file("tls.key", &key));
        let file = self.file("ca.crt", &authority.pem());
        ReplicaTls::read(Some(&file), Some(NAME), Some((&cert, &key))).expect("sound")
    }

    pub(super) async fn ask(&self) -> Answer {
        ask(
            self.at,
            Request::post("/predict").body(Full::from("what is it?")),
        )
        .await
    }

    /// Asks until the replica is back.
    pub(super) async fn until_answered(&self) {
        until("the replica is back", async || {
            let answer = self.ask().await;
            match answer.status.as_u16() {
                200 => true,
                504 => false,
                _ => panic!("{}", answer.text()),
            }
        })
        .await;
    }

    pub(super) fn retries(&self) -> u64 {
        self.stats.retries.get()
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn reason(&self) -> &str {
        let reason = self.headers.get("x-holdgate-reason");
        reason.map_or("", |reason| reason.to_str().expect("a word"))
    }
}

pub(super) async fn ask(at: SocketAddr, request: http::Result<Request<Full<Bytes>>>) -> Answer {
    let mut request = request.expect("a request");
    request
        .headers_mut()
        .insert("host", "m.example".parse().expect("a host"));
    let asked = async {
        let stream = TcpStream::connect(at).await.expect("it listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("a conversation");
        tokio::spawn(connection);
        let response = sender.send_request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.expect("all of it").to_bytes(),
        }
    };
    timeout(PATIENCE, asked).await.expect("it comes")
}

/// Requests give up soon after a replica could not be reached.
pub(super) fn hurried(spec: &mut RevisionSpec) {
    spec.queue.timeout = Duration::from_millis(1);
    spec.timeouts.connect = Duration::from_secs(1);
}
