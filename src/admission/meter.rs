//! Measures how many requests are here, waiting or being answered, weighted by time: what the
//! autoscaler averages, counted as Knative counts it.

use std::time::{Duration, Instant};

/// The requests of one revision over time.
#[derive(Clone, Debug)]
pub struct Meter {
    in_flight: u32,
    changed: Instant,
    idle_since: Instant,
    /// Requests times seconds since the last report.
    request_seconds: f64,
    elapsed: Duration,
    arrived: u64,
}

/// What was measured since the last report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Requests here at once, averaged over time; 0 for a report of no length.
    pub average_concurrency: f64,
    /// Requests that arrived.
    pub requests: u64,
}

impl Meter {
    /// Begins to measure with nobody here.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            in_flight: 0,
            changed: now,
            idle_since: now,
            request_seconds: 0.0,
            elapsed: Duration::ZERO,
            arrived: 0,
        }
    }

    /// A request is here from now on.
    pub fn arrive(&mut self, now: Instant) {
        self.advance(now);
        self.in_flight += 1;
        self.arrived += 1;
    }

    /// Somebody came whom nobody can serve: not here, but as good a sign that somebody wants it.
    pub fn turn_away(&mut self, now: Instant) {
        if self.in_flight == 0 {
            self.idle_since = now.max(self.idle_since);
        }
    }

    /// A request is gone: answered, refused or given up.
    ///
    /// # Panics
    /// If nobody is here: a request would have left twice.
    pub fn leave(&mut self, now: Instant) {
        self.advance(now);
        let others = self.in_flight.checked_sub(1);
        self.in_flight = others.expect("who leaves has arrived");
        if self.in_flight == 0 {
            self.idle_since = now;
        }
    }

    /// What was measured since the last report. Who is still here counts in the next one too;
    /// an arrival counts once.
    pub fn report(&mut self, now: Instant) -> Report {
        self.advance(now);
        let seconds = self.elapsed.as_secs_f64();
        let average_concurrency = if seconds > 0.0 {
            self.request_seconds / seconds
        } else {
            0.0
        };
        let report = Report {
            average_concurrency,
            requests: self.arrived,
        };
        self.request_seconds = 0.0;
        self.elapsed = Duration::ZERO;
        self.arrived = 0;
        report
    }

    /// How many requests are here now.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Since when nobody is here; `None` while somebody is.
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        (self.in_flight == 0).then_some(self.idle_since)
    }

    /// Time that runs backwards, as between two clock reads on different threads, weighs nothing.
    fn advance(&mut self, now: Instant) {
        if let Some(passed) = now.checked_duration_since(self.changed) {
            self.request_seconds += f64::from(self.in_flight) * passed.as_secs_f64();
            self.elapsed += passed;
            self.changed = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs one real instant to count from"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn check(report: Report, average: f64, requests: u64) {
        assert!((report.average_concurrency - average).abs() < 1e-9);
        assert_eq!(report.requests, requests);
    }

    #[test]
    fn a_request_counts_as_long_as_it_is_here_and_arrives_once() {
        let t = start();
        let mut meter = Meter::new(t);
        for _ in 0..5 {
            meter.arrive(t + ms(900));
        }
        check(meter.report(t + ms(1000)), 0.5, 5);
        check(meter.report(t + ms(2000)), 5.0, 0);
        check(meter.report(t + ms(2000)), 0.0, 0);
    }

    #[test]
    fn a_late_clock_weighs_nothing_but_the_count_holds() {
        let t = start();
        let mut meter = Meter::new(t);
        meter.arrive(t);
        meter.arrive(t + ms(600));
        meter.leave(t + ms(400));
        check(meter.report(t + ms(1000)), 1.0, 2);
        assert_eq!(meter.in_flight(), 1);
    }

    #[test]
    fn it_is_idle_from_the_moment_the_last_one_left() {
        let t = start();
        let mut meter = Meter::new(t);
        assert_eq!(meter.idle_since(), Some(t));
        meter.arrive(t + ms(100));
        meter.arrive(t + ms(200));
        meter.leave(t + ms(300));
        assert_eq!(meter.idle_since(), None);
        meter.leave(t + ms(400));
        assert_eq!(meter.idle_since(), Some(t + ms(400)));
    }

    #[test]
    fn who_is_turned_away_is_not_here_and_was_all_the_same() {
        let t = start();
        let mut meter = Meter::new(t);
        meter.turn_away(t + ms(500));
        assert_eq!(meter.idle_since(), Some(t + ms(500)));
        check(meter.report(t + ms(1000)), 0.0, 0);
        meter.arrive(t + ms(1000));
        meter.turn_away(t + ms(1100));
        assert_eq!((meter.in_flight(), meter.idle_since()), (1, None));
    }
}
