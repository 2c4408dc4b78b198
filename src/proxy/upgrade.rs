//! Connections that become something else than HTTP: a WebSocket, or whatever client and replica agree
//! on with `Upgrade`. From the replica's 101 on both are one tunnel, which holds permit, guest and
//! receipt to its end. No budget ends it but that of streams and idleness in both directions.
//!
//! Whoever serves the client's connection runs the tunnel, in the place of that connection. An end that
//! one side tells is told to the other, which may go on; anything else ends both, and looks like it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use super::beside::Proxied;
use super::body::Body;
use super::error::Refusal;
use super::exchange::Exchange;
use super::headers;
use super::now;
use super::wire::Wire;
use super::{Client, Revision};
use crate::counting::millis;
use crate::stats::Receipt;
use crate::sync::until;
use crate::trace::Fate;

/// Bytes on their way in one direction of a tunnel.
const ROOM: usize = 8 * 1024;

/// What a tunnel is counted as.
const SWITCHED: u16 = StatusCode::SWITCHING_PROTOCOLS.as_u16();

/// A client and a replica that no longer speak HTTP.
#[derive(Debug)]
pub struct Tunnel {
    client: OnUpgrade,
    replica: OnUpgrade,
    exchange: Exchange,
    receipt: Option<Receipt>,
    budgets: Budgets,
    /// It came through a gateway to the door of a sidecar.
    proxied: Option<Proxied>,
}

/// What ends a tunnel that nobody ends.
#[derive(Clone, Copy, Debug)]
struct Budgets {
    total: Option<Duration>,
    idle: Option<Duration>,
}

/// A replica changes to another protocol, as its client wanted (`client`).
pub(super) fn switch(
    mut response: Response<Incoming>,
    mut exchange: Exchange,
    client: Option<OnUpgrade>,
    revision: &Revision,
    waited: headers::Waited,
) -> Result<Response<Body>, Refusal> {
    let Some(client) = client else {
        let refusal = Refusal::Unasked;
        exchange.permit.ends(refusal.fate());
        return Err(refusal);
    };
    let replica = hyper::upgrade::on(&mut response);
    let (mut head, _) = response.into_parts();
    head.version = Version::HTTP_11;
    let protocol = headers::strip_hop_by_hop(&mut head.headers);
    let upgrade = HeaderValue::from_static("upgrade");
    head.headers.insert(CONNECTION, upgrade);
    if let Some(protocol) = protocol {
        head.headers.insert(UPGRADE, protocol);
    }
    headers::announce(&mut head.headers, waited);
    exchange.answers(&revision.stats, now());
    let timeouts = &revision.spec.timeouts;
    let tunnel = Tunnel {
        client,
        replica,
        exchange,
        receipt: None,
        budgets: Budgets {
            total: timeouts.stream,
            idle: timeouts.idle,
        },
        proxied: None,
    };
    Ok(Response::from_parts(
        head,
        Body::Tunnel(Some(Box::new(tunnel))),
    ))
}

impl Tunnel {
    /// Leaves the tunnel with the client's connection, which ends as HTTP once the head is sent.
    pub(super) fn lay(mut self: Box<Self>, receipt: Receipt, client: &Client) {
        self.receipt = Some(receipt);
        client.wire.lay(self);
    }

    /// Is one of a gateway's requests until it is over.
    pub(super) fn counts(&mut self, proxied: Proxied) {
        self.proxied = Some(proxied);
    }

    /// Passes everything on in both directions until it ends.
    pub(crate) async fn run(self: Box<Self>, wire: &Wire) {
        let Self {
            client,
            replica,
            mut exchange,
            mut receipt,
            budgets,
            proxied: _proxied,
        } = *self;
        let clock = Clock::new(now());
        let due = budgets.total.map(|total| exchange.watchdog.began + total);
        let ended = match (client.await, replica.await) {
            (Ok(client), Ok(replica)) => {
                let mut ends = (clock.watch(client), clock.watch(replica));
                let ended = pass(&mut ends, &clock, due, budgets.idle).await;
                if ended.is_err() {
                    wire.cut();
                    exchange.connection.cut();
                }
                // Before the slot is free: both connections are closed here.
                drop(ends);
                ended
            }
            (Err(error), _) | (_, Err(error)) => Err(io::Error::other(error)),
        };
        let (code, sent) = (SWITCHED, clock.sent.load(Relaxed));
        exchange.permit.ends(match ended {
            Ok(()) => Fate::Answered { code, sent },
            Err(error) => {
                tracing::debug!(%error, "an upgraded connection was cut");
                Fate::Cut { code, sent }
            }
        });
        if let Some(receipt) = &mut receipt {
            receipt.answered(code);
        }
    }
}

type End<'a> = Watched<'a>;

/// Both ends have said that they have nothing more to say; or what came in between.
async fn pass(
    (client, replica): &mut (End<'_>, End<'_>),
    clock: &Clock,
    due: Option<Instant>,
    idle: Option<Duration>,
) -> io::Result<()> {
    replica.is_replica = true;
    let timed_out = || Err(io::ErrorKind::TimedOut.into());
    tokio::select! {
        copied = copy_bidirectional_with_sizes(client, replica, ROOM, ROOM) => copied.map(drop),
        () = clock.runs_out(idle) => timed_out(),
        () = until(due) => timed_out(),
    }
}

/// When the last byte moved, in either direction.
#[derive(Debug)]
struct Clock {
    began: Instant,
    /// Milliseconds after `began`.
    last: AtomicU64,
    /// Bytes that came from the replica.
    sent: AtomicU64,
}

impl Clock {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            last: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    fn watch(&self, io: Upgraded) -> Watched<'_> {
        Watched {
            io: TokioIo::new(io),
            clock: self,
            is_replica: false,
        }
    }

    fn moved(&self) {
        let since = now().saturating_duration_since(self.began);
        self.last.store(millis(since), Relaxed);
    }

    /// Resolves when no byte has moved for so long.
    async fn runs_out(&self, idle: Option<Duration>) {
        let Some(idle) = idle else {
            return std::future::pending().await;
        };
        loop {
            let due = self.began + Duration::from_millis(self.last.load(Relaxed)) + idle;
            if now() >= due {
                return;
            }
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

/// One end of a tunnel.
struct Watched<'a> {
    io: TokioIo<Upgraded>,
    clock: &'a Clock,
    is_replica: bool,
}

impl AsyncRead for Watched<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        if read > 0 {
            self.clock.moved();
        }
        if self.is_replica {
            self.clock.sent.fetch_add(read as u64, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.clock.moved();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
