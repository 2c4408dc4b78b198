//! The streams of an HTTP/2 connection: many exchanges at once, each in a task of its own.
//!
//! Nobody polls the body of an answer that its client does not take, so no budget of the exchange runs
//! while it waits for room in the client's window. Whoever runs a stream therefore looks at its wire: a
//! piece that was not taken in time ends the stream, and the others of the connection live on.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::rt::Executor;
use parking_lot::Mutex;

use super::seats::Seat;
use super::stream::Stall;
use crate::proxy::Wire;

/// Runs the streams of one connection; clones are of the same one. hyper asks for an answer and has
/// the stream that sends it run right after it, so the wire that was left is that stream's.
#[derive(Clone)]
pub(super) struct Streams {
    next: Arc<Mutex<Option<Arc<Wire>>>>,
    seat: Arc<Seat>,
}

/// A stream in progress, until dropped.
struct Running(Arc<Seat>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Streams {
    /// Those of the connection on this seat.
    pub(super) fn new(seat: &Arc<Seat>) -> Self {
        Self {
            next: Arc::default(),
            seat: Arc::clone(seat),
        }
    }

    /// The stream that is run next is that of this exchange.
    pub(super) fn next(&self, wire: &Arc<Wire>) {
        *self.next.lock() = Some(Arc::clone(wire));
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.seat.begin();
        let running = Running(Arc::clone(&self.seat));
        let stream = async move {
            let _running = running;
            stream.await;
        };
        match self.next.lock().take() {
            Some(wire) => drop(tokio::spawn(watched(stream, wire))),
            None => drop(tokio::spawn(stream)),
        }
    }
}

/// A stream until it ends, or its client does not take what there is for it. Dropped, it is reset.
async fn watched(stream: impl Future<Output = ()>, wire: Arc<Wire>) {
    let mut stream = pin!(stream);
    let mut stall = Stall::default();
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match wire.offered() {
            Some(since) => stall.poll_over_since(since, &wire, cx),
            None => Poll::Pending,
        }
    })
    .await;
}
