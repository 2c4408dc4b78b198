//! A body that is told frame by frame what it says.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

/// The body; it ends when whoever tells it is gone.
pub(crate) struct Told(mpsc::Receiver<Frame<Bytes>>);

/// Who tells it.
pub(crate) struct Teller(mpsc::Sender<Frame<Bytes>>);

/// A body and who tells it. One frame at a time is under way.
pub(crate) fn telling() -> (Teller, Told) {
    let (teller, told) = mpsc::channel(1);
    (Teller(teller), Told(told))
}

impl Teller {
    /// False: nobody listens any more.
    pub(crate) async fn say(&self, bytes: impl Into<Bytes>) -> bool {
        self.0.send(Frame::data(bytes.into())).await.is_ok()
    }

    pub(crate) async fn trailers(&self, trailers: HeaderMap) -> bool {
        self.0.send(Frame::trailers(trailers)).await.is_ok()
    }

    /// Nobody listens any more.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}
