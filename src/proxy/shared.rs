//! HTTP/2 connections to replicas: each carries many exchanges, and lives on when one of them ends.
//!
//! An exchange that is given up resets its stream and nothing else. hyper sends a request's body from
//! a task of its own, which would go on for an exchange that has ended; so the task that is made for a
//! body ends with the exchange it belongs to.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::upload::Upload;
use crate::tls::ReplicaTls;

/// Most exchanges on one connection. Servers may allow fewer, and most allow as many.
const MOST_STREAMS: usize = 100;

/// How long an unused connection is kept.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// How often a replica is asked whether it is there while it works, and how long it may take to say
/// so. Servers of gRPC hang up on who asks more often than every five minutes.
const PING_EVERY: Duration = Duration::from_secs(310);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// What a replica may send of one answer before the client takes it; all of them together as much each,
/// so that an answer that is not taken holds up no other.
const WINDOW: u32 = 256 * 1024;
const WINDOWS: u32 = WINDOW * 100;

/// Most bytes of one body on their way into the connection.
const SEND_BUFFER: usize = 64 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Shared {
    sender: SendRequest<Upload>,
    state: Arc<State>,
    /// What it was opened by.
    tls: Option<ReplicaTls>,
    /// Since when it was seen to be unused.
    idle_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct State {
    streams: AtomicUsize,
    /// Takes nothing new: an exchange on it was not answered in time, so it may be dead, or refused.
    retired: AtomicBool,
    bodies: Bodies,
}

impl Shared {
    /// Begins on a stream that was just opened, by TLS or not.
    pub(super) async fn begin<I>(io: I, tls: Option<ReplicaTls>) -> io::Result<Self>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let state = Arc::new(State::default());
        let (sender, connection) = Builder::new(state.bodies.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOWS)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN)
            .handshake(TokioIo::new(io))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "an HTTP/2 connection to a replica broke off");
            }
        });
        Ok(Self {
            sender,
            state,
            tls,
            idle_since: None,
        })
    }

    /// Room for one more exchange, if there is some and it was opened as one would be now.
    pub(super) fn join(&mut self, tls: Option<&ReplicaTls>) -> Option<Stream> {
        (self.tls.as_ref() == tls).then(|| self.take_room())?
    }

    /// Room for one more exchange, if there is some.
    pub(super) fn take_room(&mut self) -> Option<Stream> {
        let streams = &self.state.streams;
        if !self.is_good() || streams.load(Relaxed) >= MOST_STREAMS {
            return None;
        }
        streams.fetch_add(1, Relaxed);
        self.idle_since = None;
        Some(Stream {
            sender: self.sender.clone(),
            state: Arc::clone(&self.state),
            end: CancellationToken::new(),
        })
    }

    /// It takes new exchanges: the replica has not said that it goes away, and answers.
    pub(super) fn is_good(&self) -> bool {
        !self.sender.is_closed() && !self.state.retired.load(Relaxed)
    }

    /// It has been unused too long.
    pub(super) fn is_stale(&mut self, now: Instant) -> bool {
        if self.state.streams.load(Relaxed) > 0 {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        now.saturating_duration_since(since) >= KEEP_IDLE
    }
}

/// One exchange on a connection. Dropping it resets what has not ended of it.
#[derive(Debug)]
pub(super) struct Stream {
    sender: SendRequest<Upload>,
    state: Arc<State>,
    end: CancellationToken,
}

impl Stream {
    /// Sends the request.
    pub(super) fn send(
        &mut self,
        mut request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + use<>
    {
        let (bodies, end) = (self.state.bodies.clone(), self.end.clone());
        request
            .body_mut()
            .when_begun(move || *bodies.0.lock() = Some(end));
        self.sender.try_send_request(request)
    }

    /// The connection takes nothing new from now on.
    pub(super) fn retire(&self) {
        self.state.retired.store(true, Relaxed);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end.cancel();
        self.state.streams.fetch_sub(1, Relaxed);
    }
}

/// Runs what hyper has to run for a connection. A body that goes on is first asked for its beginning
/// and then run: what was left is the end of its exchange.
#[derive(Clone, Debug, Default)]
struct Bodies(Arc<Mutex<Option<CancellationToken>>>);

impl<F> Executor<F> for Bodies
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let end = self.0.lock().take();
        tokio::spawn(async move {
            match end {
                Some(end) => {
                    end.run_until_cancelled(task).await;
                }
                None => task.await,
            }
        });
    }
}

/// The replica has refused the stream, so that nothing was done with it (RFC 9113, 8.7): told so, or
/// going away and already past what it still answers.
pub(super) fn is_refused(error: &hyper::Error) -> bool {
    told_by_replica(error).is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        refused || error.is_go_away()
    })
}

/// The code with which the replica has reset the stream, if that is what happened.
pub(super) fn reset_by_replica(error: &hyper::Error) -> Option<h2::Reason> {
    let error = told_by_replica(error).filter(|error| error.is_reset())?;
    error.reason()
}

fn told_by_replica(error: &hyper::Error) -> Option<&h2::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return Some(error).filter(|error| error.is_remote());
        }
        cause = error.source();
    }
    None
}
