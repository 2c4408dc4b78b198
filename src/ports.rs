//! The seams between the control loop and the world: what a backend publishes, what it is asked
//! for, and what it may ask of the throttler before it stops a replica. Level-triggered: everybody
//! reads the present state, nobody replays events.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::watch;

use crate::autoscale::{Shortage, StartPhase, TypicalPhases};
use crate::counting::count;
use crate::revision::{Endpoint, ReplicaId, ScaleMetric};

/// The present replicas of one revision, as its backend sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Every replica that exists, oldest first.
    pub replicas: Vec<ReplicaView>,
    /// Set while no replica can come: waiting requests are answered with it.
    pub outage: Option<Arc<Outage>>,
    /// Measured time from start to ready, smoothed; `None` before the first.
    pub typical_start: Option<Duration>,
    /// The same of its phases.
    pub typical_phases: TypicalPhases,
    /// Why the start under way takes so long, for a person; `None` while nothing looks wrong.
    pub diagnosis: Option<String>,
    /// What keeps replicas that are wanted from being started; `None` while nothing does.
    pub shortage: Option<Shortage>,
    /// Replicas that were asked for and cannot even be made; `None` while nothing is known to keep them.
    pub unmade: Option<Unmade>,
    /// When the next replica is likely to take requests, from what was measured of each phase of earlier
    /// starts; `None` where nothing was, or nothing is on its way.
    pub expected: Option<Instant>,
}

/// Replicas that were asked for and cannot even be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmade {
    /// How many.
    pub count: u32,
    /// What keeps them.
    pub kept_by: Hindrance,
    /// In the words of whoever keeps them.
    pub detail: Arc<str>,
}

/// One replica as its backend sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaView {
    /// Which one.
    pub id: ReplicaId,
    /// What it is called where it lives: a pod's name; a process has none.
    pub name: Option<Arc<str>>,
    /// Who it is for every gateway that sees it: a pod's UID; a process has none.
    pub uid: Option<Arc<str>>,
    /// Where it listens, or will; `None` before it has an address.
    pub endpoint: Option<Endpoint>,
    /// How far it has come.
    pub state: ReplicaState,
    /// When it entered that state.
    pub since: Instant,
    /// In which phase of its start it is; in the last one for good once it is ready, if all was seen.
    pub phase: Option<StartPhase>,
    /// What it waits for or is doing, for a person; `None` where the state says it all.
    pub detail: Option<Arc<str>>,
    /// What keeps it, in one word; `None` while nothing does but the start itself.
    pub kept_by: Option<Hindrance>,
}

/// What keeps a replica from coming: one word each, for reports and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hindrance {
    /// It has no machine to run on; one, or room on one, is known to be on its way.
    NodeComing,
    /// It has no machine to run on, and nobody has said that one comes.
    Unschedulable,
    /// It has no machine to run on, and whoever could bring one has said that none comes.
    NotTriggered,
    /// More than its owner may have.
    Quota,
    /// An admission webhook or policy refuses it.
    Refused,
    /// Its image cannot be had.
    Image,
    /// A volume cannot be had.
    Volume,
    /// It crashes again and again.
    CrashLoop,
}

impl Hindrance {
    /// Every one there is.
    pub const ALL: [Self; 8] = [
        Self::NodeComing,
        Self::Unschedulable,
        Self::NotTriggered,
        Self::Quota,
        Self::Refused,
        Self::Image,
        Self::Volume,
        Self::CrashLoop,
    ];

    /// The word in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NodeComing => "node_coming",
            Self::Unschedulable => "unschedulable",
            Self::NotTriggered => "not_triggered",
            Self::Quota => "quota",
            Self::Refused => "refused",
            Self::Image => "image",
            Self::Volume => "volume",
            Self::CrashLoop => "crash_loop",
        }
    }
}

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Has no machine to run on yet: counts as supply, gets no request.
    Pending,
    /// On its way: counts as supply, gets no request.
    Starting,
    /// Takes requests.
    Ready,
    /// Finishes what it has, takes nothing new.
    Draining,
}

impl ReplicaState {
    /// Counts as supply, and is not there yet.
    #[must_use]
    pub const fn is_on_its_way(self) -> bool {
        matches!(self, Self::Pending | Self::Starting)
    }

    /// The word in reports, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// Why no replica can come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Which of the known reasons.
    pub reason: OutageReason,
    /// What happened, for a person: the exit status, the last lines of stderr.
    pub detail: String,
    /// When the next attempt is made.
    pub next_attempt: Option<Instant>,
}

/// The reasons for which a replica cannot come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageReason {
    /// It was started several times in a row and died before it was ready.
    ColdStartFailed,
    /// There is no machine for it, and none is on its way.
    Unschedulable,
    /// Its owner wants none.
    Stopped,
    /// The revision itself is gone: nobody takes such a request any more.
    Removed,
    /// The whole gate is going away.
    Draining,
}

impl OutageReason {
    /// The word in refusals, reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ColdStartFailed => "cold_start_failed",
            Self::Unschedulable => "unschedulable",
            Self::Stopped => "stopped",
            Self::Removed => "no_route",
            Self::Draining => "draining",
        }
    }

    /// Nobody is let in while it lasts, also where replicas still serve: the others matter only while
    /// none does.
    #[must_use]
    pub const fn shuts_out(self) -> bool {
        matches!(self, Self::Stopped | Self::Removed)
    }
}

impl World {
    /// When the oldest replica on its way was started.
    #[must_use]
    pub fn starting_since(&self) -> Option<Instant> {
        let on_their_way = self.replicas.iter().filter(|r| r.state.is_on_its_way());
        on_their_way.map(|r| r.since).min()
    }

    /// How far the replica has come that has come furthest of those on their way; `None` where none is,
    /// or nobody can tell.
    #[must_use]
    pub fn phase(&self) -> Option<StartPhase> {
        let on_their_way = self.replicas.iter().filter(|r| r.state.is_on_its_way());
        on_their_way
            .filter_map(|r| r.phase)
            .max_by_key(|phase| *phase as usize)
    }

    /// How many replicas are on their way.
    #[must_use]
    pub fn on_their_way(&self) -> u32 {
        self.count(ReplicaState::Pending) + self.count(ReplicaState::Starting)
    }

    /// How many replicas are in a state.
    #[must_use]
    pub fn count(&self, state: ReplicaState) -> u32 {
        count(self.replicas.iter().filter(|r| r.state == state).count())
    }
}

/// What a revision's replicas use or report, where the gate cannot count it itself. Real processes
/// behind it here, the metrics API in a cluster.
pub trait Gauges: Send + 'static {
    /// For each of these metrics the sum over all ready replicas now, in the metric's unit; an
    /// error where not all of them could be asked, as a part would be mistaken for the whole.
    /// Bounded in time.
    fn read(
        &mut self,
        metrics: &[ScaleMetric],
    ) -> impl Future<Output = Vec<Result<f64, Missing>>> + Send;
}

/// Why a metric has no value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Missing {
    /// Nothing is wrong: no replica is ready, or one has been for too short a time.
    #[error("no ready replica has been measured yet")]
    NotYet,
    /// It could not be read; why, for a person.
    #[error("{0}")]
    Failed(String),
}

/// The world could not be asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("could not scale: {0}")]
pub struct ScaleError(pub String);

/// Asks the world for more or fewer replicas of one revision.
pub trait Scaler: Send + Sync + 'static {
    /// Sets the wanted number, and tells why in words for a person. Idempotent; returns when the wish
    /// is noted, not when it is true.
    fn scale_to(
        &self,
        replicas: u32,
        why: &str,
    ) -> impl Future<Output = Result<(), ScaleError>> + Send;
}

/// What a backend may ask about the requests at its replicas before it stops one.
/// The throttler is the one authority: a replica it has retired gets no further request.
pub trait Occupancy: Send + Sync + 'static {
    /// Takes up to `count` ready replicas out of service, idle ones first, then the least busy;
    /// returns whom. They keep what they are answering.
    fn retire(&self, count: usize) -> Vec<ReplicaId>;
    /// Takes one named replica out of service.
    fn retire_one(&self, replica: ReplicaId);
    /// Takes one named replica out of service if no request occupies it; false if one does, or if
    /// it is not in service. A request that comes at the same moment finds it taken, or keeps it.
    fn retire_idle(&self, replica: ReplicaId) -> bool;
    /// Puts these replicas back into service; returns those of them that were retired and there.
    fn revive(&self, replicas: &[ReplicaId]) -> Vec<ReplicaId>;
    /// Replicas that hold requests they did not answer within any budget, each told once: their
    /// slots come back only when they end.
    fn stuck(&self) -> Vec<ReplicaId>;
    /// Replicas in service that could not be reached just now and get no request until they can be:
    /// who knows how to look at one should do so at once.
    fn suspects(&self) -> Vec<ReplicaId> {
        Vec::new()
    }
    /// Those of these replicas that no request occupies, unknown ones included, in their order: who
    /// has thousands asks once.
    fn vacant(&self, replicas: Vec<ReplicaId>) -> Vec<ReplicaId>;
    /// No request occupies this replica (or it is unknown).
    fn is_vacant(&self, replica: ReplicaId) -> bool {
        !self.vacant(vec![replica]).is_empty()
    }
    /// Replicas in service that no request occupies, each with when the last one left it; `None`
    /// before it had one.
    fn idle(&self) -> Vec<(ReplicaId, Option<Instant>)>;
    /// From now on `vacancies` changes also whenever a replica in service has fallen idle; or no
    /// longer.
    fn tell_idle(&self, tell: bool);
    /// Requests wait in line.
    fn is_waited_for(&self) -> bool;
    /// Changes whenever a replica that was retired or drains has become vacant, one is found to be
    /// stuck, one could not be reached, or a line begins while no replica serves.
    fn vacancies(&self) -> watch::Receiver<u64>;
}
