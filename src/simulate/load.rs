//! A load: who comes when, how long an answer takes, how long a start takes. Streamed, so that a
//! day of it is never in memory at once.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::beats::Recorded;
use crate::autoscale::Memory;
use crate::autoscaler::Gauged;
use crate::revision::RevisionId;
use crate::trace::Standing;

/// What comes to a gate. All times count from its beginning.
#[derive(Debug)]
pub struct Load {
    /// How long it is; what is still here then is not waited for.
    pub length: Duration,
    /// When it began or is imagined to begin, by the wall clock.
    pub began: SystemTime,
    /// What comes to each revision.
    pub revisions: Vec<RevisionLoad>,
}

/// What comes to one revision.
pub struct RevisionLoad {
    /// Which one.
    pub revision: RevisionId,
    /// When its requests begin to be measured.
    pub opened: Duration,
    /// When its autoscaler begins. Measurements and decisions are made at whole seconds from then.
    pub begins: Duration,
    /// The moments at which a recorded autoscaler did so, the beginning first; none are on time.
    pub beats: Recorded,
    /// The moments at which it heard that somebody waited whom nobody served; others at once.
    pub pokes: Recorded,
    /// What the autoscaler begins with, and how old that is; `None` begins without a history.
    pub recalled: Option<(Memory, Duration)>,
    /// How long a start is believed to take before the first.
    pub typical_start: Option<Duration>,
    /// Requests that come whatever happens to others, in order of time.
    pub arrivals: Box<dyn Iterator<Item = Arrival> + Send>,
    /// Clients that send a request when the one before is answered.
    pub workers: Vec<Workers>,
    /// How long the replica takes for the next request of a worker.
    pub service: Box<dyn FnMut() -> Duration + Send>,
    /// What the next process that is started will do, in the order in which they are started.
    pub starts: Box<dyn FnMut() -> Start + Send>,
    /// What the replicas used and reported, in order of time.
    pub gauged: Box<dyn Iterator<Item = Reading> + Send>,
    /// The lower bounds that a schedule sets, in order of time; none before the first.
    pub floors: Vec<Floor>,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it comes.
    pub at: Duration,
    /// Bytes of its body that are held should it have to wait.
    pub bytes: u64,
    /// How long it occupies a slot: from sending it until the replica is done with it.
    pub service: Duration,
    /// How long after its arrival its client leaves, if it is not answered by then; `None` stays.
    pub patience: Option<Duration>,
    /// Its answer is an event stream: another time limit counts, and a hang-up ends it.
    pub stream: bool,
    /// On what terms it comes.
    pub standing: Standing,
    /// What came first, where several things happen at one moment.
    pub turns: Turns,
}

/// The turns of what happens to one request in the order of everything that happens to its
/// revision, as a record knows them. Where a turn is 0, who leaves makes room before anybody comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// It comes.
    pub arrived: u32,
    /// Its client leaves, or is told that it has waited in vain.
    pub left: u32,
    /// The replica is done with it.
    pub done: u32,
}

impl Turns {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        arrived: 0,
        left: 0,
        done: 0,
    };
}

/// Clients that each have one request here all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// When they begin.
    pub from: Duration,
    /// When they end: the request under way is their last.
    pub until: Duration,
    /// How many.
    pub count: u32,
}

/// What a process that is started will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It is ready so long after its start.
    ReadyAfter(Duration),
    /// It ends so long after its start and was never ready.
    FailsAfter(Duration),
    /// It is ready as one was that was recorded.
    AsRecorded(AsRecorded),
}

/// How a recorded process became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsRecorded {
    /// From the moment it was wanted until it was started.
    pub launch: Duration,
    /// From then until it was ready.
    pub took: Duration,
    /// How long that was for those who count it.
    pub counted: Duration,
    /// From then until it was given requests.
    pub listed: Duration,
}

/// What was read of the replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When.
    pub at: Duration,
    /// What.
    pub gauged: Gauged,
}

/// The lower bound that a schedule sets from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// From when on.
    pub from: Duration,
    /// The bound; `None` is none.
    pub least: Option<u32>,
}

impl RevisionLoad {
    /// Nobody comes, and every start takes no time.
    #[must_use]
    pub fn nobody(revision: RevisionId) -> Self {
        Self {
            revision,
            opened: Duration::ZERO,
            begins: Duration::ZERO,
            beats: Box::new(std::iter::empty()),
            pokes: Box::new(std::iter::empty()),
            recalled: None,
            typical_start: None,
            arrivals: Box::new(std::iter::empty()),
            workers: Vec::new(),
            service: Box::new(|| Duration::ZERO),
            starts: Box::new(|| Start::ReadyAfter(Duration::ZERO)),
            gauged: Box::new(std::iter::empty()),
            floors: Vec::new(),
        }
    }
}

impl fmt::Debug for RevisionLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevisionLoad")
            .field("revision", &self.revision)
            .field("begins", &self.begins)
            .field("workers", &self.workers)
            .field("floors", &self.floors)
            .finish_non_exhaustive()
    }
}
