//! The way back in for a replica that could not be reached.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Dial;
use super::pool::LONGEST_PAUSE;
use crate::proxy::{Replica, Throttler};
use crate::revision::Endpoint;
use crate::tls::{ReplicaTls, Speech};

/// Tries a replica that could not be reached until it can, then lets requests back in. One prober
/// a replica; it ends with the replica.
pub(in crate::proxy) fn probe_back_in<D: Dial>(
    dial: D,
    throttler: Arc<Throttler>,
    replica: Arc<Replica>,
    tls: impl Fn() -> Option<(ReplicaTls, Speech)> + Send + 'static,
) {
    if replica.connections.probing.swap(true, Ordering::AcqRel) {
        return;
    }
    tokio::spawn(async move {
        let mut pause = replica.connections.pause();
        while throttler.lists(replica.id) && !replica.connections.is_leaving() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            // As a request would go there now: what it failed by may have changed.
            let tls = tls();
            let reached = reach(&dial, replica.endpoint, tls.as_ref());
            let reached = tokio::time::timeout(Duration::from_secs(1), reached);
            if matches!(reached.await, Ok(Ok(()))) {
                // Cleared first: a request let in at once may fail and need a new prober.
                replica.connections.probing.store(false, Ordering::Release);
                replica.connections.is_back();
                throttler.restore(replica.id);
                return;
            }
        }
        replica.connections.probing.store(false, Ordering::Release);
    });
}

/// Whether a request could be sent there.
async fn reach<D: Dial>(
    dial: &D,
    at: Endpoint,
    tls: Option<&(ReplicaTls, Speech)>,
) -> io::Result<()> {
    let io = dial.dial(at).await?;
    if let Some((tls, speech)) = tls {
        tls.shake(io, at.0, *speech).await?;
    }
    Ok(())
}
