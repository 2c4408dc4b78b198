//! As much HTTP/1.1 as a generator and an upstream need that must not cost more than what they
//! measure: heads by hand, bodies by `content-length` alone, no pipelining.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// One side of a kept connection.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// A message that was read: its head is kept, its body only counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// From the first line to the empty one.
    pub(crate) head: &'a [u8],
    /// When its first byte was here.
    pub(crate) begun: Instant,
}

impl Wire {
    /// Messages of up to a few kilobytes are read at once, longer ones piece by piece.
    pub(crate) fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            buffer: vec![0; 8192],
        })
    }

    /// Sends a whole message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.write_all(message).await
    }

    /// Reads a whole message; `None` when the other side has closed instead.
    pub(crate) async fn receive(&mut self) -> io::Result<Option<Message<'_>>> {
        let mut filled = 0;
        let mut begun = None;
        let head = loop {
            let read = self.socket.read(&mut self.buffer[filled..]).await?;
            match (read, filled) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(broken("a head without an end")),
                _ => filled += read,
            }
            begun.get_or_insert_with(Instant::now);
            if let Some(head) = head_length(&self.buffer[..filled]) {
                break head;
            }
        };
        let body = body_length(&self.buffer[..head])?;
        let mut missing = (head + body).saturating_sub(filled);
        while missing > 0 {
            // Over the part of the buffer behind the head, which the caller is still to see.
            match self.socket.read(&mut self.buffer[head..]).await? {
                0 => return Err(broken("a body cut short")),
                read => missing = missing.saturating_sub(read),
            }
        }
        Ok(Some(Message {
            head: &self.buffer[..head],
            begun: begun.unwrap_or_else(Instant::now),
        }))
    }
}

impl Message<'_> {
    /// The status of an answer.
    pub(crate) fn status(&self) -> io::Result<u16> {
        let digits = self
            .head
            .get(9..12)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| broken("no status line"))
    }
}

/// The body of the answer to a GET, on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer has an empty line")?;
    Ok(body.to_owned())
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

fn body_length(head: &[u8]) -> io::Result<usize> {
    const LENGTH: &[u8] = b"content-length:";
    for line in head.split(|byte| *byte == b'\n') {
        if line.len() > LENGTH.len() && line[..LENGTH.len()].eq_ignore_ascii_case(LENGTH) {
            let digits = std::str::from_utf8(&line[LENGTH.len()..]).unwrap_or_default();
            return digits
                .trim()
                .parse()
                .map_err(|_| broken("a content-length that is none"));
        }
    }
    // An answer without one would be chunked or end with the connection; a GET has no body.
    if head.starts_with(b"HTTP/") {
        return Err(broken("an answer without content-length"));
    }
    Ok(0)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
