//! A model server in a pod: it can be killed and comes back at the same address. What it does with a
//! request stands in the query: `hold` works on it until the test lets it go.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use holdgate::server;

/// A pod, with what its model servers have seen, one after the other.
pub(super) struct Pod {
    pub(super) address: SocketAddr,
    inside: Arc<Inside>,
    life: Mutex<Life>,
}

/// One process.
#[derive(Clone, Default)]
struct Life {
    deaf: CancellationToken,
    listening: TaskTracker,
    killed: CancellationToken,
    connections: TaskTracker,
}

#[derive(Default)]
struct Inside {
    seen: Mutex<Vec<String>>,
    at_work: AtomicU32,
    most: AtomicU32,
    connections: AtomicU32,
    let_go: Mutex<CancellationToken>,
}

impl Pod {
    /// It listens.
    pub(super) fn new() -> Self {
        let listener = server::listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let pod = Self {
            address: listener.local_addr().expect("it is bound"),
            inside: Arc::default(),
            life: Mutex::default(),
        };
        pod.live(listener);
        pod
    }

    fn live(&self, listener: TcpListener) {
        let (life, inside) = (Life::default(), Arc::clone(&self.inside));
        let own = life.clone();
        let accepts = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = serve(stream, Arc::clone(&inside), own.killed.clone());
                own.connections.spawn(connection);
            }
        };
        let deaf = life.deaf.clone();
        life.listening
            .spawn(deaf.run_until_cancelled_owned(accepts));
        *self.life.lock() = life;
    }

    /// As `kill -9` of its model server: what is open is reset, and nobody listens.
    pub(super) async fn kill(&self) {
        let life = self.life.lock().clone();
        // First: who learns that a connection is gone is not to find somebody who takes another.
        life.deaf.cancel();
        life.listening.close();
        life.listening.wait().await;
        life.killed.cancel();
        life.connections.close();
        life.connections.wait().await;
        self.inside.at_work.store(0, SeqCst);
    }

    /// Its container is started again in place.
    pub(super) fn restart(&self) {
        let listener = server::listen(self.address).expect("the address is free again");
        *self.inside.let_go.lock() = CancellationToken::new();
        self.live(listener);
    }

    /// Whoever is held is answered, and nobody is held from now on.
    pub(super) fn let_go(&self) {
        self.inside.let_go.lock().cancel();
    }

    /// The requests that its model servers have seen.
    pub(super) fn seen(&self) -> Vec<String> {
        self.inside.seen.lock().clone()
    }

    pub(super) fn at_work(&self) -> u32 {
        self.inside.at_work.load(SeqCst)
    }

    /// The most requests that were ever at work at once.
    pub(super) fn most(&self) -> u32 {
        self.inside.most.load(SeqCst)
    }

    /// Connections that are open.
    pub(super) fn connections(&self) -> u32 {
        self.inside.connections.load(SeqCst)
    }
}

async fn serve(stream: TcpStream, inside: Arc<Inside>, killed: CancellationToken) {
    // Closed in the middle of something, it is reset.
    let reset = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    reset.expect("a socket that is open");
    inside.connections.fetch_add(1, SeqCst);
    let service = service_fn(|request| answer(request, Arc::clone(&inside)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Whatever it ends with, the other side sees.
    let _ = killed.run_until_cancelled(connection).await;
    inside.connections.fetch_sub(1, SeqCst);
}

async fn answer(
    request: Request<Incoming>,
    inside: Arc<Inside>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let id = request.headers().get("x-request-id");
    let id = id.map(|id| id.to_str().expect("text").to_owned());
    inside.seen.lock().push(id.unwrap_or_default());
    let now = inside.at_work.fetch_add(1, SeqCst) + 1;
    inside.most.fetch_max(now, SeqCst);
    if request.uri().query() == Some("hold") {
        let let_go = inside.let_go.lock().clone();
        let_go.cancelled().await;
    }
    inside.at_work.fetch_sub(1, SeqCst);
    Ok(Response::new(Full::new(Bytes::from("done"))))
}
