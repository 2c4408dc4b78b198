//! The way of the last pod: it stays until callers of its Services are led to the gateways.

use tokio::sync::watch;
use tokio::time::Instant;

use super::Crew;
use crate::backend::kubernetes::doors::{Exit, Word};
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::LeavingOrder;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::Occupancy;

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    /// Changes when the last pod may go; `None` where nobody has to be led elsewhere before.
    pub(in crate::backend::kubernetes::pods) fn led(&self) -> Option<watch::Receiver<bool>> {
        self.settings.exit.as_ref().map(Exit::led)
    }

    /// Tells who leads callers elsewhere how it is.
    pub(super) fn tell_exit(&self, now: Instant) {
        let Some(exit) = self.settings.exit.as_ref().filter(|_| self.listed) else {
            return;
        };
        let pods = &self.present.pods;
        exit.say(Word {
            ready: pods.iter().any(|pod| pod.ready && !pod.terminating),
            leaving: self.is_leaving(now),
        });
    }

    /// So few may be asked for: somebody stays for callers to find, or they find a gateway.
    pub(super) fn may_leave(&self, number: u32) -> bool {
        let exit = self.settings.exit.as_ref();
        exit.is_none_or(Exit::is_led) || !self.empties(number)
    }

    /// No pod is to stay, or none is there and none is wanted.
    fn is_leaving(&self, now: Instant) -> bool {
        let (Some(wish), Some(workload)) = (&self.wish, &self.present.workload) else {
            return false;
        };
        let fresh = self.present.fresh;
        let present = self.number.present(workload.replicas, fresh, now);
        let number = match self.lowered(now) {
            Some((lowest, wanted)) => lowest.max(wanted).min(present),
            None => present,
        };
        self.steers() && wish.replicas <= number && self.empties(number)
    }

    /// Of so many pods none would be ready. Of those without ordinals a controller keeps the ready ones.
    fn empties(&self, number: u32) -> bool {
        let workload = self.present.workload.as_ref();
        let by_ordinal = workload.filter(|it| it.leaving == LeavingOrder::Ordinal);
        let first = by_ordinal.map(|workload| workload.first_ordinal);
        let stays = |first| {
            let mut ready = self.alive().filter(|member| member.pod.ready);
            ready.any(|member| member.place(first).is_some_and(|place| place < number))
        };
        number == 0 || first.is_some_and(|first| !stays(first))
    }
}
