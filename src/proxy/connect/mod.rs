//! Connections to replicas: a small pool of our own, one per replica, and the way back in for a
//! replica that could not be reached.
//!
//! Our own because lifetimes are then exact: a connection ends when its exchange is given up, idle
//! ones retire before the server's own keep-alive does, one whose request was not fully sent is
//! never used again (hyper #4176 keeps it open otherwise), and none is opened for a request that
//! only waits.

mod back;
mod connection;
mod pool;
mod severed;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::Replica;
use super::shared::Shared;
use super::upload::Upload;
use crate::backend::probe;
use crate::revision::Endpoint;
use crate::tls::{ReplicaTls, Speech};
use connection::Link;
use severed::Severable;

pub(super) use back::probe_back_in;
pub(super) use connection::Answer;
pub use connection::Connection;
pub use pool::Connections;

/// Most bytes that a connection reads or writes at once, and of the head of an answer. hyper keeps a buffer as
/// large as the connection ever needed, used or not.
const BUFFER: usize = 64 * 1024;

/// Opens a byte stream to a replica. A seam: tests dial in-memory pipes.
pub trait Dial: Clone + Send + Sync + 'static {
    /// The stream.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects; an error means that no byte can have reached the replica.
    fn dial(&self, endpoint: Endpoint) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Has the end of a stream look like what it is, that of one that was cut.
    fn sever(_: &Self::Io) {}
}

/// Dials over TCP.
#[derive(Clone, Copy, Debug)]
pub struct TcpDial;

impl Dial for TcpDial {
    type Io = TcpStream;

    async fn dial(&self, endpoint: Endpoint) -> io::Result<TcpStream> {
        let stream = probe::connect(endpoint.0).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn sever(stream: &TcpStream) {
        // Nothing is waited for: closing resets.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

/// Which replica is to be reached, and how.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) replica: &'a Replica,
    /// By TLS, if it speaks that.
    pub(super) tls: Option<&'a ReplicaTls>,
    /// Longest time to open a connection.
    pub(super) budget: Duration,
}

/// A connection to the replica, kept or new, within its budget; one of HTTP/2 may be shared.
pub(super) async fn connect<D: Dial>(
    dial: &D,
    target: Target<'_>,
    http2: bool,
    now: Instant,
) -> io::Result<Connection> {
    let connections = &target.replica.connections;
    if http2 {
        if let Some(connection) = connections.join(target.tls, now) {
            return Ok(connection);
        }
        return Box::pin(open_shared(dial, target, now)).await;
    }
    if let Some(connection) = connections.reuse(target.tls, now).await {
        return Ok(connection);
    }
    // On the heap: few requests need it, and every open connection has room for what one needs.
    Box::pin(open(dial, target, now)).await
}

/// A new connection that may become something else than HTTP, within its budget.
pub(super) async fn connect_anew<D: Dial>(
    dial: &D,
    target: Target<'_>,
    now: Instant,
) -> io::Result<Connection> {
    Box::pin(async move {
        let cut = Arc::new(AtomicBool::new(false));
        let at = target.replica.endpoint;
        let opened = async {
            let io = Severable::<D> {
                io: dial.dial(at).await?,
                cut: Arc::clone(&cut),
            };
            match target.tls {
                None => begin_changing(io, now).await,
                Some(tls) => begin_changing(tls.shake(io, at.0, Speech::Http1).await?, now).await,
            }
        };
        let mut connection = in_time(target, opened).await?;
        connection.cut = Some(cut);
        Ok(connection)
    })
    .await
}

/// A new connection, within its budget.
async fn open<D: Dial>(dial: &D, target: Target<'_>, now: Instant) -> io::Result<Connection> {
    let at = target.replica.endpoint;
    let opened = async {
        let io = dial.dial(at).await?;
        match target.tls {
            None => begin(io, now).await,
            Some(tls) => begin(tls.shake(io, at.0, Speech::Http1).await?, now).await,
        }
    };
    let mut connection = in_time(target, opened).await?;
    connection.tls = target.tls.cloned();
    Ok(connection)
}

/// What hyper makes of a stream that speaks HTTP/1.1.
type Spoken<I> = (SendRequest<Upload>, http1::Connection<TokioIo<I>, Upload>);

async fn handshake<I>(io: I) -> io::Result<Spoken<I>>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    let handshake = builder.max_buf_size(BUFFER).handshake(TokioIo::new(io));
    handshake.await.map_err(io::Error::other)
}

/// Runs a connection until both sides have closed it. A replica that hears nothing more may still work
/// on what it heard.
async fn drive<I>(mut connection: http1::Connection<TokioIo<I>, Upload>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if let Err(error) = poll_fn(|cx| connection.poll_without_shutdown(cx)).await {
        tracing::trace!(%error, "a connection to a replica broke off");
    }
    let mut io = connection.into_parts().io.into_inner();
    if io.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut io, &mut tokio::io::sink()).await;
    }
}

/// One that stays what it is.
async fn begin<I>(io: I, now: Instant) -> io::Result<Connection>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(io).await?;
    Ok(driven(sender, drive(connection), now))
}

/// One that may become something else.
async fn begin_changing<I>(io: I, now: Instant) -> io::Result<Connection>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(io).await?;
    let driver = async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::trace!(%error, "a connection to a replica broke off");
        }
    };
    Ok(driven(sender, driver, now))
}

fn driven(
    sender: SendRequest<Upload>,
    driver: impl Future<Output = ()> + Send + 'static,
    now: Instant,
) -> Connection {
    let driver = Some(AbortOnDropHandle::new(tokio::spawn(driver)));
    Connection::new(Link::Own { sender, driver }, false, now)
}

/// The same of HTTP/2, or room on one that another has opened meanwhile.
async fn open_shared<D: Dial>(
    dial: &D,
    target: Target<'_>,
    now: Instant,
) -> io::Result<Connection> {
    let Target { replica, tls, .. } = target;
    let opened = async {
        let _alone = replica.connections.opening.lock().await;
        if let Some(connection) = replica.connections.join(tls, now) {
            return Ok(connection);
        }
        let io = dial.dial(replica.endpoint).await?;
        let shared = match tls {
            None => Shared::begin(io, None).await?,
            Some(way) => {
                let io = way.shake(io, replica.endpoint.0, Speech::Http2).await?;
                Shared::begin(io, tls.cloned()).await?
            }
        };
        replica.connections.share(shared, now)
    };
    in_time(target, opened).await
}

/// What comes of it within the budget. Given up at once when the replica goes away: what is gone does
/// not refuse, it is silent.
async fn in_time<T>(
    target: Target<'_>,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let done = tokio::select! {
        biased;
        () = target.replica.connections.left() => {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "it is going away"));
        }
        done = tokio::time::timeout(target.budget, work) => done,
    };
    done.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
