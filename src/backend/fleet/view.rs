//! What the fleet looks like from outside.

use std::sync::Arc;

use tokio::time::Instant;

use super::Fleet;
use super::member::{Member, Phase};
use crate::autoscale::{TypicalPhases, likely_end};
use crate::backend::seams::{Launcher, Probe};
use crate::ports::{Occupancy, Outage, OutageReason, World};

impl<L: Launcher, P: Probe, O: Occupancy> Fleet<L, P, O> {
    pub(in crate::backend) fn world(&self, now: Instant) -> World {
        let outage = match self.closing {
            Some(_) => Some(Arc::new(Outage {
                reason: OutageReason::Draining,
                detail: "the gate is shutting down".into(),
                next_attempt: None,
            })),
            // What serves, serves, whatever becomes of its successor.
            None if self.members.iter().any(|m| m.phase == Phase::Ready) => None,
            None => self.recovery.outage(self.supply(), now),
        };
        let slow = self.members.iter().find(|m| m.phase == Phase::Starting);
        World {
            expected: self.expected(now),
            unmade: None,
            replicas: self.members.iter().filter_map(Member::view).collect(),
            outage,
            typical_start: self.typical_start,
            typical_phases: TypicalPhases::default(),
            diagnosis: self
                .desk
                .complaint()
                .or_else(|| slow.and_then(|m| m.diagnosis.clone())),
            shortage: self.desk.shortage(),
        }
    }

    /// When the oldest replica on its way is likely to be ready. Its start is one phase.
    pub(super) fn expected(&self, now: Instant) -> Option<std::time::Instant> {
        let typical = self.typical_start?;
        let starting = self.members.iter().filter(|m| m.phase == Phase::Starting);
        let since = starting.map(|member| member.since).min()?;
        Some(likely_end(since.into_std(), typical, now.into_std()))
    }
}
