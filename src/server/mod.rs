//! Accepting clients: the listener, one task per connection, and the drain. HTTP/1.1 and HTTP/2 come
//! in on one port, and a connection shows with its first bytes which of them it is.
//!
//! Connections are bounded by number, those of all listeners together: beyond it nothing is served, and
//! but for one that each listener may have let in the kernel's backlog holds what comes, until one that
//! is not used has made place (`seats`). Ends when
//! told to, after the exchanges in flight have ended.

mod conversation;
mod handover;
mod opening;
mod seats;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::proxy::connect::Dial;
use crate::proxy::{Client, Proxy};
use seats::Seats;
use stream::ClientStream;

pub use seats::Patience;

/// Most streams of one HTTP/2 connection at once, unless told otherwise.
const STREAMS: u32 = 128;

/// What one client may send and how long it may take, unless told otherwise.
const BOUNDS: Bounds = Bounds {
    head_bytes: 64 * 1024,
    headers: 100,
    patience: Patience {
        head: Duration::from_secs(30),
        idle: Some(Duration::from_secs(300)),
    },
};

/// What one client may send before it has asked for anything, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of one request's head.
    pub head_bytes: usize,
    /// Most headers of it.
    pub headers: usize,
    /// How long it may do nothing.
    pub patience: Patience,
}

/// A server of one gate's data port.
#[derive(Debug)]
pub struct Server<D> {
    proxy: Arc<Proxy<D>>,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Every answer is the last on its connection.
    winding_down: Arc<AtomicBool>,
    drain: CancellationToken,
    /// The port number that its clients come in by; `None` is the data port.
    door: Option<u16>,
    /// Its clients shake hands first.
    #[cfg(feature = "tls")]
    tls: Option<Arc<tls::Tls>>,
    /// Most streams of one HTTP/2 connection at once.
    streams: u32,
    bounds: Bounds,
    seats: Arc<Seats>,
}

impl<D> Clone for Server<D> {
    fn clone(&self) -> Self {
        Self {
            proxy: Arc::clone(&self.proxy),
            connections: Arc::clone(&self.connections),
            tasks: self.tasks.clone(),
            winding_down: Arc::clone(&self.winding_down),
            drain: self.drain.clone(),
            door: self.door,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            streams: self.streams,
            bounds: self.bounds,
            seats: Arc::clone(&self.seats),
        }
    }
}

impl<D: Dial> Server<D> {
    /// Serves `proxy` to at most `connections` clients at once.
    pub fn new(proxy: Arc<Proxy<D>>, connections: usize) -> Self {
        Self {
            proxy,
            connections: Arc::new(Semaphore::new(connections)),
            tasks: TaskTracker::new(),
            winding_down: Arc::default(),
            drain: CancellationToken::new(),
            door: None,
            streams: STREAMS,
            bounds: BOUNDS,
            seats: Arc::new(Seats::new(BOUNDS.patience)),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The same server for clients that speak TLS; places and drain are those of all together.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn secured(&self, tls: Arc<tls::Tls>) -> Self {
        Self {
            tls: Some(tls),
            ..self.clone()
        }
    }

    /// The same server with at most so many streams of one HTTP/2 connection at once.
    #[must_use]
    pub fn with_streams(self, streams: u32) -> Self {
        Self { streams, ..self }
    }

    /// The same server with these bounds for what a client sends and how long it takes.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        self.seats.set_patience(bounds.patience);
        Self { bounds, ..self }
    }

    /// The same server at a door: a port of its own, whose clients are known by its number. It closes
    /// when told to (`close`), and drains with all the others; places are those of all together.
    #[must_use]
    pub fn door(&self, number: u16) -> Self {
        Self {
            drain: self.drain.child_token(),
            door: Some(number),
            ..self.clone()
        }
    }

    /// Accepts until told to drain, and then whoever has connected by then.
    pub async fn accept(&self, listener: TcpListener) {
        // The drain waits for the last of them.
        let _accepting = self.tasks.token();
        while self.has_place().await {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.drain.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.seat(stream, peer).await,
                Err(error) => back_off(&error).await,
            }
        }
        if handover::is_shared(&listener) {
            self.hand_over(&listener).await;
        }
        self.accept_the_last(listener);
    }

    /// Serves who was let in. The place was free a moment ago: only where another listener was faster
    /// does one wait here, drained or not, since the kernel will not take it back.
    async fn seat(&self, stream: TcpStream, peer: SocketAddr) {
        if let Ok(place) = Arc::clone(&self.connections).acquire_owned().await {
            self.take(stream, peer, place);
        }
    }

    /// The kernel has let them in and closing would reset them, what they have asked included. Asks
    /// the kernel itself: tokio may not have heard of them yet.
    fn accept_the_last(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Ok(place) = Arc::clone(&self.connections).try_acquire_owned()
            && let Ok((stream, peer)) = listener.accept()
        {
            let stream = stream.set_nonblocking(true).map(|()| stream);
            if let Ok(stream) = stream.and_then(TcpStream::from_std) {
                self.take(stream, peer, place);
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let client = Client::new(peer.ip(), Some(Arc::clone(&stream)));
        let server = self.clone();
        let stream = ClientStream::new(stream, Arc::clone(client.wire()));
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            self.tasks.spawn(async move {
                let wire = Arc::clone(client.wire());
                if let Some(stream) = Box::pin(tls.accept(stream, wire)).await {
                    server.serve(stream, client.secured()).await;
                }
                drop(place);
            });
            return;
        }
        self.tasks.spawn(async move {
            server.serve(stream, client).await;
            drop(place);
        });
    }

    /// From now on every answer is the last on its connection, so that clients connect anew, elsewhere
    /// once they have learned to. Accepts and serves as before: who has not learned it yet is answered.
    pub fn wind_down(&self) {
        self.winding_down.store(true, Relaxed);
    }

    /// Stops accepting here and ends the connections that were kept; exchanges end as they would.
    pub fn close(&self) {
        self.drain.cancel();
    }

    /// Stops accepting and ends kept connections; resolves when every exchange has ended.
    pub async fn drained(&self) {
        self.close();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Connections that are still open.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until one more may come, `false` once drained. The place is not kept: a listener that
    /// nobody comes to would keep it from the others.
    async fn has_place(&self) -> bool {
        if self.connections.available_permits() > 0 {
            return !self.drain.is_cancelled();
        }
        self.seats.want(true);
        let has_place = tokio::select! {
            place = self.connections.acquire() => place.is_ok(),
            () = self.drain.cancelled() => false,
        };
        self.seats.want(false);
        has_place
    }
}

/// Listens with a backlog for a burst of clients.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, false)
}

/// The same where another process may listen as well: the kernel leads each client to one of them.
pub fn listen_beside_others(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, true)
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

/// Out of file descriptors or the like: those that are served go on, new ones wait.
async fn back_off(error: &io::Error) {
    tracing::warn!(%error, "could not accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}
