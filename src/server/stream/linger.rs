//! Listens to a client that was answered before it had sent everything.
//!
//! Closing a socket with unread bytes resets the connection, and the reset destroys an answer that
//! the client has not read yet. Most clients read only when they have sent.

use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long it may take to send the rest.
const LONGEST: Duration = Duration::from_secs(2);

/// Most bytes of a rest.
const MOST: usize = 8 * 1024 * 1024;

/// The rest of a request on its way to nowhere.
pub(super) struct Linger {
    timer: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    pub(super) fn new() -> Self {
        Self {
            timer: Box::pin(sleep(LONGEST)),
            left: MOST,
        }
    }

    /// Ready when the client has nothing more to say, or has said too much.
    pub(super) fn poll_over(&mut self, stream: &TcpStream, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut nowhere = [0; 16 * 1024];
        while self.left > 0
            && let Ok(()) = std::task::ready!(stream.poll_read_ready(cx))
        {
            match stream.try_read(&mut nowhere) {
                Ok(0) => break,
                Ok(bytes) => self.left = self.left.saturating_sub(bytes),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}
