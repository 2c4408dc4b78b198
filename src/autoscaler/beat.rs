//! At which moments measurements fall.

use std::time::{Duration, Instant};

use crate::sync::now;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(50);

/// At which moments of a second revisions are measured: few and the same for all of one gate, so that one
/// awakening of a processor serves many of them.
#[derive(Clone, Copy, Debug)]
pub struct Beat(Instant);

impl Beat {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        Self(now())
    }

    /// The first beat that is not before `at`.
    pub(super) fn after(self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.0).as_nanos();
        let left = since.next_multiple_of(BEAT.as_nanos()) - since;
        at + Duration::from_nanos(u64::try_from(left).expect("it is less than a beat"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_fall_on_a_beat_and_never_early() {
        let began = now();
        let at = |millis| began + Duration::from_millis(millis);
        let beat = Beat(began);
        let beats = [0, 1, 49, 50, 1001].map(|millis| beat.after(at(millis)));
        assert_eq!(beats, [0, 50, 50, 50, 1050].map(at));
        let earlier = Beat(at(1000));
        assert_eq!(earlier.after(at(1)), at(1));
    }
}
