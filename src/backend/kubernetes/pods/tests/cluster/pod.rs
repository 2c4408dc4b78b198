//! One pod, and how it starts.

use std::time::Duration;

use tokio::time::Instant;

use crate::backend::kubernetes::objects::{PodView, Stage};

/// How a pod starts.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Start {
    /// From its creation until it is scheduled and has an address.
    pub(in super::super) network: Duration,
    /// From its creation until its model listens.
    pub(in super::super) listens: Duration,
    /// From its creation until kubelet calls it ready.
    pub(in super::super) ready: Duration,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            network: Duration::from_millis(300),
            listens: Duration::from_millis(1305),
            ready: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Debug)]
pub(in super::super) struct Pod {
    pub(in super::super) view: PodView,
    pub(super) made: Instant,
    pub(in super::super) start: Start,
    pub(super) ended: bool,
    /// What keeps it from running, if anything does.
    pub(in super::super) stuck: Option<Stage>,
    pub(in super::super) inside: u32,
    pub(super) terminating_since: Option<Instant>,
    /// When its process was last killed.
    pub(super) killed: Option<Instant>,
    /// Nobody has heard of its node for a while.
    pub(in super::super) silent: bool,
    /// The scheduler has found a node for it, or has not looked yet.
    pub(super) fits: bool,
}
