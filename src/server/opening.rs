//! What a client speaks, told from its first bytes: HTTP/2 begins with a preface that is no request
//! of HTTP/1.1.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How HTTP/2 begins (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.1, or nothing that we know.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A stream whose first bytes have been looked at, and are read again.
pub(super) struct Opening<I> {
    io: I,
    first: [u8; PREFACE.len()],
    /// Of these, how many were read from the stream, and how many were read again.
    looked_at: usize,
    read: usize,
}

impl<I: AsyncRead + Unpin> Opening<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            first: [0; PREFACE.len()],
            looked_at: 0,
            read: 0,
        }
    }

    /// Resolves once it is clear what the client speaks. One that ends before speaks HTTP/1.1, whose
    /// server knows what to say to it.
    pub(super) async fn version(&mut self) -> io::Result<Version> {
        while self.looked_at < PREFACE.len() {
            let more = poll_fn(|cx| self.poll_look(cx)).await?;
            if more == 0 || self.first[..self.looked_at] != PREFACE[..self.looked_at] {
                return Ok(Version::Http1);
            }
        }
        Ok(Version::Http2)
    }

    fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(&mut self.first[self.looked_at..]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
        let more = room.filled().len();
        self.looked_at += more;
        Poll::Ready(Ok(more))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Opening<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read == this.looked_at {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let bytes = buf.remaining().min(this.looked_at - this.read);
        buf.put_slice(&this.first[this.read..][..bytes]);
        this.read += bytes;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Opening<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_spoken_is_told_byte_by_byte_and_nothing_of_it_is_lost() {
        for said in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more",
            b"PRI * HTTP/1.1\r\n\r\n",
            b"PRI",
            b"",
        ] {
            let (mut client, server) = duplex(1);
            let saying = tokio::spawn(async move {
                client.write_all(said).await.expect("somebody reads");
            });
            let mut opening = Opening::new(server);
            let version = opening.version().await.expect("a pipe");
            let want = if said.starts_with(PREFACE) {
                Version::Http2
            } else {
                Version::Http1
            };
            assert_eq!(version, want);
            let mut heard = Vec::new();
            opening.read_to_end(&mut heard).await.expect("a pipe");
            assert_eq!(heard, said);
            saying.await.expect("no panic");
        }
    }
}
