//! One connection: lines in both directions, a beat where there is nothing else to say, and an end when
//! the other side is silent, does not read, or says what nobody understands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Who has nothing to say says at least so often that it is there.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// Who has not been heard for so long is silent.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

/// Longest first line, of somebody whom nobody knows yet.
pub(super) const FIRST_LINE: usize = 4 << 10;

/// Longest line of a peer.
pub(super) const LINE: usize = 32 << 20;

/// Most bytes that wait for somebody who does not read them.
const WAITING: usize = 64 << 20;

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum Broken {
    #[error("it was closed")]
    Closed,
    #[error("nothing was heard for {SILENCE:?}")]
    Silent,
    #[error("it does not read what it is told")]
    Slow,
    #[error("it says what nobody understands: {0}")]
    Garbage(String),
}

/// What comes in, line by line.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    longest: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R, longest: usize) -> Self {
        Self {
            from: BufReader::new(from),
            line: Vec::new(),
            longest,
        }
    }

    pub(super) fn allow(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// The next line, understood. Not to be cancelled and then called again.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<T, Broken> {
        self.line.clear();
        let longest = u64::try_from(self.longest).unwrap_or(u64::MAX);
        let mut from = (&mut self.from).take(longest);
        let reading = timeout(SILENCE, from.read_until(b'\n', &mut self.line));
        let read = reading.await.map_err(|_| Broken::Silent)?;
        if read.map_err(|_| Broken::Closed)? == 0 {
            return Err(Broken::Closed);
        }
        if self.line.last() != Some(&b'\n') {
            return Err(if self.line.len() < self.longest {
                Broken::Closed
            } else {
                Broken::Garbage(format!("a line of over {} bytes", self.longest))
            });
        }
        serde_json::from_slice(&self.line).map_err(|error| Broken::Garbage(error.to_string()))
    }
}

/// Where what goes out is put. Never waits.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    lines: mpsc::UnboundedSender<Out>,
    waiting: Arc<AtomicUsize>,
    cut: CancellationToken,
}

#[derive(Debug)]
enum Out {
    Line(Vec<u8>),
    /// Everything before it has gone out.
    Gone(oneshot::Sender<()>),
}

impl Outbox {
    /// Says something. Whoever has let too much wait is cut off.
    pub(super) fn send(&self, what: &impl Serialize) {
        let mut line = serde_json::to_vec(what).expect("plain data");
        line.push(b'\n');
        let before = self.waiting.fetch_add(line.len(), Ordering::Relaxed);
        if before.saturating_add(line.len()) > WAITING {
            self.cut.cancel();
        }
        let _ = self.lines.send(Out::Line(line));
    }

    /// Tells when everything has gone out that was said before, or never will.
    pub(super) fn tell_gone(&self, done: oneshot::Sender<()>) {
        let _ = self.lines.send(Out::Gone(done));
    }

    /// Ends the connection. What still is in it is lost.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

/// What goes out.
pub(super) struct Outgoing {
    lines: mpsc::UnboundedReceiver<Out>,
    waiting: Arc<AtomicUsize>,
    cut: CancellationToken,
}

pub(super) fn outbox() -> (Outbox, Outgoing) {
    let (tell, lines) = mpsc::unbounded_channel();
    let (waiting, cut) = (Arc::default(), CancellationToken::new());
    let outbox = Outbox {
        lines: tell,
        waiting: Arc::clone(&waiting),
        cut: cut.clone(),
    };
    let outgoing = Outgoing {
        lines,
        waiting,
        cut,
    };
    (outbox, outgoing)
}

impl Outgoing {
    /// Writes until nobody has anything to say any more, or somebody cuts it off.
    pub(super) async fn write(mut self, to: impl AsyncWrite + Unpin, beat: &[u8]) -> Broken {
        let cut = self.cut.clone();
        let writing = self.write_all(to, beat);
        let written = cut.run_until_cancelled(writing).await;
        written.unwrap_or(Broken::Slow)
    }

    async fn write_all(&mut self, mut to: impl AsyncWrite + Unpin, beat: &[u8]) -> Broken {
        loop {
            let next = timeout(BEAT, self.lines.recv()).await;
            let line = match &next {
                Ok(None) => {
                    let _ = timeout(SILENCE, to.shutdown()).await;
                    return Broken::Closed;
                }
                Ok(Some(Out::Line(line))) => line,
                Ok(Some(Out::Gone(_))) => &[][..],
                Err(_) => beat,
            };
            let writing = async {
                to.write_all(line).await?;
                to.flush().await
            };
            match timeout(SILENCE, writing).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Broken::Closed,
                Err(_) => return Broken::Slow,
            }
            match next {
                Ok(Some(Out::Line(line))) => {
                    self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                }
                Ok(Some(Out::Gone(tell))) => {
                    let _ = tell.send(());
                }
                Ok(None) | Err(_) => {}
            }
        }
    }
}
