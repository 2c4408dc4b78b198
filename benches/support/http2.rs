//! HTTP/2 at both ends of what is measured: a generator's question, plain or a gRPC call, and a model
//! server that answers either.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use http::{Method, Request, Response, Uri};
use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self as client, SendRequest};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::loadgen::Question;
use super::upstream::ANSWER_BYTES;

/// Connections of a load; its workers share them as streams.
const CONNECTIONS: usize = 4;

type Line = SendRequest<Full<Bytes>>;

/// The same request over and over, on shared connections.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    request: Request<Bytes>,
    is_call: bool,
    open: Arc<[Mutex<Option<Line>>; CONNECTIONS]>,
    next: Arc<AtomicUsize>,
}

impl Streams {
    /// A POST of a body so long.
    pub(crate) fn post(path: &str, body_bytes: usize) -> Self {
        let body = Bytes::from(vec![b'x'; body_bytes]);
        Self::new(path, "application/json", body)
    }

    /// A unary call with a message so long.
    pub(crate) fn call(path: &str, message_bytes: usize) -> Self {
        let mut streams = Self::new(path, "application/grpc", message(message_bytes));
        let headers = streams.request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        streams.is_call = true;
        streams
    }

    fn new(path: &str, content_type: &'static str, body: Bytes) -> Self {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(CONTENT_TYPE, content_type)
            .body(body);
        Self {
            request: request.expect("a valid request"),
            is_call: false,
            open: Arc::default(),
            next: Arc::default(),
        }
    }

    /// One of the shared connections, opened anew where it is gone.
    async fn line(&self, to: SocketAddr) -> io::Result<Line> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let mut open = self.open[turn].lock().await;
        if let Some(line) = open.as_ref().filter(|line| !line.is_closed()) {
            return Ok(line.clone());
        }
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        let io = TokioIo::new(socket);
        let handshake = client::handshake(TokioExecutor::new(), io).await;
        let (line, connection) = handshake.map_err(io::Error::other)?;
        // How it ends is told to whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(open.insert(line).clone())
    }

    fn addressed_to(&self, to: SocketAddr) -> Request<Full<Bytes>> {
        let (mut head, body) = self.request.clone().into_parts();
        let path = head.uri.path().to_owned();
        let uri = Uri::builder().scheme("http").authority(to.to_string());
        head.uri = uri.path_and_query(path).build().expect("a valid target");
        Request::from_parts(head, Full::new(body))
    }
}

impl Question for Streams {
    type Line = Line;

    async fn ask(&self, to: SocketAddr, line: &mut Option<Line>) -> io::Result<u16> {
        let line = match line {
            Some(line) => line,
            none => none.insert(self.line(to).await?),
        };
        let answer = line.send_request(self.addressed_to(to)).await;
        let answer = answer.map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        let told = answer.headers().get("grpc-status").cloned();
        let body = answer.into_body().collect().await;
        let body = body.map_err(io::Error::other)?;
        let told = told.or_else(|| body.trailers()?.get("grpc-status").cloned());
        if self.is_call && told.is_none_or(|status| status != "0") {
            return Ok(500);
        }
        Ok(status)
    }
}

/// gRPC's frame around a message.
fn message(bytes: usize) -> Bytes {
    let length = u32::try_from(bytes).expect("a short message");
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.resize(framed.len() + bytes, 0);
    Bytes::from(framed)
}

/// Serves until it is killed: calls are answered as such, everything else with so many bytes.
pub(crate) async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        tokio::spawn(async move {
            let connection = http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(1000)
                .serve_connection(TokioIo::new(client), service_fn(answer));
            // Errors are clients that went away.
            let _ = connection.await;
        });
    }
}

type Trailers = Ready<Option<Result<HeaderMap, Infallible>>>;
type Answer = Response<WithTrailers<Full<Bytes>, Trailers>>;

async fn answer(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    request.into_body().collect().await?;
    let is_call = kind.as_ref().is_some_and(|kind| kind == "application/grpc");
    let (bytes, trailers) = if is_call {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        (message(ANSWER_BYTES), Some(Ok(trailers)))
    } else {
        (Bytes::from_static(&[b'x'; ANSWER_BYTES]), None)
    };
    let mut answer = Response::new(Full::new(bytes).with_trailers(ready(trailers)));
    if let Some(kind) = kind {
        answer.headers_mut().insert(CONTENT_TYPE, kind);
    }
    Ok(answer)
}
