//! A client's stream that can be watched while it is served: reading and writing need only a shared
//! reference, so whoever waits for a slot can look whether the client is still there.
//!
//! It also ends a connection whose client takes nothing any more, and closes one so that the client
//! gets to know what happened.

mod linger;
mod stall;

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::proxy::Wire;
use linger::Linger;
pub(super) use stall::Stall;

pub(super) struct ClientStream {
    stream: Arc<TcpStream>,
    wire: Arc<Wire>,
    stall: Stall,
    linger: Option<Linger>,
}

impl ClientStream {
    pub(super) fn new(stream: Arc<TcpStream>, wire: Arc<Wire>) -> Self {
        Self {
            stream,
            wire,
            stall: Stall::default(),
            linger: None,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            if let Some(read) = self.try_read(buf) {
                self.wire.hear();
                return Poll::Ready(read);
            }
        }
    }
}

impl ClientStream {
    /// Reads what is there; `None` if nothing was. A read that did not fill the buffer emptied the
    /// socket, so the stream is told that it would block: it need not be asked again to find out.
    /// Told within `try_io`, so that bytes which arrive meanwhile are not forgotten.
    fn try_read(&self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        let would_block = || io::Error::from(io::ErrorKind::WouldBlock);
        let mut outcome = None;
        let _ = self.stream.try_io(Interest::READABLE, || {
            let room = buf.remaining();
            let read = self.stream.try_read_buf(buf);
            let emptied = match &read {
                Ok(bytes) => (1..room).contains(bytes),
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            };
            outcome = match read {
                Err(_) if emptied => None,
                read => Some(read.map(drop)),
            };
            if emptied { Err(would_block()) } else { Ok(()) }
        });
        outcome
    }

    fn poll_try_write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.stream.poll_write_ready(cx)?.is_ready() {
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.stall.moved();
                    return Poll::Ready(written);
                }
            }
        }
        ready!(self.stall.poll_over(&self.wire, cx));
        // What the kernel still holds for the client would keep the connection open.
        self.wire.cut();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_try_write(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_try_write(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            SockRef::from(&*this.stream).shutdown(Shutdown::Write)?;
        }
        if this.wire.is_unread() {
            let linger = this.linger.get_or_insert_with(Linger::new);
            ready!(linger.poll_over(&this.stream, cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.wire.is_cut() {
            // Nothing is waited for: closing resets.
            let _ = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}
