//! The lock of the throttler: std's in the program, loom's under the model checker.

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
