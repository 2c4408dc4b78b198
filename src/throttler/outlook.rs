//! What somebody who waits may expect.

use std::time::{Duration, Instant};

use super::Throttler;
use crate::sync::now;

/// How the replicas of a revision look to a waiting request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// When replicas began to serve; `None` while none does.
    pub warm_since: Option<Instant>,
    /// How long until a slot or a replica is likely, from measured times.
    pub estimate: Option<Duration>,
    /// What seems to be wrong with a start that takes long.
    pub diagnosis: Option<String>,
}

impl<C: Default> Throttler<C> {
    /// How things look to somebody who waits.
    pub fn outlook(&self) -> Outlook {
        let state = self.state.lock();
        let remaining = |typical: Duration| {
            let spent = state
                .starting_since
                .map(|since| now().saturating_duration_since(since));
            typical.saturating_sub(spent.unwrap_or_default())
        };
        let estimate = match state.warm_since {
            Some(_) => state.admission.estimated_wait(),
            None => state.typical_start.map(remaining),
        };
        Outlook {
            warm_since: state.warm_since,
            estimate,
            diagnosis: state.diagnosis.clone(),
        }
    }
}
