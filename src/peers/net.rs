//! How gateways reach each other: TCP, or pipes in memory in tests.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// How gateways reach each other.
pub trait Net: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Reaches the gateway that is at an address.
    fn dial(&self, to: IpAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The next connection from another gateway.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// TCP, on the same port everywhere.
#[derive(Debug)]
pub struct TcpNet {
    listener: TcpListener,
    port: u16,
}

impl TcpNet {
    /// Takes connections from this listener, and reaches others on the same port.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }
}

impl Net for TcpNet {
    type Stream = TcpStream;

    async fn dial(&self, to: IpAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(SocketAddr::new(to, self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// By what gateways of one installation know each other.
#[derive(Clone, Debug)]
pub struct Credential {
    token: watch::Receiver<Option<Arc<str>>>,
    doubt: Arc<Notify>,
}

impl Credential {
    /// The token, as it is known at any time; `doubt` is notified when one was refused, so that it is
    /// looked up again.
    #[must_use]
    pub fn new(token: watch::Receiver<Option<Arc<str>>>, doubt: Arc<Notify>) -> Self {
        Self { token, doubt }
    }

    /// The token. `None` as long as nobody knows it.
    #[must_use]
    pub fn token(&self) -> Option<Arc<str>> {
        self.token.borrow().clone()
    }

    /// It does not seem to be what the others have.
    pub fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Whether this is it. Takes as long for any text of that length.
    pub(super) fn accepts(&self, said: &str) -> bool {
        let known = self.token.borrow();
        let Some(known) = known.as_deref().filter(|known| !known.is_empty()) else {
            return false;
        };
        let different = |known: &str| {
            let pairs = known.bytes().zip(said.bytes());
            pairs.fold(0, |seen, (a, b)| std::hint::black_box(seen | (a ^ b)))
        };
        known.len() == said.len() && different(known) == 0
    }
}
