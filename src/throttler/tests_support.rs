//! Builders for the tests of the throttler.

use std::sync::Arc;
use std::time::Duration;

use super::Throttler;
#[cfg(not(model_check))]
use crate::admission::{Back, Terms};
use crate::ports::{ReplicaState, ReplicaView, World};
use crate::revision::{ContainerConcurrency, Endpoint, QueueLimits, ReplicaId};

pub(super) const fn bounds() -> QueueLimits {
    QueueLimits {
        max_requests: 100,
        max_bytes: 1000,
        timeout: Duration::from_secs(60),
        cold_timeout: Duration::from_secs(600),
        read_ahead: 1000,
        order: crate::revision::QueueOrder::Fifo,
    }
}

pub(super) fn throttler(limit: u32) -> Arc<Throttler<()>> {
    Throttler::new(ContainerConcurrency::new(limit), bounds())
}

/// A world in which these replicas are ready.
pub(super) fn ready(ids: &[u64]) -> World {
    let replica = |&id: &u64| ReplicaView {
        phase: None,
        kept_by: None,
        uid: None,
        id: ReplicaId(id),
        name: None,
        endpoint: Some(Endpoint(([127, 0, 0, 1], 1000).into())),
        detail: None,
        state: ReplicaState::Ready,
        since: super::now(),
    };
    World {
        replicas: ids.iter().map(replica).collect(),
        ..World::default()
    }
}

/// What goes back to its place in line and holds nothing.
#[cfg(not(model_check))]
pub(super) fn back() -> Back {
    let (bytes, terms, since) = (0, Terms::default(), super::now());
    Back {
        bytes,
        terms,
        since,
    }
}
