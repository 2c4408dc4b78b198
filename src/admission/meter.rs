//! The time-weighted meter.

use std::time::{Duration, Instant};

/// x
#[derive(Debug)]
pub struct Meter {
    since: Instant,
    started: Instant,
    in_flight: u32,
    weighted: f64,
    requests: u64,
}

/// x
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// x
    pub average_concurrency: f64,
    /// x
    pub requests: u64,
}

impl Meter {
    /// x
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { since: now, started: now, in_flight: 0, weighted: 0.0, requests: 0 }
    }
    fn tick(&mut self, now: Instant) {
        let dt = now.saturating_duration_since(self.since);
        if dt > Duration::ZERO {
            self.weighted += f64::from(self.in_flight) * dt.as_secs_f64();
            self.since = now;
        }
    }
    /// x
    pub fn arrive(&mut self, now: Instant) {
        self.tick(now);
        self.in_flight += 1;
        self.requests += 1;
    }
    /// x
    pub fn leave(&mut self, now: Instant) {
        self.tick(now);
        self.in_flight -= 1;
    }
    /// x
    pub fn report(&mut self, now: Instant) -> Report {
        self.tick(now);
        let secs = now.saturating_duration_since(self.started).as_secs_f64();
        let average = if secs > 0.0 { self.weighted / secs } else { 0.0 };
        let r = Report { average_concurrency: average, requests: self.requests };
        self.weighted = 0.0;
        self.requests = 0;
        self.started = now;
        r
    }
    /// x
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }
    /// x
    #[must_use]
    pub fn idle_since(&self) -> Option<Instant> {
        (self.in_flight == 0).then_some(self.since)
    }
}
