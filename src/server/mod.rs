//! Accepting clients: the listener, one task per connection, and the drain.
//!
//! Connections are bounded by number, those of all listeners together: beyond it nothing is served, and
//! but for one that each listener may have let in the kernel's backlog holds what comes. Ends when
//! told to, after the exchanges in flight have ended.

mod stream;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::Request;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::proxy::connect::Dial;
use crate::proxy::{Client, Proxy};
use stream::ClientStream;

/// How long an unused connection stays open once the gate drains.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// Most bytes of one request's head.
const MOST_HEAD: usize = 64 * 1024;

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
        }
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
        self.tasks.spawn(async move {
            let stream = ClientStream::new(stream, Arc::clone(client.wire()));
            server.serve(stream, client).await;
            drop(place);
        });
    }

    /// Serves one connection to its end, or until drained.
    pub async fn serve<I>(self, io: I, client: Client)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (proxy, client) = (&self.proxy, &client.by_door(self.door));
        let winding_down = &*self.winding_down;
        let (begun, answering) = (&Notify::new(), &AtomicBool::new(false));
        let service = service_fn(move |request: Request<Incoming>| async move {
            answering.store(true, Relaxed);
            begun.notify_waiters();
            let mut response = proxy.serve(client, request).await;
            if winding_down.load(Relaxed) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            answering.store(false, Relaxed);
            Ok::<_, Infallible>(response)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_header_size(MOST_HEAD)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        let mut ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.drain.cancelled() => None,
        };
        if ended.is_none() && !answering.load(Relaxed) {
            // A request may be on its way on a connection that looks unused: it is answered, and
            // told that it was the last.
            ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = begun.notified() => None,
                () = tokio::time::sleep(LAST_REQUEST) => {
                    client.wire().quiet();
                    None
                }
            };
        }
        let ended = if let Some(ended) = ended {
            ended
        } else {
            connection.as_mut().graceful_shutdown();
            connection.await
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a client connection broke off");
        }
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
        tokio::select! {
            place = self.connections.acquire() => place.is_ok(),
            () = self.drain.cancelled() => false,
        }
    }
}

/// Listens with a backlog for a burst of clients.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
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
