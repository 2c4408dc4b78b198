//! Clients of a gate: well-behaved ones that read their answers, and those that leave.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::request::Builder;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::PATIENCE;

pub(super) type Question = Request<Full<Bytes>>;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The status, and the word for why the gate answered itself.
    pub(super) fn outcome(&self) -> (u16, &str) {
        let reason = self.headers.get("x-holdgate-reason");
        let reason = reason.map_or("", |reason| reason.to_str().expect("a word"));
        (self.status.as_u16(), reason)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the gate says about an answer of its own.
    pub(super) fn detail(&self) -> String {
        self.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The connection it came on takes no further question.
    pub(super) fn is_last(&self) -> bool {
        self.headers
            .get(CONNECTION)
            .is_some_and(|value| value == "close")
    }
}

/// What became of a question without an answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// Nobody took the connection: nothing was asked.
    Refused,
    /// It was asked and not answered to the end.
    Cut(String),
}

/// A kept connection.
#[derive(Debug)]
pub(super) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(super) async fn open(to: SocketAddr) -> Result<Self, Lost> {
        let stream = TcpStream::connect(to).await.map_err(|_| Lost::Refused)?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| Lost::Cut(error.to_string()))?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// The head of an answer; the rest comes as it comes.
    pub(super) async fn begin(&mut self, question: Question) -> Result<Response<Incoming>, Lost> {
        let cut = |error: hyper::Error| Lost::Cut(error.to_string());
        self.0.ready().await.map_err(cut)?;
        let head = timeout(PATIENCE, self.0.send_request(question)).await;
        head.map_err(|late| Lost::Cut(late.to_string()))?
            .map_err(cut)
    }

    /// A whole answer.
    pub(super) async fn ask(&mut self, question: Question) -> Result<Answer, Lost> {
        whole(self.begin(question).await?).await
    }
}

/// Reads the rest of an answer.
pub(super) async fn whole(answer: Response<Incoming>) -> Result<Answer, Lost> {
    let (head, body) = answer.into_parts();
    let body = timeout(PATIENCE, body.collect()).await;
    let body = body.map_err(|late| Lost::Cut(late.to_string()))?;
    let body = body
        .map_err(|error| Lost::Cut(error.to_string()))?
        .to_bytes();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
    })
}

/// Asks one question on a connection of its own.
pub(super) async fn ask(to: SocketAddr, question: Question) -> Result<Answer, Lost> {
    Connection::open(to).await?.ask(question).await
}

fn to(path: &str) -> Builder {
    Request::builder().uri(path).header(HOST, "localhost")
}

pub(super) fn get(path: &str) -> Question {
    to(path).body(Full::default()).expect("a sound request")
}

/// Asks a model for a prediction.
pub(super) fn predict(model: &str) -> Question {
    let request = to(&format!("/v1/models/{model}:predict")).method("POST");
    request.body(Full::from("{}")).expect("a sound request")
}

/// The same, to be worked on for so long.
pub(super) fn predict_for(model: &str, time: Duration) -> Question {
    let mut question = predict(model);
    let time = format!("{}ms", time.as_millis());
    let time = time.parse().expect("plain text");
    question.headers_mut().insert("x-sample-service-time", time);
    question
}

/// Tells a model server, at its own port, what to use and report from now on.
pub(super) async fn use_up(of: SocketAddr, what: &str) {
    let question = to(&format!("/use?{what}")).method("POST");
    let question = question.body(Full::default()).expect("a sound request");
    let answer = ask(of, question).await.expect("it answers");
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// What a model server has seen; asked at its own port or through the gate.
pub(super) async fn stats(of: SocketAddr) -> Value {
    ask(of, get("/stats")).await.expect("it answers").json()
}

/// Sends a question with a body of so many bytes, and leaves when told by a drop.
pub(super) async fn knock(to: SocketAddr, model: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.expect("the gate is open");
    let head = format!(
        "POST /v1/models/{model}:predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&vec![b' '; bytes]).await.expect("sent");
    stream
}
