//! A replica's answer on a stream of HTTP/2: handed over in pieces, so that little of it waits in
//! buffers for a client that does not take it, and told to the wire, which ends what is not taken.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::beside::Proxied;
use super::body::Cut;
use super::now;
use super::through::Through;
use super::wire::Wire;

/// Largest piece; that of a frame unless the client wants larger ones.
const PIECE: usize = 16 * 1024;

/// An answer that is handed over in pieces.
#[derive(Debug)]
pub struct Paced {
    through: Through,
    /// Read from the replica, and not handed over yet.
    rest: Bytes,
    wire: Arc<Wire>,
}

impl Paced {
    /// It can be taken from now on. Where the client has no room at all, nobody asks for a piece.
    pub(super) fn new(through: Through, wire: Arc<Wire>) -> Self {
        wire.offer(Some(now()));
        Self {
            through,
            rest: Bytes::new(),
            wire,
        }
    }

    /// Is one of a gateway's requests until it is over.
    pub(super) fn counts(&mut self, proxied: Proxied) {
        self.through.counts(proxied);
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.wire.offer(None);
        let frame = if self.rest.is_empty() {
            ready!(self.through.poll_frame(cx))
        } else {
            Some(Ok(Frame::data(std::mem::take(&mut self.rest))))
        };
        self.wire.offer(Some(now()));
        Poll::Ready(frame.map(|frame| frame.map(|frame| self.piece(frame))))
    }

    fn piece(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) => {
                if data.len() > PIECE {
                    self.rest = data.split_off(PIECE);
                }
                Frame::data(data)
            }
            Err(other) => other,
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.through.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.through.size_hint();
        let mut with_rest = SizeHint::new();
        with_rest.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            with_rest.set_upper(upper + rest);
        }
        with_rest
    }
}
