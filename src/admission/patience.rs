//! How long a request may wait: the budget for a cold start runs while no replica serves, the
//! queue's own from the moment one does.

use std::time::{Duration, Instant};

use crate::revision::QueueLimits;

/// When the wait of a request ends at the latest, as things stand `now`. With `warm_since`, when
/// replicas began to serve, this may move, but never to before the moment it is next looked at.
#[must_use]
pub fn deadline(
    bounds: &QueueLimits,
    arrived: Instant,
    warm_since: Option<Instant>,
    now: Instant,
) -> Instant {
    if let Some(since) = warm_since {
        // However often the replicas come and go, there is an end to it.
        let latest = arrived + bounds.cold_timeout + bounds.timeout;
        return (since.max(arrived) + bounds.timeout).min(latest);
    }
    let cold = arrived + bounds.cold_timeout;
    cold.min(now + bounds.timeout.max(Duration::from_millis(1)))
}

/// What is known of replicas on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    /// When the oldest of them was started; `None` where none is on its way.
    pub since: Option<Instant>,
    /// How long a start takes as a rule.
    pub typical: Option<Duration>,
    /// When the next of them is likely to take requests, where its phases tell.
    pub expected: Option<Instant>,
}

impl Starts {
    /// How long until one that is on its way is likely to take requests.
    #[must_use]
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let by_rule = || Some(self.since? + self.typical?);
        let at = self.expected.or_else(by_rule)?;
        Some(at.saturating_duration_since(now))
    }
}

/// When the replicas `in_service` began to serve, if that was known to be `since` before.
#[must_use]
pub fn warm_since(in_service: usize, since: Option<Instant>, now: Instant) -> Option<Instant> {
    match (in_service, since) {
        (0, _) => None,
        (_, None) => Some(now),
        (_, since) => since,
    }
}
