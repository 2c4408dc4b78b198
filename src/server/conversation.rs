//! One client's connection from its first byte to its end, or until drained.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::Server;
use super::opening::{Opening, Version};
use super::seats::Seat;
use super::streams::Streams;
use crate::counting::count;
use crate::proxy::Client;
use crate::proxy::connect::Dial;

/// How long an unused connection stays open once the gate drains.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// The same of one of HTTP/2 that was never used and has to leave: others wait for its place.
const FIRST_REQUEST: Duration = Duration::from_millis(50);

/// What a client may send on one stream before somebody reads it, as much as one of HTTP/1.1. All streams
/// together may send as much each: one that waits in line unread must not take the room of those that run. A
/// stream that is refused gives its room back at once, so what is held is bounded by who waits and who runs.
const WINDOW: u32 = 64 * 1024;

/// Most bytes of one stream's answer on their way into the connection.
const SEND_BUFFER: usize = 64 * 1024;

/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(30);

/// Most streams that a client has reset and we have not looked at yet, and most that we reset for
/// breaking the protocol: a client beyond either is cut off.
const PENDING_RESETS: usize = 32;
const RESETS_FOR_ERRORS: usize = 256;

/// Most bytes that an HTTP/1.1 connection reads or writes at once, unless a head may be larger. hyper keeps a
/// buffer as large as the connection ever needed, used or not, and its own bound is six times that.
const BUFFER: usize = 64 * 1024;

/// Most headers that hyper's parser takes of itself.
const USUAL_HEADERS: usize = 100;

/// What a client is told whose request does not come to its end.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nx-holdgate-reason: head_timeout\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

impl<D: Dial> Server<D> {
    /// Serves one connection to its end, or until drained.
    pub async fn serve<I>(self, io: I, client: Client)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let client = client.by_door(self.door);
        let taken = self.seats.take(client.wire());
        let seat = &*taken.seat;
        let mut io = Opening::new(io);
        let drained = async {
            self.drain.cancelled().await;
            tokio::time::sleep(LAST_REQUEST).await;
        };
        let version = tokio::select! {
            version = io.version() => version,
            () = seat.must_leave() => return,
            () = drained => return,
        };
        let ended = match version {
            Ok(Version::Http1) => {
                let ended = self.http1(io, &client, seat).await;
                // A client that left before it heard of its tunnel has none.
                let tunnel = client.wire().tunnel().filter(|_| ended.is_ok());
                if let Some(tunnel) = tunnel {
                    Box::pin(tunnel.run(client.wire())).await;
                }
                ended
            }
            // On the heap: an HTTP/1.1 connection has no room for it.
            Ok(Version::Http2) => Box::pin(self.http2(io, client, &taken.seat)).await,
            Err(error) => {
                tracing::trace!(%error, "a client broke off before it began");
                return;
            }
        };
        if let Err(error) = ended {
            self.proxy.unread(&error);
            tracing::trace!(%error, "a client connection broke off");
        }
    }

    async fn http1<I>(&self, io: Opening<I>, client: &Client, seat: &Seat) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let proxy = &self.proxy;
        let winding_down = &*self.winding_down;
        let begun = &Notify::new();
        let (upgrading, drain) = (&AtomicBool::new(false), &self.drain);
        let service = service_fn(move |request: Request<Incoming>| async move {
            seat.begin();
            begun.notify_waiters();
            // Whose connection becomes something else must not be told that it ends.
            let upgrades = request.extensions().get::<OnUpgrade>().is_some();
            upgrading.store(upgrades, Relaxed);
            let mut response = proxy.serve(client, request).await;
            let last = winding_down.load(Relaxed) || (upgrades && drain.is_cancelled());
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                // What the connection becomes uses it to its end.
                return Ok(response);
            }
            if last {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            seat.end();
            Ok::<_, Infallible>(response)
        });
        let mut connection = self
            .http1_bounds()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut ended = loop {
            tokio::select! {
                ended = Pin::new(&mut connection) => break Some(ended),
                () = self.drain.cancelled() => break None,
                () = seat.must_leave() => {}
            }
            // It may have been told so at the very moment at which it asked.
            if !seat.is_used() {
                if seat.has_begun()
                    && let Some(parts) = connection.into_parts()
                {
                    self.too_slow(parts.io.into_inner()).await;
                }
                return Ok(());
            }
        };
        if ended.is_none() && !seat.is_busy() {
            // A request may be on its way on a connection that looks unused: it is answered, and
            // told that it was the last.
            ended = tokio::select! {
                ended = Pin::new(&mut connection) => Some(ended),
                () = begun.notified() => None,
                () = tokio::time::sleep(LAST_REQUEST) => {
                    client.wire().quiet();
                    None
                }
            };
        }
        if let Some(ended) = ended {
            return ended;
        }
        if !(seat.is_busy() && upgrading.load(Relaxed)) {
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.await
    }

    /// Tells a client that the head of its request has not come to its end in time.
    async fn too_slow<I: AsyncWrite + Unpin>(&self, mut io: I) {
        self.proxy.too_slow();
        // Who takes nothing is not told.
        let _ = tokio::time::timeout(LAST_REQUEST, io.write_all(TOO_SLOW)).await;
    }

    async fn http2<I>(&self, io: Opening<I>, client: Client, seat: &Arc<Seat>) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        client.wire().bound(PING_EVERY + PONG_WITHIN);
        seat.takes_many();
        let (streams, last) = (Streams::new(seat), Arc::new(Notify::new()));
        let service = service_fn({
            let (proxy, streams, last) = (&self.proxy, streams.clone(), Arc::clone(&last));
            let winding_down = &*self.winding_down;
            move |request: Request<Incoming>| {
                let (proxy, client) = (Arc::clone(proxy), client.stream());
                streams.next(client.wire());
                if winding_down.load(Relaxed) {
                    last.notify_one();
                }
                async move { Ok::<_, Infallible>(proxy.serve(&client, request).await) }
            }
        });
        let connection = self
            .http2_bounds(streams)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.drain.cancelled() => {}
            () = last.notified() => {}
            () = seat.must_leave() => {
                connection.as_mut().graceful_shutdown();
                // Who does not hear of it goes without.
                let hears_within = if seat.is_stranger() { FIRST_REQUEST } else { LAST_REQUEST };
                let ended = tokio::time::timeout(hears_within, connection.as_mut()).await;
                if let Ok(ended) = ended {
                    return ended;
                }
                if !seat.is_busy() {
                    return Ok(());
                }
            }
        }
        // What the client sends before it hears of it is still answered.
        connection.as_mut().graceful_shutdown();
        connection.await
    }

    fn http1_bounds(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            // Whoever is slow has a seat.
            .header_read_timeout(None)
            .max_header_size(self.bounds.head_bytes)
            .max_buf_size(BUFFER.max(self.bounds.head_bytes));
        // Where it is not told, the parser has room for so many, and need not make it.
        if self.bounds.headers != USUAL_HEADERS {
            builder.max_headers(self.bounds.headers);
        }
        builder
    }

    fn http2_bounds(&self, streams: Streams) -> http2::Builder<Streams> {
        let mut builder = http2::Builder::new(streams);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.streams)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW.saturating_mul(self.streams).min(MOST_WINDOW))
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(count(self.bounds.head_bytes))
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(RESETS_FOR_ERRORS)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN);
        builder
    }
}

/// Largest window there is (RFC 9113, 6.9.1).
const MOST_WINDOW: u32 = (1 << 31) - 1;
