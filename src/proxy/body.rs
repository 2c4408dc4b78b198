//! Bodies: what goes up to the replica, and what comes down to the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::{Frame, SizeHint};
use thiserror::Error;

use super::beside::Proxied;
use super::paced::Paced;
use super::through::Through;
use super::upgrade::Tunnel;
use super::waiting::Early;
use super::wire::Wire;

/// An answer's body: the replica's, passed through, or one of our own.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every answer is the large one"
)]
#[derive(Debug)]
pub enum Body {
    /// Ours.
    Own(Option<Bytes>),
    /// The replica's. Holds the permit until its last byte.
    Through(Through),
    /// The same on a stream of HTTP/2.
    Paced(Box<Paced>),
    /// None: the connection becomes a tunnel. Holds it until it is laid.
    Tunnel(Option<Box<Tunnel>>),
    /// Begun by us before the replica's, which follows.
    Early(Box<Early>),
}

impl Body {
    /// A body of our own.
    #[must_use]
    pub(super) fn own(bytes: Bytes) -> Self {
        Self::Own(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Is one of a gateway's requests until it is over; of a tunnel, until the one on `wire` is.
    pub(super) fn counts(&mut self, proxied: Proxied, wire: &Wire) {
        match self {
            Self::Own(_) => {}
            Self::Through(through) => through.counts(proxied),
            Self::Paced(paced) => paced.counts(proxied),
            Self::Tunnel(_) => wire.counts(proxied),
            Self::Early(early) => early.counts(proxied),
        }
    }

    /// An answer of our own, of this kind.
    pub(super) fn answer(bytes: impl Into<Bytes>, kind: HeaderValue) -> Response<Self> {
        let mut response = Response::new(Self::own(bytes.into()));
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    /// The same body on a stream of HTTP/2.
    pub(super) fn paced(self, wire: &Arc<Wire>) -> Self {
        match self {
            Self::Through(through) => Self::Paced(Box::new(Paced::new(through, Arc::clone(wire)))),
            other => other,
        }
    }
}

/// A body that ended before its end. Sent on, it resets the connection: a cut stream looks cut.
#[derive(Debug, Error)]
pub enum Cut {
    /// The replica broke off.
    #[error("the replica broke off: {0}")]
    Upstream(hyper::Error),
    /// The replica, or the client, let go of the stream before its end, as if nothing were wrong.
    #[error("the stream was reset before its end")]
    Unended,
    /// No byte moved for too long, or the answer took too long altogether.
    #[error("the answer did not end within {0:?}")]
    Timeout(Duration),
    /// The client broke off while it sent.
    #[error("the client broke off: {0}")]
    Client(hyper::Error),
    /// What the client sent is no body.
    #[error("the request body is malformed: {0}")]
    Malformed(hyper::Error),
    /// It was begun before it was known to be otherwise.
    #[error("the answer is not what its head says")]
    Otherwise,
    /// The client sent more than it may.
    #[error("the request body is larger than {0} bytes")]
    TooLarge(u64),
}

impl Cut {
    /// Why a client's body ended. Malformed chunks are no hang-up: that client waits for an answer.
    pub(super) fn by_client(error: hyper::Error) -> Self {
        let kind = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref())
            .map(io::Error::kind);
        match kind {
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
                Self::Malformed(error)
            }
            _ => Self::Client(error),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Through(through) => through.poll_frame(cx),
            Self::Paced(paced) => paced.poll_frame(cx),
            Self::Tunnel(_) => Poll::Ready(None),
            Self::Early(early) => early.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Through(through) => through.is_end_stream(),
            Self::Paced(paced) => paced.is_end_stream(),
            Self::Tunnel(_) => true,
            Self::Early(early) => early.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Through(through) => through.size_hint(),
            Self::Paced(paced) => paced.size_hint(),
            Self::Tunnel(_) => SizeHint::with_exact(0),
            Self::Early(_) => SizeHint::default(),
        }
    }
}
