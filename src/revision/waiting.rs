//! What is said while no replica answers.

use std::sync::Arc;
use std::time::Duration;

/// What the gate answers itself while no replica is ready, instead of waking one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtZero {
    /// Health checks, scrapes and the like.
    pub probes: bool,
    /// What is written for certain paths. Shared: settings are copied with every change.
    pub canned: Arc<[Canned]>,
}

/// One answer that was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canned {
    /// The path it is the answer to, without a query.
    pub path: String,
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
    /// What the body is; not empty.
    pub content_type: String,
}

/// What is said to those who wait. Nothing is, unless somebody wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// A browser that would wait for a start is shown a page that reloads itself.
    pub page: bool,
    /// Who waits for events hears a comment so often; `None` is never.
    pub heartbeat: Option<Duration>,
    /// Who waits for JSON hears a blank so often; `None` is never.
    pub keep_alive: Option<Duration>,
}
