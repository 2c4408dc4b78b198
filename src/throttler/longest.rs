//! The longest of what was seen of late.

use std::time::{Duration, Instant};

/// Two of them are remembered, the one that fills and the one before.
const SPAN: Duration = Duration::from_secs(600);

/// The longest over the last one to two spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Longest {
    began: Instant,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl Longest {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            began: now,
            now: None,
            before: None,
        }
    }

    pub(super) fn saw(&mut self, took: Duration, now: Instant) {
        self.turn(now);
        self.now = self.now.max(Some(took));
    }

    pub(super) fn over(&mut self, now: Instant) -> Option<Duration> {
        self.turn(now);
        self.now.max(self.before)
    }

    fn turn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.began);
        if passed >= SPAN {
            let just = passed < SPAN * 2;
            self.before = self.now.take().filter(|_| just);
            self.began = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_long_is_remembered_for_ten_to_twenty_minutes() {
        let t = crate::sync::now();
        let (at, secs) = (|s| t + Duration::from_secs(s), Duration::from_secs);
        let mut longest = Longest::new(t);
        assert_eq!(longest.over(at(5)), None);
        longest.saw(secs(90), at(100));
        longest.saw(secs(3), at(200));
        assert_eq!(longest.over(at(599)), Some(secs(90)));
        longest.saw(secs(2), at(650));
        assert_eq!(longest.over(at(1249)), Some(secs(90)));
        assert_eq!(longest.over(at(1250)), Some(secs(2)));
        assert_eq!(longest.over(at(9000)), None);
    }
}
