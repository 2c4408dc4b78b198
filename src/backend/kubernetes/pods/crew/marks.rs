//! Deletion costs: written on those that may go where others stay, taken away where they are not needed
//! any more. A mark counts when it is seen, not when it was written: the controller sees it no earlier.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::Crew;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::{LeavingOrder, PodView};
use crate::backend::kubernetes::pods::Note;
use crate::backend::kubernetes::pods::member::{MARK, Member, Price, Service};
use crate::backend::kubernetes::pods::number::ECHO;
use crate::backend::kubernetes::seams::{Announcer, Api, ApiError};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;

/// Most costs of one revision that are written at once.
const MOST_AT_ONCE: usize = 16;
/// The pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn mark(&mut self, now: Instant) {
        if !self.steers() {
            return;
        }
        let may_go = if self.needs_marks(now) {
            self.who_may_go()
        } else {
            HashSet::new()
        };
        let is_due = |m: &&Member| !m.cost.calling && m.cost.retry_at.is_none_or(|at| at <= now);
        let change = |m: &Member| {
            let is_wanted = m.service == Service::In || m.service == Service::Stuck;
            let Price(cost) = m
                .correction(!is_wanted, now)
                .filter(|_| is_wanted || may_go.contains(&m.id))?;
            Some((m.id, cost))
        };
        let alive = self.alive().filter(is_due);
        let changes: Vec<(ReplicaId, Option<i32>)> = alive.filter_map(change).collect();
        for (id, cost) in changes {
            if self.marking < MOST_AT_ONCE {
                self.write(id, cost);
            }
        }
    }

    /// Some may go and others stay, and the controller cannot tell them apart.
    fn needs_marks(&self, now: Instant) -> bool {
        let Some(workload) = &self.present.workload else {
            return false;
        };
        let by_cost = workload.leaving == LeavingOrder::DeletionCost && !workload.rolling;
        by_cost
            && self
                .lowered(now)
                .is_some_and(|(lowest, wanted)| lowest > wanted)
    }

    fn write(&mut self, id: ReplicaId, cost: Option<i32>) {
        self.marking += 1;
        let (api, tell) = (Arc::clone(&self.api), self.tell.clone());
        let Some(member) = self.member(id) else {
            return;
        };
        if cost == Some(MARK) && member.pod.deletion_cost != cost {
            member.cost.original = member.pod.deletion_cost;
        }
        member.cost.calling = true;
        (member.cost.asked, member.cost.until) = (Some(Price(cost)), None);
        let pod = Arc::clone(&member.pod);
        let namespace = Arc::clone(&self.owner.namespace);
        tokio::spawn(async move {
            let result = api.set_deletion_cost(&namespace, &pod, cost).await;
            // Who is gone need not know.
            let _ = tell.send(Note::Marked(pod, result));
        });
    }

    pub(super) fn marked(&mut self, pod: &PodView, result: &Result<(), ApiError>, now: Instant) {
        self.marking -= 1;
        let Some(member) = self.members.iter_mut().find(|m| m.pod.uid == pod.uid) else {
            return;
        };
        let cost = &mut member.cost;
        cost.calling = false;
        let Err(error) = result else {
            (cost.failures, cost.retry_at) = (0, None);
            cost.until = Some(now + ECHO);
            // It may have been seen before the call returned.
            cost.see(member.pod.deletion_cost);
            return;
        };
        // A call without an answer may have been heard.
        if !matches!(error, ApiError::Unreachable(_)) {
            cost.asked = None;
        }
        let pause = FIRST_PAUSE * 2_u32.pow(cost.failures.min(8));
        cost.failures += 1;
        cost.retry_at = Some(now + pause.min(LONGEST_PAUSE));
        let (first, name) = (cost.failures == 1, member.pod.name.clone());
        warn!(revision = %self.settings.revision, pod = %name, %error, "could not write its deletion cost");
        if first && !matches!(error, ApiError::Conflict | ApiError::Gone) {
            self.tell_unmarked(&name, error);
        }
    }
}
