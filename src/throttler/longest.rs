//! The longest of what was seen of late.

use std::time::{Duration, Instant};

/// Two of them are remembered, the one that fills and the one before.
const SPAN: Duration = Duration::from_secs(600);

/// The longest over the last one to two spans.
#[derive(Clone, Copy, Debug)]
pub struct Longest {
    began: Instant,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl Longest {
    /// Nothing was seen.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            began: now,
            now: None,
            before: None,
        }
    }

    /// One took so long.
    pub fn saw(&mut self, took: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.began);
        if passed >= SPAN {
            let just = passed < SPAN * 2;
            self.before = self.now.take().filter(|_| just);
            self.began = now;
        }
        self.now = self.now.max(Some(took));
    }

    /// The longest of late; `None` where nothing was seen.
    #[must_use]
    pub fn over(&self, now: Instant) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.began);
        match passed {
            _ if passed < SPAN => self.now.max(self.before),
            _ if passed < SPAN * 2 => self.now,
            _ => None,
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
