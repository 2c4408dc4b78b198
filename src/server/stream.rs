//! A client's stream that can be watched while it is served: reading and writing need only a shared
//! reference, so whoever waits for a slot can look whether the client is still there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

pub(super) struct ClientStream(pub(super) Arc<TcpStream>);

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            if let Some(read) = self.try_read(buf) {
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
        let _ = self.0.try_io(Interest::READABLE, || {
            let room = buf.remaining();
            let read = self.0.try_read_buf(buf);
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
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match write(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_try_write(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
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

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write))
    }
}
