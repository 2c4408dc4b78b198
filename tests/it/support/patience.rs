//! Waiting, on the real clock, for what tells nobody when it changes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{ms, secs};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = secs(30);
/// Between two looks.
pub(crate) const GLANCE: Duration = ms(10);

/// Looks until it is so, and fails when that takes longer than anything should.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        let waited = begun.elapsed();
        assert!(waited < PATIENCE, "not within {waited:?}: {what}");
        sleep(GLANCE).await;
    }
}
