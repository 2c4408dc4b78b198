//! Connections to replicas: a small pool of our own, one per replica, and the way back in for a
//! replica that could not be reached.
//!
//! Our own because lifetimes are then exact: a connection ends when its exchange is given up, idle
//! ones retire before the server's own keep-alive does, one whose request was not fully sent is
//! never used again (hyper #4176 keeps it open otherwise), and none is opened for a request that
//! only waits.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Sleep;

use super::upload::Upload;
use super::{Replica, Throttler};
use crate::backend::probe;
use crate::revision::Endpoint;
use crate::throttler::Kept;

/// How long an unused connection is kept. uvicorn closes its own after 5 s.
const KEEP_IDLE: Duration = Duration::from_secs(4);

/// How long a connection may take from the end of one exchange until it takes another.
const SETTLES_WITHIN: Duration = Duration::from_millis(10);

/// Most unused connections kept to one replica.
const MOST_IDLE: usize = 1024;

/// Pauses between looks at a replica that could not be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Opens a byte stream to a replica. A seam: tests dial in-memory pipes.
pub trait Dial: Clone + Send + Sync + 'static {
    /// The stream.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects; an error means that no byte can have reached the replica.
    fn dial(&self, endpoint: Endpoint) -> impl Future<Output = io::Result<Self::Io>> + Send;
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
}

/// One connection to a replica. Dropping it closes it, whatever it is doing.
#[derive(Debug)]
pub struct Connection {
    pub(super) sender: SendRequest<Upload>,
    /// Kept with the connection: pushing a timer out is cheap, making one is not.
    pub(super) timer: Pin<Box<Sleep>>,
    /// It has been used before, so the replica may have closed it in the meantime.
    pub(super) kept: bool,
    driver: AbortHandle,
    idle_since: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The unused connections to one replica.
#[derive(Debug, Default)]
pub struct Connections {
    kept: parking_lot::Mutex<Idle>,
    /// Told when the replica leaves.
    left: Notify,
    probing: AtomicBool,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    /// The replica is going away: nothing is kept.
    leaving: bool,
    /// How often in a row it could be connected to again, and no request got through.
    setbacks: u32,
}

impl Kept for Connections {
    fn leaves(&self, leaving: bool) {
        let mut kept = self.kept.lock();
        kept.leaving = leaving;
        if leaving {
            kept.connections.clear();
            drop(kept);
            self.left.notify_waiters();
        }
    }
}

impl Connections {
    /// The connection used last that is still good.
    async fn reuse(&self, now: Instant) -> Option<Connection> {
        loop {
            let mut connection = self.kept.lock().connections.pop()?;
            let fresh = now.saturating_duration_since(connection.idle_since) < KEEP_IDLE;
            let good = fresh && !connection.sender.is_closed();
            if good && (connection.sender.is_ready() || becomes_ready(&mut connection).await) {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose exchange has ended.
    pub fn keep(&self, mut connection: Connection, now: Instant) {
        connection.idle_since = now;
        connection.kept = true;
        let mut kept = self.kept.lock();
        kept.setbacks = 0;
        let room = !kept.leaving && kept.connections.len() < MOST_IDLE;
        if room && !connection.sender.is_closed() {
            kept.connections.push(connection);
        }
    }

    /// Closes what has been unused too long.
    pub fn retire(&self, now: Instant) {
        let stale = |c: &Connection| now.saturating_duration_since(c.idle_since) >= KEEP_IDLE;
        let mut kept = self.kept.lock();
        kept.connections.retain(|connection| !stale(connection));
    }

    /// Resolves when the replica is going away.
    async fn left(&self) {
        let mut told = pin!(self.left.notified());
        told.as_mut().enable();
        if !self.is_leaving() {
            told.await;
        }
    }

    fn is_leaving(&self) -> bool {
        self.kept.lock().leaving
    }

    /// How long to wait before it is first tried again: longer each time that it could be connected to
    /// and no request got through.
    fn pause(&self) -> Duration {
        let setbacks = self.kept.lock().setbacks;
        (FIRST_PAUSE * 2_u32.pow(setbacks.min(6))).min(LONGEST_PAUSE)
    }

    /// It can be connected to again.
    fn is_back(&self) {
        self.kept.lock().setbacks += 1;
    }
}

/// Its last exchange may have ended a moment ago; a connection that takes longer is not waited for.
async fn becomes_ready(connection: &mut Connection) -> bool {
    let ready = tokio::time::timeout(SETTLES_WITHIN, connection.sender.ready());
    matches!(ready.await, Ok(Ok(())))
}

/// A connection to the replica, kept or new, within `budget`.
pub async fn connect<D: Dial>(
    dial: &D,
    replica: &Replica,
    budget: Duration,
    now: Instant,
) -> io::Result<Connection> {
    if let Some(connection) = replica.connections.reuse(now).await {
        return Ok(connection);
    }
    // On the heap: few requests need it, and every open connection has room for what one needs.
    Box::pin(open(dial, replica, budget, now)).await
}

/// A new connection, within `budget`. Given up at once when the replica goes away: what is gone does
/// not refuse, it is silent.
async fn open<D: Dial>(
    dial: &D,
    replica: &Replica,
    budget: Duration,
    now: Instant,
) -> io::Result<Connection> {
    let dialled = tokio::select! {
        biased;
        () = replica.connections.left() => {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "it is going away"));
        }
        dialled = tokio::time::timeout(budget, dial.dial(replica.endpoint)) => dialled,
    };
    let io = dialled.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let handshake = http1::Builder::new().handshake(TokioIo::new(io)).await;
    let (sender, connection) = handshake.map_err(io::Error::other)?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%error, "a connection to a replica broke off");
        }
    });
    let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
    Ok(Connection {
        sender,
        timer,
        kept: false,
        driver: driver.abort_handle(),
        idle_since: now,
    })
}

/// Tries a replica that could not be reached until it can, then lets requests back in. One prober
/// a replica; it ends with the replica.
pub fn probe_back_in<D: Dial>(dial: D, throttler: Arc<Throttler>, replica: Arc<Replica>) {
    if replica.connections.probing.swap(true, Ordering::AcqRel) {
        return;
    }
    tokio::spawn(async move {
        let mut pause = replica.connections.pause();
        while throttler.lists(replica.id) && !replica.connections.is_leaving() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let dialled = tokio::time::timeout(Duration::from_secs(1), dial.dial(replica.endpoint));
            if matches!(dialled.await, Ok(Ok(_))) {
                // Cleared first: a request let in at once may fail and need a new prober.
                replica.connections.probing.store(false, Ordering::Release);
                replica.connections.is_back();
                throttler.restore(replica.id);
                return;
            }
        }
        replica.connections.probing.store(false, Ordering::Release);
    });
}
