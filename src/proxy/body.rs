//! Bodies: what goes up to the replica, and what comes down to the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use thiserror::Error;

use super::through::Through;

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
}

impl Body {
    /// A body of our own.
    #[must_use]
    pub(super) fn own(bytes: Bytes) -> Self {
        Self::Own(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

/// A body that ended before its end. Sent on, it resets the connection: a cut stream looks cut.
#[derive(Debug, Error)]
pub enum Cut {
    /// The replica broke off.
    #[error("the replica broke off: {0}")]
    Upstream(hyper::Error),
    /// No byte moved for too long, or the answer took too long altogether.
    #[error("the answer did not end within {0:?}")]
    Timeout(Duration),
    /// The client broke off while it sent.
    #[error("the client broke off: {0}")]
    Client(hyper::Error),
    /// What the client sent is no body.
    #[error("the request body is malformed: {0}")]
    Malformed(hyper::Error),
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Through(through) => through.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Through(through) => through.size_hint(),
        }
    }
}
