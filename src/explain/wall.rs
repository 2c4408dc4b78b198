//! What a clock on the wall shows at an instant.

use std::time::Instant;

use jiff::{Unit, Zoned};

/// A reading of both clocks at one moment.
#[derive(Clone, Debug)]
pub struct Wall {
    now: Instant,
    shows: Zoned,
}

impl Wall {
    /// At `now` the clock on the wall shows so much.
    #[must_use]
    pub const fn new(now: Instant, shows: Zoned) -> Self {
        Self { now, shows }
    }

    /// What it shows at another moment: `12:04:31`, with the day unless it is today.
    pub(super) fn time(&self, at: Instant) -> String {
        let later = at.saturating_duration_since(self.now);
        let earlier = self.now.saturating_duration_since(at);
        let shows = self.shows.saturating_add(later).saturating_sub(earlier);
        // Both clocks are read one after the other: 18:00:00 is not to be told as 17:59:59.
        let shows = shows.round(Unit::Second).unwrap_or(shows);
        let format = if shows.date() == self.shows.date() {
            "%H:%M:%S"
        } else {
            "%Y-%m-%d %H:%M:%S"
        };
        shows.strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::sync::now;

    #[test]
    fn a_moment_is_told_as_the_clock_on_the_wall_shows_it() {
        let noon = date(2026, 3, 1).at(12, 0, 0, 0).to_zoned(TimeZone::UTC);
        let before = now();
        let now = before + Duration::from_secs(1);
        let wall = Wall::new(now, noon.expect("a moment there was"));
        assert_eq!(wall.time(now + Duration::from_secs(271)), "12:04:31");
        assert_eq!(wall.time(before), "11:59:59");
        let hour = now + Duration::from_millis(3_599_990);
        assert_eq!(wall.time(hour), "13:00:00");
        let tomorrow = now + Duration::from_secs(12 * 3600);
        assert_eq!(wall.time(tomorrow), "2026-03-02 00:00:00");
    }
}
