//! One replica as its fleet keeps it.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::autoscale::StartPhase;
use crate::backend::life::Ending;
use crate::backend::places::arbiter::Standing;
use crate::ports::{ReplicaState, ReplicaView};
use crate::revision::{Endpoint, ReplicaId};
use crate::trace;

pub(super) struct Member {
    pub(super) id: ReplicaId,
    pub(super) endpoint: Endpoint,
    pub(super) generation: u64,
    /// Crashes in a row that led to its start.
    pub(super) streak: u32,
    pub(super) phase: Phase,
    pub(super) since: Instant,
    pub(super) ready_at: Option<Instant>,
    pub(super) diagnosis: Option<String>,
    pub(super) stop: CancellationToken,
    pub(super) kill: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Ready,
    Draining,
    /// Asked to stop, or found dead: out of the world, its group still to be gone.
    Leaving,
}

impl Member {
    pub(super) fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }

    pub(super) fn leave(&mut self, now: Instant) {
        self.stop.cancel();
        self.enter(Phase::Leaving, now);
    }

    /// As the places see it.
    pub(super) fn standing(&self) -> (ReplicaId, Standing) {
        let standing = match self.phase {
            Phase::Starting | Phase::Draining => Standing::Kept,
            Phase::Ready => Standing::Serving(self.since.into_std()),
            Phase::Leaving => Standing::Going,
        };
        (self.id, standing)
    }

    pub(super) fn view(&self) -> Option<ReplicaView> {
        let (state, phase) = match self.phase {
            Phase::Starting => (ReplicaState::Starting, Some(StartPhase::Load)),
            Phase::Ready => (ReplicaState::Ready, Some(StartPhase::FirstAnswer)),
            Phase::Draining => (ReplicaState::Draining, None),
            Phase::Leaving => return None,
        };
        Some(ReplicaView {
            kept_by: None,
            phase,
            uid: None,
            id: self.id,
            name: None,
            endpoint: Some(self.endpoint),
            state,
            since: self.since.into_std(),
            detail: None,
        })
    }

    /// What became of it in the end, for a record.
    pub(super) const fn ended(&self, ending: &Ending) -> trace::Ending {
        match (ending, self.ready_at) {
            (Ending::Stopped, Some(_)) => trace::Ending::Stopped,
            (Ending::Stopped, None) => trace::Ending::TakenBack,
            (Ending::Crashed(_), Some(_)) => trace::Ending::Lost,
            (Ending::Crashed(_), None) => trace::Ending::StartFailed,
        }
    }
}
