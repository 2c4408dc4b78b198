//! How long a start usually takes.

use std::time::Duration;

/// How much the newest start weighs.
const NEWEST_WEIGHT: f64 = 0.3;

/// How long a start usually takes after one that took `newest`: smoothed, so that a warm disk
/// cache or a cold one does not decide alone.
#[must_use]
pub fn typical_start(before: Option<Duration>, newest: Duration) -> Duration {
    before.map_or(newest, |typical| {
        typical.mul_f64(1.0 - NEWEST_WEIGHT) + newest.mul_f64(NEWEST_WEIGHT)
    })
}
