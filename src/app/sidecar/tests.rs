//! What the tests of a sidecar's parts share.

use std::pin::Pin;
use std::sync::Arc;

use crate::proxy::Throttler;
use crate::proxy::beside::{Health, Porter};
use crate::revision::{ContainerConcurrency, Endpoint, QueueLimits, QueueOrder};

#[derive(Debug)]
struct Fine;

impl Health for Fine {
    fn is_ready(&self) -> bool {
        true
    }

    fn ask(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }
}

/// A door before a model server that is ready.
pub(super) fn door() -> Arc<Porter> {
    let queue = QueueLimits {
        max_requests: 10,
        max_bytes: 1 << 20,
        timeout: std::time::Duration::from_secs(60),
        cold_timeout: std::time::Duration::from_secs(60),
        read_ahead: 1 << 20,
        order: QueueOrder::Fifo,
    };
    let throttler = Throttler::new(ContainerConcurrency::new(1), queue);
    let app = Endpoint(([127, 0, 0, 1], 8080).into());
    Arc::new(Porter::new(Arc::new(Fine), throttler, app, false))
}
