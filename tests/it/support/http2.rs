//! A client that speaks HTTP/2, with many requests at once on one connection.

use holdgate::proxy::Client as Peer;
use holdgate::server::Server;
use http::{Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{copy_bidirectional, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::client::{Answer, Ask, Body};
use super::{Gate, Machine};

/// A connection to a gate; clones share it.
#[derive(Clone)]
pub(crate) struct Http2(SendRequest<Body>);

impl Http2 {
    /// Connects, and says that it takes so many bytes on a stream before it has read them. What is
    /// returned beside it is the wire between: it ends with the connection, and breaks it if aborted.
    pub(crate) async fn new(server: Server<Machine>, window: u32) -> (Self, JoinHandle<()>) {
        let ((ours, mut near), (mut far, theirs)) = (duplex(64 * 1024), duplex(64 * 1024));
        let peer = Peer::new([10, 0, 0, 9].into(), None);
        tokio::spawn(server.serve(theirs, peer));
        let wire = tokio::spawn(async move {
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .initial_connection_window_size(1 << 30)
            .handshake(TokioIo::new(ours))
            .await
            .expect("a pipe");
        tokio::spawn(connection);
        (Self(sender), wire)
    }

    /// Connects.
    pub(crate) async fn to(gate: &Gate) -> Self {
        Self::new(gate.server.clone(), 1 << 20).await.0
    }

    /// Sends a request and waits for the head of its answer. Dropped, the stream is reset.
    pub(crate) async fn try_send(&self, mut request: Ask) -> hyper::Result<Response<Incoming>> {
        // The host is no header here.
        let host = request.headers_mut().remove("host").expect("it has one");
        let host = host.to_str().expect("text");
        let target = format!("http://{host}{}", request.uri());
        *request.uri_mut() = target.parse::<Uri>().expect("a target");
        let mut sender = self.0.clone();
        sender.ready().await?;
        sender.send_request(request).await
    }

    pub(crate) async fn send(&self, request: Ask) -> Response<Incoming> {
        self.try_send(request).await.expect("an answer comes")
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&self, request: Ask) -> Answer {
        self.try_ask(request).await.expect("an answer comes")
    }

    /// The same where no head may come.
    pub(crate) async fn try_ask(&self, request: Ask) -> hyper::Result<Answer> {
        let asked = Instant::now();
        let answer = self.try_send(request).await?;
        Ok(Answer::read(answer, asked).await)
    }

    /// The same in a task of its own.
    pub(crate) fn asking(&self, request: Ask) -> JoinHandle<Answer> {
        let client = self.clone();
        tokio::spawn(async move { client.ask(request).await })
    }
}
