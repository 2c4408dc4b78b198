//! When the next pod is likely to take requests.

use tokio::time::Instant;

use super::Crew;
use super::sky::Prospect;
use crate::autoscale::StartPhase;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::pods::member::Member;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::{Occupancy, ReplicaState};

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    /// Those that may come to take requests by themselves.
    fn who_may_come(&self, now: Instant) -> impl Iterator<Item = &Member> {
        let (failed, sky) = (self.settings.failed_starts, self.sky(now));
        self.members
            .iter()
            .filter(|member| member.is_in_service() && !member.is_ready())
            .filter(move |member| self.trouble.keeps(member, failed).is_none())
            .filter(move |member| sky.prospect(member) != Prospect::Hopeless)
    }

    /// When the first of those on their way is likely to take requests.
    pub(super) fn expected(&self, now: Instant) -> Option<std::time::Instant> {
        let typical = &self.typical_phases;
        let coming = self.who_may_come(now);
        let expected = coming.filter_map(|member| member.course.expected(typical, now));
        expected.min().map(Instant::into_std)
    }

    /// When something else is to be expected though nothing was heard.
    pub(super) fn phases_end(&self, now: Instant) -> Option<Instant> {
        let typical = &self.typical_phases;
        let coming = self.who_may_come(now);
        coming
            .filter_map(|member| member.course.phase_ends(typical, now))
            .min()
    }
}

/// How far its start has come, as everybody else is told.
pub(super) fn phase(member: &Member, state: ReplicaState) -> Option<StartPhase> {
    match state {
        // One that took requests before, and is looked at anew, is in none.
        ReplicaState::Pending | ReplicaState::Starting => {
            let phase = member.course.phase();
            (phase != StartPhase::FirstAnswer).then_some(phase)
        }
        ReplicaState::Ready => member.is_newborn().then_some(StartPhase::FirstAnswer),
        ReplicaState::Draining => None,
    }
}
