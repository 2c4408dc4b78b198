//! Asks for another number of pods: more at once, fewer as far as those who may go reach.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{info, warn};

use super::Crew;
use crate::backend::kubernetes::dispute::Answer;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::Workload;
use crate::backend::kubernetes::pods::Note;
use crate::backend::kubernetes::pods::member::{Member, Service};
use crate::backend::kubernetes::pods::number::Foreign;
use crate::backend::kubernetes::pods::plan::{Candidate, count, lowest};
use crate::backend::kubernetes::seams::{Announcer, Api, ApiError};
use crate::ports::Occupancy;

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn steer(&mut self, now: Instant) {
        let Some(workload) = self.present.workload.clone() else {
            return;
        };
        if !self.steers() || workload.terminating || !self.number.may_ask(&workload, now) {
            return;
        }
        self.releasing = None;
        let present = self
            .number
            .present(workload.replicas, self.present.fresh, now);
        let raised = self.raised(present, now);
        let lowered = || {
            let (lowest, wanted) = self.lowered(now)?;
            let number = lowest.max(wanted);
            Some(number).filter(|&it| it < present && self.may_leave(it))
        };
        if let Some(number) = raised {
            self.ask(workload, number);
        } else if let Some(number) = lowered() {
            self.release(now);
            self.ask(workload, number);
        } else if let Some(number) = self.asks_anew(&workload, present, now) {
            self.ask(workload, number);
        }
    }

    /// How many to ask for where there are too few.
    fn raised(&self, present: u32, now: Instant) -> Option<u32> {
        let wanted = self.aim(now).filter(|_| !self.is_dipping(now))?;
        let ready = count(self.alive().filter(|member| member.is_ready()).count());
        let most = self
            .settings
            .max_starting
            .map(|most| ready.saturating_add(most));
        let number = most.map_or(wanted, |most| wanted.min(most));
        (number > present).then_some(number)
    }

    /// The lowest number that takes nobody who must stay, and the one that is wanted; `None` while
    /// nothing is to be taken away.
    pub(super) fn lowered(&self, now: Instant) -> Option<(u32, u32)> {
        let (aim, workload) = (self.aim(now)?, self.present.workload.as_ref()?);
        let present = self
            .number
            .present(workload.replicas, self.present.fresh, now);
        if !self.may_shrink() || aim >= present {
            return None;
        }
        let lowest = lowest(&self.candidates(), workload.leaving, workload.rolling);
        Some((lowest.unwrap_or(u32::MAX), aim))
    }

    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let workload = self.present.workload.as_ref();
        let first = workload.map_or(0, |workload| workload.first_ordinal);
        let may_go = self.who_may_go();
        let candidate = |m: &Member| m.candidate(may_go.contains(&m.id), first);
        self.alive().map(candidate).collect()
    }

    /// From now on their controller may take those who may go.
    fn release(&mut self, now: Instant) {
        self.releasing = Some(now);
        let may_go = self.who_may_go();
        for member in self.members.iter_mut().filter(|m| may_go.contains(&m.id)) {
            if member.service == Service::Retired {
                member.service = Service::Released(now);
            }
        }
    }

    fn ask(&mut self, workload: Arc<Workload>, number: u32) {
        self.number.ask(number);
        let (api, tell) = (Arc::clone(&self.api), self.tell.clone());
        tokio::spawn(async move {
            let result = api.scale(&workload, number).await;
            // Who is gone need not know.
            let _ = tell.send(Note::Scaled(workload, result));
        });
    }

    pub(super) fn scaled(
        &mut self,
        workload: &Workload,
        result: &Result<(), ApiError>,
        now: Instant,
    ) {
        let revision = self.settings.revision.clone();
        let before = self.number.trouble().map(str::to_owned);
        match (self.number.answered(result, workload, now), result) {
            (Some((from, to)), _) => {
                if self.was_dip(to) {
                    info!(%revision, from, to, "asked its controller anew for pods that it could not make");
                } else {
                    info!(%revision, from, to, "asked its controller for another number of pods");
                    self.tell_scaled(from, to, now);
                }
            }
            (None, Err(error)) => {
                self.forget_dip();
                // What was refused has released nobody; what was not answered may have.
                if !matches!(error, ApiError::Unreachable(_)) {
                    self.take_no_leave();
                }
                if let Some(trouble) = self
                    .number
                    .trouble()
                    .filter(|_| *error != ApiError::Conflict)
                {
                    warn!(%revision, trouble, "could not change the number of pods");
                    if before.as_deref() != Some(trouble) {
                        self.tell_scale_failed(trouble);
                    }
                }
            }
            (None, Ok(())) => {}
        }
    }

    /// Nobody was released by the last call after all; who was by an earlier one may still be taken.
    fn take_no_leave(&mut self) {
        let Some(then) = self.releasing.take() else {
            return;
        };
        for member in &mut self.members {
            if matches!(member.service, Service::Released(at) if at == then) {
                member.service = Service::Retired;
            }
        }
    }

    /// Somebody else has changed the number.
    pub(super) fn overrule(&mut self, foreign: Foreign, now: Instant) {
        let wanted = self.wish.as_ref().map(|wish| wish.replicas);
        let is_right = |wanted| wanted == foreign.to || self.aim(now) == Some(foreign.to);
        if !self.steers() || wanted.is_none_or(is_right) {
            return;
        }
        match self.number.dispute(now) {
            Answer::SetBack => self.tell_overruled(foreign, None),
            Answer::Yield(pause) => self.tell_overruled(foreign, Some(pause)),
        }
    }
}
