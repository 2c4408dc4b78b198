//! The replica's answer on its way to the client, holding the permit until its last byte.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::beside::Proxied;
use super::body::Cut;
use super::exchange::{Exchange, Watchdog};
use super::grpc;
use super::now;
use super::wire::Wire;
use crate::revision::OnDisconnect;
use crate::stats::Receipt;
use crate::trace::Fate;

/// The body of an answer that comes from a replica.
pub struct Through {
    /// `None` once it has been handed on to be read to its end.
    incoming: Option<Incoming>,
    /// `None` once the answer has ended, one way or the other.
    exchange: Option<Exchange>,
    receipt: Option<Receipt>,
    /// The client's connection; `None` if nobody is there.
    wire: Option<Arc<Wire>>,
    status: u16,
    /// Bytes of the answer's body so far.
    bytes: u64,
    /// The request had been sent when the answer ended.
    sent: bool,
    /// It answers a call of gRPC, whose caller is told in trailers why it is cut.
    is_call: bool,
    /// It came through a gateway to the door of a sidecar.
    proxied: Option<Proxied>,
    /// It is read to its end for nobody.
    is_rest: bool,
}

impl Through {
    pub(super) fn new(incoming: Incoming, exchange: Exchange, status: u16) -> Self {
        let ended = incoming.is_end_stream();
        let mut through = Self {
            incoming: Some(incoming),
            exchange: Some(exchange),
            receipt: None,
            wire: None,
            status,
            bytes: 0,
            sent: false,
            is_call: false,
            proxied: None,
            is_rest: false,
        };
        if ended {
            through.end();
        }
        through
    }

    /// Answers a call of gRPC.
    pub(super) fn answers_call(&mut self) {
        self.is_call = true;
    }

    /// Is one of a gateway's requests until it is over.
    pub(super) fn counts(&mut self, proxied: Proxied) {
        self.proxied = Some(proxied);
    }

    /// Counts the request when the answer has ended, and tells the client's connection.
    pub(super) fn account(&mut self, mut receipt: Receipt, wire: &Arc<Wire>) {
        let Some(exchange) = &self.exchange else {
            receipt.answered(self.status);
            wire.passed(self.sent);
            return;
        };
        let Watchdog {
            began, total, idle, ..
        } = exchange.watchdog;
        wire.passing(total.map(|budget| began + budget), idle);
        self.wire = Some(Arc::clone(wire));
        self.receipt = Some(receipt);
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
                if incoming.is_end_stream() {
                    self.end();
                } else if let Some(exchange) = &mut self.exchange {
                    exchange.watchdog.fed(now());
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(self.cut(Cut::Upstream(error)))),
            Poll::Ready(None) => {
                let is_stream = |exchange: &Exchange| exchange.connection.is_shared();
                if !incoming.is_end_stream() && self.exchange.as_ref().is_some_and(is_stream) {
                    return Poll::Ready(Some(self.cut(Cut::Unended)));
                }
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_expired(cx),
        }
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Pending;
        };
        let budget = std::task::ready!(exchange.poll_expired(cx));
        Poll::Ready(Some(self.cut(Cut::Timeout(budget))))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }

    fn end(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            let (code, sent) = (self.status, self.bytes);
            exchange.permit.ends(Fate::Answered { code, sent });
            self.sent = exchange.is_sent();
            exchange.end();
        }
        if let Some(wire) = self.wire.take() {
            wire.passed(self.sent);
        }
        if let Some(mut receipt) = self.receipt.take() {
            receipt.answered(self.status);
        }
    }

    /// Ends before its end: in an error, or with the trailers that say so to a caller of gRPC.
    fn cut(&mut self, cut: Cut) -> Result<Frame<Bytes>, Cut> {
        tracing::debug!(%cut, "an answer was cut short");
        let mut cut = cut;
        if let Some(mut exchange) = self.exchange.take() {
            if let Some(budget) = exchange.watchdog.is_over(now()) {
                cut = Cut::Timeout(budget);
            }
            let (code, sent) = (self.status, self.bytes);
            exchange.permit.ends(Fate::Cut { code, sent });
            let to_the_end = exchange.on_disconnect == OnDisconnect::Finish || self.is_rest;
            if to_the_end && matches!(cut, Cut::Upstream(_)) && !exchange.is_sent() {
                exchange.abandon();
                spawn(exchange.outlast_upload());
            }
        }
        if let Some(wire) = self.wire.take() {
            wire.cut();
        }
        if let Some(mut receipt) = self.receipt.take() {
            receipt.answered(self.status);
        }
        if self.is_call {
            self.incoming = None;
            return Ok(Frame::trailers(grpc::last_word(&cut)));
        }
        Err(cut)
    }

    /// Reads the answer to its end for nobody, so that the slot stays occupied as long as the
    /// replica works.
    pub(super) async fn read_out(mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.abandon();
            exchange.on_disconnect = OnDisconnect::Release;
        }
        self.is_rest = true;
        while let Some(Ok(_)) = std::future::poll_fn(|cx| self.poll_frame(cx)).await {}
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        let incoming = self.incoming.take();
        match exchange.on_disconnect {
            // The replica has begun to answer: closing its connection tells it.
            OnDisconnect::Auto | OnDisconnect::Release => {}
            OnDisconnect::Finish => {
                let (status, bytes) = (self.status, self.bytes);
                let rest = Self {
                    incoming,
                    exchange: Some(exchange),
                    receipt: None,
                    wire: None,
                    status,
                    bytes,
                    sent: false,
                    is_call: false,
                    proxied: None,
                    is_rest: false,
                };
                spawn(rest.read_out());
            }
        }
    }
}

/// Spawns from a destructor, where the runtime may already be gone.
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}

impl fmt::Debug for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Through")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
