//! What keeps those that are wanted and do not come.

use super::Crew;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::pods::hindrance::refuses;
use crate::backend::kubernetes::pods::member::Member;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::{Hindrance, Occupancy};

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    /// What keeps one that is wanted and takes no requests yet.
    pub(super) fn kept_by(&self, member: &Member) -> Option<Hindrance> {
        let awaited = member.is_in_service() && !member.is_ready();
        let (by, _) = member.hindrance.as_ref().filter(|_| awaited)?;
        let passes =
            *by == Hindrance::CrashLoop && !self.trouble.loops(member, self.settings.failed_starts);
        Some(*by).filter(|_| !passes)
    }

    /// Why its controller makes none, to be put behind how many it has made; nothing where it does not
    /// say.
    pub(super) fn why_none_is_made(&self) -> String {
        let workload = self.present.workload.as_ref();
        let refused = workload.and_then(|workload| workload.refused.as_ref());
        refused.map_or_else(String::new, |refused| format!(": {}", refuses(refused).1))
    }
}
