//! Writes down what happens, beside everything else: one task takes away every second what was
//! noted of each revision and hands it to the operating system.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Event;
use super::file::{CannotRecord, Writer};
use super::tape::{Reel, Tape};
use crate::counting::millis;
use crate::revision::RevisionId;
use crate::sync::now;

const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Gives out tapes. Off by default: then nothing is recorded, and that costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Option<Arc<Tapes>>);

/// The tapes of a record.
#[derive(Debug)]
struct Tapes {
    epoch: Instant,
    /// `None` once nothing more is recorded.
    reels: Mutex<Option<Vec<Arc<Reel>>>>,
    full: Arc<Notify>,
}

/// A record that is being written.
#[derive(Debug)]
pub struct Recording {
    writer: JoinHandle<()>,
    end: CancellationToken,
}

impl Recorder {
    /// Begins a record in files of at most `limit` bytes. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When nothing can be written there, or something else is there.
    pub fn begin(path: &Path, limit: u64) -> Result<(Self, Recording), CannotRecord> {
        let writer = Writer::begin(path, limit, unix_ms())?;
        let tapes = Arc::new(Tapes {
            epoch: now(),
            reels: Mutex::new(Some(Vec::new())),
            full: Arc::default(),
        });
        let end = CancellationToken::new();
        let recording = Recording {
            writer: tokio::spawn(write(Arc::clone(&tapes), writer, end.clone())),
            end,
        };
        Ok((Self(Some(tapes)), recording))
    }

    /// Where to note what happens to a revision. One that comes back after it was removed is
    /// another one.
    #[must_use]
    pub fn tape(&self, revision: &RevisionId) -> Tape {
        let Some(tapes) = &self.0 else {
            return Tape::default();
        };
        let mut reels = tapes.reels.lock();
        let Some(reels) = &mut *reels else {
            return Tape::default();
        };
        let full = Arc::clone(&tapes.full);
        let reel = Arc::new(Reel::new(revision.clone(), tapes.epoch, full));
        reels.push(Arc::clone(&reel));
        Tape::new(reel)
    }
}

impl Recording {
    /// Writes what was noted until now, and nothing after it.
    pub async fn finish(self) {
        self.end.cancel();
        // It fails only if it was torn down with the runtime.
        let _ = self.writer.await;
    }
}

async fn write(tapes: Arc<Tapes>, mut writer: Writer, end: CancellationToken) {
    let mut every = tokio::time::interval(WRITE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = false;
    while !ended {
        ended = tokio::select! {
            () = end.cancelled() => true,
            _ = every.tick() => false,
            () = tapes.full.notified() => false,
        };
        let reels = tapes.reels.lock().clone().unwrap_or_default();
        let written = spawn_blocking(move || {
            let done = take_down(&mut writer, &reels);
            (writer, done)
        });
        match written.await {
            Ok((back, Ok(()))) => writer = back,
            Ok((_, Err(error))) => {
                tracing::error!(%error, "could not write the record; nothing more is recorded");
                break;
            }
            Err(error) => {
                tracing::error!(%error, "nothing more is recorded");
                break;
            }
        }
    }
    let reels = tapes.reels.lock().take();
    for reel in reels.into_iter().flatten() {
        reel.close();
    }
}

fn take_down(writer: &mut Writer, reels: &[Arc<Reel>]) -> std::io::Result<()> {
    if writer.stay()? {
        tracing::warn!(
            "the record was taken away: it goes on in a new file, its beginning is gone"
        );
    }
    for reel in &reels[writer.revisions()..] {
        writer.name(reel.revision.as_str());
    }
    for (revision, reel) in reels.iter().enumerate() {
        let waiting = reel.take();
        let until = waiting.events.last().map_or(0, |(at, _)| *at);
        let lost = (waiting.lost > 0).then_some((until, Event::Lost(waiting.lost)));
        if lost.is_some() {
            tracing::warn!(
                revision = %reel.revision, events = waiting.lost,
                "more happened than could be recorded"
            );
        }
        writer.tell(revision, waiting.events.into_iter().chain(lost))?;
    }
    writer.flush()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a record says at what hour of which day it was made"
)]
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    millis(since.unwrap_or_default())
}
