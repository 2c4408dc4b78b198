//! What pods need before they can start: a scheduler that finds a node, somebody who brings nodes, and
//! a quota or a policy that lets them be made.

use std::time::Duration;

use tokio::time::Instant;

use super::{Inside, Pod};
use crate::backend::kubernetes::objects::{NodeWord, Obstruction, Stage, Workload};
use crate::sync::wall;

/// Between two attempts of the controller to make what it could not.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(1000);

/// Who brings nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend::kubernetes::pods::tests) enum Autoscaler {
    /// Nobody.
    Absent,
    /// Somebody who says that none comes.
    Refuses,
    /// Somebody whose nodes, with room for one pod each, take so long.
    Brings(Duration),
}

/// What the controller knows of its own attempts.
#[derive(Debug, Default)]
pub(super) struct Making {
    /// The number at the last one.
    wanted: Option<usize>,
    failures: u32,
    retry_at: Option<Instant>,
}

impl Inside {
    /// Finds nodes, the oldest pod first; where there is none, somebody may bring one.
    pub(super) fn scheduler(&mut self, now: Instant) {
        let arrived = self.nodes_at.extract_if(.., |at| *at <= now).count();
        let arrived = u32::try_from(arrived).unwrap();
        self.room = self.room.saturating_add(arrived);
        let placed = self.pods.iter().filter(|pod| pod.view.ip.is_some()).count();
        let mut left = (self.room as usize).saturating_sub(placed);
        let looks = |pod: &&mut Pod| {
            pod.view.ip.is_none() && !pod.view.terminating && now >= pod.made + pod.start.network
        };
        for pod in self.pods.iter_mut().filter(looks) {
            if left > 0 {
                left -= 1;
                if !std::mem::replace(&mut pod.fits, true) {
                    let waited = now - (pod.made + pod.start.network);
                    pod.start.listens += waited;
                    pod.start.ready += waited;
                }
                continue;
            }
            pod.fits = false;
            pod.view.stage = Stage::Unscheduled(Some(self.refusal.clone()));
            if pod.view.node_word.is_some() {
                continue;
            }
            match self.autoscaler {
                Autoscaler::Absent => {}
                Autoscaler::Refuses => pod.view.node_word = Some(none_comes()),
                Autoscaler::Brings(within) => {
                    pod.view.node_word = Some(comes());
                    self.nodes_at.push(now + within);
                }
            }
        }
    }

    /// Makes the pods that are missing, as far as they may be made; what could not be is tried again
    /// ever later, but at once for another number.
    pub(super) fn make_all(&mut self, workload: &Workload, alive: usize, now: Instant) {
        let wanted = (workload.replicas + self.surge) as usize;
        let is_new = self.making.wanted.replace(wanted) != Some(wanted);
        let is_due = self.making.retry_at.is_none_or(|at| now >= at);
        if alive < wanted && !is_new && !is_due {
            return;
        }
        let mut refused = None;
        for _ in alive..wanted {
            refused = self.refusal();
            if refused.is_some() {
                break;
            }
            self.make(workload, now);
        }
        let making = &mut self.making;
        if refused.is_some() {
            let pause = FIRST_PAUSE * 2_u32.pow(making.failures.min(12));
            making.retry_at = Some(now + pause.min(LONGEST_PAUSE));
            making.failures += 1;
        } else {
            (making.failures, making.retry_at) = (0, None);
        }
        if let Some(workload) = &mut self.workload {
            workload.refused = refused;
        }
    }

    /// The controller tries again what it could not make.
    pub(in crate::backend::kubernetes::pods::tests) fn try_again(&mut self) {
        self.making = Making::default();
    }

    fn refusal(&self) -> Option<Obstruction> {
        let (there, quota) = (self.pods.len(), self.quota);
        let message = if there >= quota as usize {
            format!(
                "pods \"flowers-x\" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods={there}, limited: pods={quota}"
            )
        } else {
            self.policy?.to_owned()
        };
        let reason = "FailedCreate".to_owned();
        Some(Obstruction { reason, message })
    }
}

/// What the scheduler says of a pod for which it finds no node.
pub(super) fn unschedulable() -> Obstruction {
    Obstruction {
        reason: "Unschedulable".into(),
        message: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.".into(),
    }
}

pub(in crate::backend::kubernetes::pods::tests) fn comes() -> NodeWord {
    word(
        true,
        "TriggeredScaleUp",
        "pod triggered scale-up: [{gpus 1->2 (max: 4)}]",
    )
}

pub(in crate::backend::kubernetes::pods::tests) fn none_comes() -> NodeWord {
    let message = "pod didn't trigger scale-up: 1 max node group size reached";
    word(false, "NotTriggerScaleUp", message)
}

fn word(coming: bool, reason: &str, message: &str) -> NodeWord {
    let said = Obstruction {
        reason: reason.into(),
        message: message.into(),
    };
    NodeWord {
        coming,
        said,
        at: wall(),
    }
}
