//! The gateways of the installation, as their pods tell of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The other gateways. Whoever has ended stays in it for as long as somebody may ask since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// Every one but this gateway.
    pub others: Vec<GatewayPod>,
    /// Since when it has been kept; `None` before the pods were seen for the first time. Of those that
    /// were gone by then nothing is known.
    pub seen: Option<Instant>,
}

/// A pod of another gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayPod {
    /// Its UID.
    pub uid: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Where it is reached.
    pub ip: Option<IpAddr>,
    /// The node that it runs on; `None` before it has one.
    pub node: Option<Arc<str>>,
    /// When it was made, by the API server's clock.
    pub created: SystemTime,
    /// Whether it may answer requests.
    pub state: PodState,
    /// When its container began to run, by the clock of its node; `None` where it does not run.
    pub since: Option<SystemTime>,
    /// A container of it has ended, and it is not gone.
    pub restarted: Option<Restart>,
}

/// Whether a gateway may answer requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodState {
    /// It has never run, and so it holds nothing.
    Coming,
    /// It runs, ready or not, or nobody knows better.
    Living,
    /// It is gone for good, or, where it has `restarted`, its container has ended and may be started
    /// again. That was heard then.
    Ended(Instant),
}

/// Of one pod, the last that is known of containers that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// What was started before then has ended; by the clock of the pod's node.
    pub before: SystemTime,
    /// When that was heard, by our own.
    pub heard: Instant,
}

impl Roll {
    /// No other gateway runs or is on its way: known, not supposed.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        let ended = |pod: &GatewayPod| matches!(pod.state, PodState::Ended(_));
        self.seen.is_some() && self.others.iter().all(ended)
    }

    /// Another gateway has crashed and does not run again yet: what it had sent may run on.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        let crashed =
            |pod: &GatewayPod| matches!(pod.state, PodState::Ended(_)) && pod.restarted.is_some();
        self.others.iter().any(crashed)
    }

    /// Those that may answer requests.
    pub fn living(&self) -> impl Iterator<Item = &GatewayPod> {
        let others = self.others.iter();
        others.filter(|pod| pod.state == PodState::Living)
    }
}

impl GatewayPod {
    /// Since when it is known that what was started at a time, by the clock of its node, has ended.
    #[must_use]
    pub fn ended(&self, started: SystemTime) -> Option<Instant> {
        match (self.state, self.restarted) {
            (PodState::Ended(at), None) => Some(at),
            (_, Some(restart)) if started < restart.before => Some(restart.heard),
            _ => None,
        }
    }
}
