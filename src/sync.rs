//! The lock of the throttler, std's in the program and loom's under the model checker, and the one
//! reading of the clock: tokio's, so that a test may pause it.

use std::time::{Instant, SystemTime};

#[cfg(model_check)]
use loom::sync as imp;
#[cfg(not(model_check))]
use std::sync as imp;

/// A mutex whose guard is always had: what it guards is kept consistent by construction, so a
/// panic elsewhere while holding it is no reason to stop serving.
#[derive(Debug)]
pub struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    /// Guards `value`.
    pub fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    /// Waits for the lock. Never hold the guard across an await.
    pub fn lock(&self) -> imp::MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What time it is, for those who wait, and those who tell deciding code.
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until a moment; for ever where there is none.
pub async fn until(at: Option<impl Into<tokio::time::Instant>>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// What a clock on the wall says, for what outlives this process or follows the hours of the day.
/// Where a test turns the clock, it goes along.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that looks at the system's clocks"
)]
pub fn wall() -> SystemTime {
    let (turned, real) = (now(), Instant::now());
    // The two differ only where a test has turned the one.
    SystemTime::now() + turned.saturating_duration_since(real)
        - real.saturating_duration_since(turned)
}
