//! How a revision stands: what an obstacle means for requests and for replicas.

use super::Claimed;
use crate::app::gateway::seams::Cluster;
use crate::app::gateway::words;
use crate::backend::kubernetes::Obstacle;
use crate::ports::{Outage, OutageReason};

/// How a revision stands.
pub(super) enum Standing {
    /// Requests go to its pods, and we scale them.
    Ours,
    /// Requests go to its pods, and somebody else scales them.
    Steered,
    /// Nobody is served, and is told so.
    Shut(Outage),
}

impl<C: Cluster> Claimed<C> {
    pub(super) fn standing(&self) -> Standing {
        match &self.claim.obstacle {
            None => Standing::Ours,
            Some(Obstacle::SteeredBy(_)) => Standing::Steered,
            Some(obstacle) => {
                let (_, detail) = words::obstacle(obstacle);
                let reason = if *obstacle == Obstacle::Stopped {
                    OutageReason::Stopped
                } else {
                    OutageReason::Removed
                };
                Standing::Shut(outage(reason, detail))
            }
        }
    }
}

pub(super) const fn outage(reason: OutageReason, detail: String) -> Outage {
    Outage {
        reason,
        detail,
        next_attempt: None,
    }
}
