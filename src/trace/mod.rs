//! What happened at a gate, written down so that the same hour can be lived through again: every
//! request with its exact times, every replica with the phases of its start, every measurement and
//! decision of the autoscalers. Decides nothing. Of a request it knows no path, no header and not
//! whose it was.
//!
//! Two moments may fall on the same instant, so each also has its turn in the order of its
//! revision: who replays in that order finds the same numbers, bit for bit.

use crate::counting::nanos;

mod code;
mod event;
mod file;
mod read;
mod recalled;
mod recorder;
mod replica;
mod request;
mod shadow;
mod tale;
mod tape;
mod tick;

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use event::{Event, Step};
pub use file::CannotRecord;
pub use read::Unreadable;
pub use recalled::Recalled;
pub use recorder::{Recorder, Recording};
pub use replica::{Ending, Phases, Replica};
pub use request::{Fate, Reason, Request, Standing};
pub use tape::Tape;
pub use tick::{Cause, Decided, Tick};

/// A record, read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Wall clock time at which it was begun, in milliseconds since 1970.
    pub began_unix_ms: u64,
    /// From its beginning to the last moment in it.
    pub length: Duration,
    /// What happened to each revision, in the order in which they appeared.
    pub revisions: Vec<RevisionTrace>,
    /// What is missing from it, for a person; empty for a whole record.
    pub flaws: Vec<Flaw>,
}

impl Trace {
    /// When it was begun.
    #[must_use]
    pub fn began(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.began_unix_ms)
    }
}

/// Why a record does not tell everything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It ends in the middle of an event: whoever wrote it was killed, or is still writing.
    #[error(
        "it was cut off or damaged: it ends too early, and its last {bytes} bytes make no sense"
    )]
    CutOff {
        /// How many bytes could not be understood.
        bytes: u64,
    },
    /// Older parts were thrown away to keep within the bound on its size.
    #[error("its beginning is gone: what the autoscalers had averaged before is unknown")]
    BeginningGone,
    /// More happened than could be written.
    #[error(
        "{events} events of revision {revision} were not recorded: more happened than could be written"
    )]
    Lost {
        /// Whose.
        revision: String,
        /// How many.
        events: u64,
    },
}

/// What happened to one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RevisionTrace {
    /// Its name.
    pub name: String,
    /// When its requests began to be measured; `None` if that was before the record.
    pub opened: Option<Moment>,
    /// When its autoscaler began to count seconds; `None` if that was before the record.
    pub epoch: Option<Moment>,
    /// What its autoscaler began with; `None` if that was nothing, or before the record.
    pub recalled: Option<Recalled>,
    /// In order of arrival, with those that were turned away at the line; without those that never
    /// came so far, as one whose body is announced larger than allowed.
    pub requests: Vec<Request>,
    /// In the order of their starts.
    pub replicas: Vec<Replica>,
    /// What the autoscaler measured and decided, in order.
    pub ticks: Vec<Tick>,
    /// When a person changed the settings. What they were is not recorded.
    pub changes: Vec<Moment>,
    /// Events that could not be written.
    pub lost: u64,
}

/// A moment in a record, comparable within one revision: earlier turns happened first, even where
/// clock reads on two threads disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Its turn in the order of everything that happened to the revision.
    pub turn: NonZeroU32,
    nanos: u64,
}

impl Moment {
    /// So long after the record began.
    #[must_use]
    pub fn new(at: Duration, turn: NonZeroU32) -> Self {
        let nanos = nanos(at);
        Self { turn, nanos }
    }

    /// Since the record began, to the nanosecond.
    #[must_use]
    pub const fn at(self) -> Duration {
        Duration::from_nanos(self.nanos)
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.turn.cmp(&other.turn)
    }
}
