//! The yardstick: the least that a reverse proxy on hyper and hyper-util's client can be. Without
//! a limit it forwards and nothing else; with one, a semaphore holds what is too much and the
//! least busy upstream is taken.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

type Answer = Response<Either<Incoming, Empty<Bytes>>>;

#[derive(Debug)]
struct Proxy {
    client: Client<HttpConnector, Incoming>,
    upstreams: Vec<(Authority, AtomicUsize)>,
    slots: Option<Semaphore>,
}

/// Serves until it is killed; `limit` requests an upstream, 0 is no limit.
pub(crate) async fn serve(port: u16, limit: usize, upstreams: Vec<SocketAddr>) -> Result<()> {
    let proxy = Proxy::new(limit, false, &upstreams)?;
    listen(port, async |client| {
        let proxy = Arc::clone(&proxy);
        let service = service_fn(move |request| forward(Arc::clone(&proxy), request));
        tokio::spawn(async move {
            // Errors are clients that went away.
            let connection = http1::Builder::new().serve_connection(client, service);
            let _ = connection.await;
        });
    })
    .await
}

/// The same with HTTP/2 to clients, and onward too where that is wished.
pub(crate) async fn serve_h2(port: u16, onward_h2: bool, upstream: SocketAddr) -> Result<()> {
    let proxy = Proxy::new(0, onward_h2, &[upstream])?;
    listen(port, async |client| {
        let proxy = Arc::clone(&proxy);
        let service = service_fn(move |request| forward(Arc::clone(&proxy), request));
        tokio::spawn(async move {
            let connection = http2::Builder::new(TokioExecutor::new());
            let _ = connection.serve_connection(client, service).await;
        });
    })
    .await
}

async fn forward(proxy: Arc<Proxy>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    proxy.forward(request).await
}

/// Serves whoever comes, until the process is killed.
async fn listen(port: u16, serve: impl AsyncFn(TokioIo<TcpStream>)) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let listener = socket.listen(4096)?;
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        serve(TokioIo::new(client)).await;
    }
}

impl Proxy {
    fn new(limit: usize, onward_h2: bool, upstreams: &[SocketAddr]) -> Result<Arc<Self>> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut client = Client::builder(TokioExecutor::new());
        client.http2_only(onward_h2);
        Ok(Arc::new(Self {
            client: client.build(connector),
            slots: (limit > 0).then(|| Semaphore::new(limit * upstreams.len())),
            upstreams: upstreams
                .iter()
                .map(|address| Ok((address.to_string().parse()?, AtomicUsize::new(0))))
                .collect::<Result<_>>()?,
        }))
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Result<Answer, Infallible> {
        let _slot = match &self.slots {
            Some(slots) => Some(slots.acquire().await.expect("it is never closed")),
            None => None,
        };
        let least_busy = self
            .upstreams
            .iter()
            .min_by_key(|(_, busy)| busy.load(Ordering::Relaxed));
        let (authority, busy) = least_busy.expect("there is an upstream");
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(authority.clone());
        *request.version_mut() = Version::default();
        *request.uri_mut() = Uri::from_parts(uri).expect("it was a URI, and now it is absolute");
        busy.fetch_add(1, Ordering::Relaxed);
        let answer = self.client.request(request).await;
        busy.fetch_sub(1, Ordering::Relaxed);
        Ok(answer.map_or_else(|_| bad_gateway(), |answer| answer.map(Either::Left)))
    }
}

fn bad_gateway() -> Answer {
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
