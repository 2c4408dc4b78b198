//! Pods that were asked for and that their controller cannot make: a quota or a policy is in the way. A
//! controller waits ever longer before it tries again, up to a quarter of an hour, but at once when it
//! is asked for another number. So it is: for as many as there are, and then for all of them again.

use std::time::Duration;

use tokio::time::Instant;

use super::Crew;
use crate::autoscale::Shortage;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::{Obstruction, Workload};
use crate::backend::kubernetes::pods::hindrance::refuses;
use crate::backend::kubernetes::pods::member::Member;
use crate::backend::kubernetes::pods::plan::{Candidate, count, lowest};
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::{Hindrance, Occupancy, Outage, OutageReason, Unmade};

/// Between two times that a controller is asked anew, while nobody serves.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The same at last, and where others serve.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So long the number stays low: a controller that sees none but the last of several changes sees none.
const DIP: Duration = Duration::from_secs(1);
/// So long nothing has to be said of it before it is over: what is said goes while the number is low.
const QUIET: Duration = Duration::from_secs(5);

/// What is known of pods that could not be made.
#[derive(Debug)]
pub(super) struct Remake {
    since: Instant,
    /// How many pods were asked for.
    asked: u32,
    said: Obstruction,
    /// Since when nothing is said of it any more, or there are as many pods as are asked for.
    quiet_since: Option<Instant>,
    /// How often its controller was asked anew, and when it is the next time.
    times: u32,
    next: Instant,
    /// When the number was lowered to be raised again, until it is.
    dipped: Option<Instant>,
}

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    /// Follows what is said of pods that are asked for and not there.
    pub(super) fn note_unmade(&mut self, now: Instant) {
        let Some(workload) = self.present.workload.clone() else {
            self.remake = None;
            return;
        };
        if !self.present.fresh {
            // That nobody hears of it is no quiet.
            self.remake.iter_mut().for_each(|it| it.quiet_since = None);
            return;
        }
        let (asked, there) = (workload.replicas, count(self.alive().count()));
        let unwanted = self.wish.as_ref().is_some_and(|wish| wish.replicas == 0);
        let said = workload
            .refused
            .as_ref()
            .filter(|_| asked > there && !unwanted);
        let pause = self.pause(0);
        match (said, &mut self.remake) {
            (Some(said), Some(known)) => {
                (known.asked, known.quiet_since) = (asked, None);
                known.said.clone_from(said);
            }
            (Some(said), None) => {
                self.remake = Some(Remake {
                    since: now,
                    asked,
                    said: said.clone(),
                    quiet_since: None,
                    times: 0,
                    next: now + pause,
                    dipped: None,
                });
            }
            (None, Some(known)) => {
                let quiet = *known.quiet_since.get_or_insert(now);
                if there >= known.asked || unwanted || now >= quiet + QUIET {
                    self.remake = None;
                }
            }
            (None, None) => {}
        }
    }

    /// How long to wait before its controller is asked anew, after it was so many times.
    fn pause(&self, times: u32) -> Duration {
        if self.alive().any(Member::is_ready) {
            return LONGEST_PAUSE;
        }
        (FIRST_PAUSE * 2_u32.pow(times.min(3))).min(LONGEST_PAUSE)
    }

    /// As many as there are, where its controller is to be asked anew: a number by which it can take
    /// nobody.
    pub(super) fn asks_anew(
        &mut self,
        workload: &Workload,
        present: u32,
        now: Instant,
    ) -> Option<u32> {
        let due = self.remake.as_ref().is_some_and(|known| now >= known.next);
        let safe = self.may_shrink() && !workload.rolling && self.number.has_settled(now);
        if !due || !safe || workload.refused.is_none() {
            return None;
        }
        let stays = |candidate| Candidate {
            may_go: false,
            ..candidate
        };
        let there: Vec<Candidate> = self.candidates().into_iter().map(stays).collect();
        let lowest = lowest(&there, workload.leaving, false).filter(|lowest| *lowest < present);
        let times = self.remake.as_ref().map_or(0, |known| known.times) + 1;
        let next = now + self.pause(times);
        if let Some(known) = &mut self.remake {
            (known.times, known.next) = (times, next);
            known.dipped = lowest.map(|_| now);
        }
        lowest
    }

    /// The number is low for a moment.
    pub(super) fn is_dipping(&self, now: Instant) -> bool {
        let known = self.remake.as_ref();
        known.is_some_and(|known| known.dipped.is_some_and(|at| now < at + DIP))
    }

    /// The number was lowered to be raised again, or is raised again after that.
    pub(super) fn was_dip(&mut self, to: u32) -> bool {
        let Some(known) = &mut self.remake else {
            return false;
        };
        if to >= known.asked {
            return known.dipped.take().is_some();
        }
        known.dipped.is_some()
    }

    /// The number was not changed after all.
    pub(super) fn forget_dip(&mut self) {
        if let Some(known) = &mut self.remake {
            known.dipped = None;
        }
    }

    /// When something is to be done about it.
    pub(super) fn remakes_at(&self, now: Instant) -> Option<Instant> {
        let known = self.remake.as_ref()?;
        let given_up = known.since + self.settings.pending_grace;
        let (low, quiet) = (known.dipped, known.quiet_since);
        let all = [
            Some(known.next),
            Some(given_up),
            low.map(|at| at + DIP),
            quiet.map(|at| at + QUIET),
        ];
        all.into_iter().flatten().filter(|&at| at > now).min()
    }

    /// Pods that cannot be made.
    pub(super) fn unmade(&self) -> Option<Unmade> {
        let known = self.remake.as_ref()?;
        let missing = known.asked.saturating_sub(count(self.alive().count()));
        let (kept_by, detail) = refuses(&known.said);
        (missing > 0).then(|| Unmade {
            count: missing,
            kept_by,
            detail: detail.into(),
        })
    }

    /// Where no pod is there to be waited for: why none can be made, once that has lasted.
    pub(super) fn cannot_be_made(&self, now: Instant) -> Option<Outage> {
        let known = self.remake.as_ref()?;
        let lasts = now >= known.since + self.settings.pending_grace;
        let Unmade {
            kept_by, detail, ..
        } = self.unmade().filter(|_| lasts)?;
        let reason = match kept_by {
            Hindrance::Quota => OutageReason::Unschedulable,
            _ => OutageReason::ColdStartFailed,
        };
        Some(Outage {
            reason,
            detail: format!("its controller cannot make a pod: {detail}"),
            // Who does not steer does not ask anew, and knows nothing of who does.
            next_attempt: self.may_shrink().then(|| known.next.into_std()),
        })
    }

    /// What keeps replicas that are wanted from being placed, or made.
    pub(super) fn shortage(&self, now: Instant) -> Option<Shortage> {
        if self.settings.stopped {
            return None;
        }
        match self.unmade().map(|unmade| unmade.kept_by) {
            Some(Hindrance::Quota) => return Some(Shortage::Quota),
            Some(_) => return Some(Shortage::Refused),
            None => {}
        }
        let sky = self.sky(now);
        let mut hopeless = self.hopeless(&sky).filter(|m| m.is_in_service());
        hopeless.next().map(|_| Shortage::NoNode)
    }
}
