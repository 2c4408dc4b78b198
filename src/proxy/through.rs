//! The replica's answer on its way to the client, holding the permit until its last byte.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::Permit;
use super::body::Cut;
use super::connect::Connection;
use super::now;
use super::upload::Progress;
use super::wire::Wire;
use crate::guests::Guest;
use crate::revision::OnDisconnect;
use crate::stats::Receipt;
use crate::trace::Fate;

/// One slot in use: the permit, the connection it is used on, and what is known of the upload.
#[derive(Debug)]
pub(super) struct Exchange {
    // Before the permit: dropped together, the connection is closed when the slot passes on.
    pub(super) connection: Connection,
    pub(super) guest: Guest,
    pub(super) permit: Permit,
    pub(super) upload: Option<Arc<Progress>>,
    pub(super) on_disconnect: OnDisconnect,
    pub(super) watchdog: Watchdog,
    /// How long the replica may go on working for nobody before it counts as stuck.
    pub(super) patience: Option<Duration>,
}

impl Exchange {
    /// The answer has been read to its end: the connection first, so that whoever gets the slot
    /// finds it.
    fn end(self) {
        if self.is_sent() {
            let now = now();
            self.permit.replica().connections.keep(self.connection, now);
        }
    }

    /// Nobody waits for the answer any more, but the replica still works.
    pub(super) fn abandon(&mut self) {
        self.permit.abandon();
        self.guest.abandoned(self.permit.replica().id, now());
    }

    /// The request has been sent to its end.
    fn is_sent(&self) -> bool {
        self.upload.as_ref().is_none_or(|upload| upload.is_done())
    }

    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let timer = self.connection.timer.as_mut();
        self.watchdog
            .poll_expired(timer, self.upload.as_deref(), cx)
    }
}

/// The budgets of one exchange: in all, and without a byte in either direction.
#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) began: Instant,
    last: Instant,
    total: Option<Duration>,
    idle: Option<Duration>,
    /// What the timer is set to. It may be early: a byte that moves does not touch the timer.
    armed: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(now: Instant, total: Option<Duration>, idle: Option<Duration>) -> Self {
        Self {
            began: now,
            last: now,
            total,
            idle,
            armed: None,
        }
    }

    /// From here on another budget counts, from the same beginning.
    pub(super) fn set_total(&mut self, total: Option<Duration>) {
        self.total = total;
        self.armed = None;
    }

    pub(super) fn fed(&mut self, now: Instant) {
        self.last = now;
    }

    /// Ready with the budget that ran out.
    fn poll_expired(
        &mut self,
        mut timer: Pin<&mut Sleep>,
        upload: Option<&Progress>,
        cx: &mut Context<'_>,
    ) -> Poll<Duration> {
        loop {
            let last = upload.map_or(self.last, |upload| upload.last().max(self.last));
            let total = self.total.map(|budget| (self.began + budget, budget));
            let idle = self.idle.map(|budget| (last + budget, budget));
            let Some((due, budget)) = [total, idle].into_iter().flatten().min() else {
                return Poll::Pending;
            };
            if self.armed.is_none_or(|armed| armed > due) {
                timer.as_mut().reset(due.into());
                self.armed = Some(due);
            }
            std::task::ready!(timer.as_mut().poll(cx));
            self.armed = None;
            if now() >= due {
                return Poll::Ready(budget);
            }
        }
    }
}

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
        };
        if ended {
            through.end();
        }
        through
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
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(self.cut(Cut::Upstream(error))))),
            Poll::Ready(None) => {
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
        Poll::Ready(Some(Err(self.cut(Cut::Timeout(budget)))))
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

    fn cut(&mut self, cut: Cut) -> Cut {
        tracing::debug!(%cut, "an answer was cut short");
        if let Some(mut exchange) = self.exchange.take() {
            let (code, sent) = (self.status, self.bytes);
            exchange.permit.ends(Fate::Cut { code, sent });
        }
        if let Some(wire) = self.wire.take() {
            wire.cut();
        }
        if let Some(mut receipt) = self.receipt.take() {
            receipt.answered(self.status);
        }
        cut
    }

    /// Reads the answer to its end for nobody, so that the slot stays occupied as long as the
    /// replica works.
    pub(super) async fn read_out(mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.abandon();
            exchange.on_disconnect = OnDisconnect::Release;
        }
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
