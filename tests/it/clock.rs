//! Time as a test writes it: seconds from zero, forwards and backwards.

use std::time::{Duration, Instant};

/// Where the seconds of a test are counted from.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Long before zero, and a multiple of every granularity away from it.
    pub(crate) epoch: Instant,
}

impl Clock {
    const ZERO: f64 = 3_600_000.0;

    pub(crate) fn start() -> Self {
        let epoch = tokio::time::Instant::now().into_std();
        Self { epoch }
    }

    pub(crate) fn at(self, seconds: f64) -> Instant {
        self.epoch + Duration::from_secs_f64(Self::ZERO + seconds)
    }
}
