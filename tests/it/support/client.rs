//! A client on a pipe of its own.

use std::time::Duration;

use bytes::Bytes;
use holdgate::proxy::Client as Peer;
use holdgate::proxy::connect::Dial;
use holdgate::server::Server;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::duplex;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::body::Told;

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// A request as a client sends it.
pub(crate) type Ask = Request<Body>;

/// A request with nothing in it.
pub(crate) fn get(target: &str) -> Ask {
    request("GET", target, Full::new(Bytes::new()).boxed())
}

/// A request with so many bytes in it.
pub(crate) fn post(target: &str, bytes: usize) -> Ask {
    let bytes = Bytes::from(vec![b'x'; bytes]);
    request("POST", target, Full::new(bytes).boxed())
}

/// A request that says something.
pub(crate) fn post_text(target: &str, text: impl Into<Bytes>) -> Ask {
    request("POST", target, Full::new(text.into()).boxed())
}

/// The same request with one header more, or another one.
pub(crate) fn with(name: &'static str, value: &str, mut request: Ask) -> Ask {
    let value = value.parse().expect("a header value");
    request.headers_mut().insert(name, value);
    request
}

/// A request whose body is told, so sent in chunks.
pub(crate) fn post_told(target: &str, body: Told) -> Ask {
    request("POST", target, body.boxed())
}

fn request(method: &str, target: &str, body: Body) -> Ask {
    let request = Request::builder().method(method).uri(target);
    let request = request.header("host", "m.example").body(body);
    request.expect("a valid request")
}

/// The same request under a name, which the model server notes.
pub(crate) fn named(id: impl std::fmt::Display, mut request: Ask) -> Ask {
    let id = id.to_string().parse().expect("a header value");
    request.headers_mut().insert("x-request-id", id);
    request
}

/// A connection to a gate. Dropping it hangs up.
pub(crate) struct Client {
    sender: SendRequest<Body>,
    _driver: AbortOnDropHandle<()>,
}

impl Client {
    /// Connects.
    pub(crate) async fn new<D: Dial>(server: Server<D>) -> Self {
        let (ours, theirs) = duplex(64 * 1024);
        let peer = Peer::new([10, 0, 0, 9].into(), None);
        tokio::spawn(server.serve(theirs, peer));
        let (sender, connection) = handshake(TokioIo::new(ours)).await.expect("a pipe");
        let driver = tokio::spawn(async move {
            // How it ended is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Self {
            sender,
            _driver: AbortOnDropHandle::new(driver),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(&mut self, request: Ask) -> Response<Incoming> {
        self.try_send(request).await.expect("an answer comes")
    }

    pub(crate) async fn try_send(&mut self, request: Ask) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: Ask) -> Answer {
        self.try_ask(request).await.expect("an answer comes")
    }

    /// The same where no head may come.
    pub(crate) async fn try_ask(&mut self, request: Ask) -> hyper::Result<Answer> {
        let asked = Instant::now();
        let answer = self.try_send(request).await?;
        Ok(Answer::read(answer, asked).await)
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// An error if it was cut.
    pub(crate) body: hyper::Result<Bytes>,
    pub(crate) took: Duration,
}

impl Answer {
    /// Reads what follows a head.
    pub(super) async fn read(answer: Response<Incoming>, asked: Instant) -> Self {
        let (head, body) = answer.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.map(Collected::to_bytes),
            took: asked.elapsed(),
        }
    }

    pub(crate) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().expect("text"))
    }

    pub(crate) fn text(&self) -> &str {
        let body = self.body.as_ref().expect("a whole body");
        std::str::from_utf8(body).expect("text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.text()).expect("JSON")
    }
}
