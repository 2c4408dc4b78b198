//! What happened at a gate, written down so that the same hour can be lived through again: every
//! request with its exact times, every replica with the phases of its start, every measurement and
//! decision of the autoscalers. Decides nothing. Of a request it knows no path, no header and not
//! whose it was.
//!
//! Two moments may fall on the same instant, so each also has its turn in the order of its
//! revision: who replays in that order finds the same numbers, bit for bit.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// Why a record does not tell everything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It was cut off in the middle of a word: whoever wrote it was killed, or is still writing.
    #[error("it ends in the middle of a record; the last {bytes} bytes were left out")]
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
    /// When its autoscaler began to count seconds; `None` if that was before the record.
    pub epoch: Option<Moment>,
    /// In order of arrival, refused ones included.
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
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
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

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it came.
    pub arrived: Moment,
    /// Bytes of body that it announced to the line. More than `queue.readAhead` is not announced.
    pub announced: u64,
    /// Bytes that it held beyond that while it waited.
    pub held_more: u64,
    /// When it took the slot that it was answered from; `None` if it never had one.
    pub seated: Option<Moment>,
    /// The replica of that slot.
    pub replica: Option<u64>,
    /// From when on it counted as demand no longer: answered, refused, or its client had left.
    /// `None` if it was there when the record ended.
    pub over: Option<Moment>,
    /// When its slot was given back; later than `over` where the replica went on working for nobody.
    pub vacated: Option<Moment>,
    /// Replicas that could not be reached for it before.
    pub rebuffs: u32,
    /// How it ended.
    pub fate: Fate,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It was there when the record ended, or the end was not recorded.
    Open,
    /// A replica answered it with this status and so many bytes of body.
    Answered {
        /// The status.
        code: u16,
        /// Bytes of its body.
        sent: u64,
    },
    /// The answer broke off after so many bytes of body.
    Cut {
        /// The status it had begun with.
        code: u16,
        /// Bytes of body before that.
        sent: u64,
    },
    /// The gate answered it, with this status.
    Refused {
        /// The status.
        code: u16,
    },
    /// Its client left, while it waited or was being answered.
    ClientLeft,
}

impl Request {
    /// How long it waited for its slot; `None` if it never had one.
    #[must_use]
    pub fn waited(&self) -> Option<Duration> {
        let seated = self.seated?.at();
        Some(seated.saturating_sub(self.arrived.at()))
    }

    /// How long it occupied its slot; `None` if it had none, or had it when the record ended.
    #[must_use]
    pub fn occupied(&self) -> Option<Duration> {
        Some(self.vacated?.at().saturating_sub(self.seated?.at()))
    }

    /// How long its client was there.
    #[must_use]
    pub fn stayed(&self) -> Option<Duration> {
        Some(self.over?.at().saturating_sub(self.arrived.at()))
    }
}

/// The life of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its number, unique within the revision.
    pub id: u64,
    /// When its start began; the beginning of the record if it was there before.
    pub launched: Moment,
    /// How long each phase of its start took; `None` if it never became ready, or was before the
    /// record.
    pub phases: Option<Phases>,
    /// When the backend knew that it is ready.
    pub ready: Option<Moment>,
    /// From when on the throttler gave it requests.
    pub listed: Option<Moment>,
    /// From when on it was given no more, unless it was taken back into service.
    pub retired: Option<Moment>,
    /// When nothing was left of it. A place or a device is free again from then on.
    pub gone: Option<Moment>,
    /// What became of it.
    pub ending: Ending,
}

/// How long each phase of a start took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Until its command ran.
    pub spawn: Duration,
    /// From then until it accepted a connection.
    pub listen: Duration,
    /// From then until it was ready.
    pub ready: Duration,
}

impl Phases {
    /// From launch until ready.
    #[must_use]
    pub fn total(self) -> Duration {
        self.spawn + self.listen + self.ready
    }
}

/// What became of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It was there when the record ended.
    #[default]
    Running,
    /// It was ready, and stopped because it was not wanted any more.
    Stopped,
    /// It was stopped before it was ready.
    TakenBack,
    /// It died, or was given up, before it was ready.
    StartFailed,
    /// It was ready, and died or hung.
    Lost,
}

/// One turn of the autoscaler's loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// When the throttler was asked, in the order of its requests.
    pub sampled: Moment,
    /// The moment that the autoscaler worked with: the whole second that its tick belongs to, where
    /// a second's measurement was taken.
    pub now: Duration,
    /// Why it turned.
    pub cause: Cause,
    /// Requests there at `sampled`, waiting or running for a client.
    pub in_flight: u32,
    /// Since when nobody was there; `None` while somebody was.
    pub idle_since: Option<Duration>,
    /// What was decided; `None` where it only measured.
    pub decided: Option<Decided>,
}

/// Why the autoscaler's loop turned.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// It began.
    Began,
    /// A second had passed, and was measured.
    Measured {
        /// Requests there at once since the last measurement, averaged over time.
        average_concurrency: f64,
        /// Requests that arrived since the last measurement.
        requests: u64,
        /// What was read of the replicas themselves, as `autoscale::Measured::gauged`.
        gauged: Vec<Option<f64>>,
    },
    /// Somebody waited and nobody served.
    Poked,
}

/// A decision: what it was made from beside the measurements, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// Replicas that took requests.
    pub ready: u32,
    /// Replicas on their way.
    pub starting: u32,
    /// Ready replicas that were answering something.
    pub busy: u32,
    /// How long a start usually took.
    pub typical_start: Option<Duration>,
    /// What kept wanted replicas from being started, in the word of its bound.
    pub shortage: Option<String>,
    /// The lower bound that a schedule set.
    pub scheduled: Option<u32>,
    /// The stable and the panic average of every metric, in the order of the settings.
    pub averages: Vec<Option<(f64, f64)>>,
    /// The result; `None` left the number as it was.
    pub replicas: Option<u32>,
    /// The word of what bounded it.
    pub bound_by: String,
    /// The panic average steered from then on.
    pub panic: bool,
    /// The world took note of the number.
    pub asked: bool,
}
