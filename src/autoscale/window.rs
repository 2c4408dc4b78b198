//! The sliding average of one measurement: a ring of buckets, one per granule of time. What
//! arrives in one granule is added up, and the average is taken over the granules seen so far.
//! Granules without a measurement at the end are missing, not zero: the average stays where it is.

use std::time::{Duration, Instant};

use crate::counting::count;
use crate::revision::Aggregation;

/// A ring of sums over time and its average.
#[derive(Clone, Debug)]
pub struct MetricWindow {
    buckets: Vec<f64>,
    length: Duration,
    granularity: Duration,
    epoch: Instant,
    aggregation: Aggregation,
    written: Option<Written>,
    total: f64,
}

/// Beside a sum so many times as large, the digits that count may be lost.
const LOST_BESIDE: f64 = 1e6;

/// The oldest and the newest granule written to, counted from the epoch.
#[derive(Clone, Copy, Debug)]
struct Written {
    first: usize,
    last: usize,
}

impl MetricWindow {
    /// A window of `length` in steps of `granularity`, which start at `epoch`. Measurements from
    /// before the epoch count as taken at it.
    #[must_use]
    pub fn new(
        length: Duration,
        granularity: Duration,
        epoch: Instant,
        aggregation: Aggregation,
    ) -> Self {
        Self {
            buckets: vec![0.0; granules(length, granularity)],
            length,
            granularity,
            epoch,
            aggregation,
            written: None,
            total: 0.0,
        }
    }

    /// Adds to the granule of `now`. A late measurement still counts while its granule is inside
    /// the window that ends at the newest one; an older one is dropped.
    pub fn record(&mut self, now: Instant, value: f64) {
        let slot = self.slot(now);
        let size = self.buckets.len();
        self.written = match self.written {
            Some(Written { first, last }) if slot < last => {
                if last - slot >= size {
                    return;
                }
                let first = first.min(slot);
                Some(Written { first, last })
            }
            Some(Written { first, last }) if slot - last < size => {
                let mut gone = 0.0;
                for skipped in last + 1..=slot {
                    let bucket = &mut self.buckets[skipped % size];
                    gone += *bucket;
                    self.total -= *bucket;
                    *bucket = 0.0;
                }
                if gone > LOST_BESIDE * self.total.abs() {
                    // Beside something so large, the digits of the rest were lost.
                    self.total = self.buckets.iter().sum();
                }
                Some(Written { first, last: slot })
            }
            _ => {
                self.clear();
                Some(Written {
                    first: slot,
                    last: slot,
                })
            }
        };
        self.buckets[slot % size] += value;
        self.total += value;
    }

    /// The average at `now`; 0 once nothing was recorded for the whole window.
    #[must_use]
    pub fn average(&self, now: Instant) -> f64 {
        match self.aggregation {
            Aggregation::Linear => self.linear(now),
            Aggregation::WeightedExponential => self.weighted(now),
        }
    }

    /// Nothing was ever recorded, or nothing for longer than the window.
    #[must_use]
    pub fn is_empty(&self, now: Instant) -> bool {
        let Some(idle) = self.idle(now) else {
            return true;
        };
        self.granularity.saturating_mul(count(idle)) > self.length
    }

    /// The sums inside the window at `now`, newest first, from the last one written.
    pub fn recent(&self, now: Instant) -> impl Iterator<Item = f64> {
        let size = self.buckets.len();
        let last = self.written.map_or(0, |w| w.last);
        let live = size.saturating_sub(self.idle(now).unwrap_or(size));
        (0..live).map(move |age| self.buckets[(last + size - age) % size])
    }

    /// The sums inside the window at `now`, oldest first, from the first one written to the last,
    /// and how many granules ago that was. `None` when there are none.
    #[must_use]
    pub fn written(&self, now: Instant) -> Option<(Vec<f64>, usize)> {
        let Written { first, last } = self.written?;
        let (size, idle) = (self.buckets.len(), self.idle(now)?);
        let seen = (last - first + 1).min(size.saturating_sub(idle));
        let sums = (last + 1 - seen..=last).map(|slot| self.buckets[slot % size]);
        (seen > 0).then(|| (sums.collect(), idle))
    }

    /// Changes the length and keeps the newest measurements that fit. What was idle for longer
    /// than the old window is forgotten.
    pub fn resize(&mut self, length: Duration, now: Instant) {
        if length == self.length {
            return;
        }
        let size = granules(length, self.granularity);
        let mut buckets = vec![0.0; size];
        let written = self.written.filter(|_| !self.is_empty(now));
        let mut total = 0.0;
        let written = written.map(|Written { first, last }| {
            let kept = size.min(self.buckets.len()).min(last + 1);
            for slot in (last + 1 - kept)..=last {
                let value = self.buckets[slot % self.buckets.len()];
                buckets[slot % size] = value;
                total += value;
            }
            // Not Knative's first bucket copied: seconds never seen must not count as zeros.
            let first = first.max(last + 1 - kept);
            Written { first, last }
        });
        *self = Self {
            buckets,
            length,
            written,
            total,
            ..*self
        };
    }

    /// Changes how its buckets become one number.
    pub const fn weigh(&mut self, aggregation: Aggregation) {
        self.aggregation = aggregation;
    }

    fn linear(&self, now: Instant) -> f64 {
        const DIGITS: i32 = 6;
        let size = self.buckets.len();
        let (Some(Written { first, last }), Some(idle)) = (self.written, self.idle(now)) else {
            return 0.0;
        };
        if idle >= size {
            return 0.0;
        }
        let total = (last + 1..=last + idle)
            .fold(self.total, |total, gone| total - self.buckets[gone % size]);
        let seen = (last - first + 1).min(size - idle);
        round_to(DIGITS, total / number(seen))
    }

    fn weighted(&self, now: Instant) -> f64 {
        let newest = self.smoothing();
        let decay = 1.0 - newest;
        let idle = i32::try_from(self.idle(now).unwrap_or(0)).unwrap_or(i32::MAX);
        let mut weight = newest * decay.powi(idle);
        let mut sum = 0.0;
        for value in self.recent(now) {
            sum += value * weight;
            weight *= decay;
        }
        sum
    }

    /// The weight of the newest bucket: all of them together weigh 0.9999, but the newest never
    /// less than a fifth.
    fn smoothing(&self) -> f64 {
        let rest: f64 = 1.0 - 0.9999;
        (1.0 - rest.powf(1.0 / number(self.buckets.len()))).max(0.2)
    }

    fn clear(&mut self) {
        self.buckets.fill(0.0);
        self.total = 0.0;
    }

    /// Granules from the newest one written to `now`; `None` when none was.
    pub(super) fn idle(&self, now: Instant) -> Option<usize> {
        self.written.map(|w| self.slot(now).saturating_sub(w.last))
    }

    fn slot(&self, at: Instant) -> usize {
        let granules = at.saturating_duration_since(self.epoch).as_nanos() / step(self.granularity);
        usize::try_from(granules).unwrap_or(usize::MAX)
    }
}

/// Rounds to so many decimal places, halves away from zero; never a negative zero.
#[must_use]
pub fn round_to(digits: i32, value: f64) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale + 0.0
}

/// How many granules cover `length`, at least one.
pub(super) fn granules(length: Duration, granularity: Duration) -> usize {
    let whole = length.as_nanos().div_ceil(step(granularity));
    usize::try_from(whole).unwrap_or(usize::MAX).max(1)
}

/// A granule in nanoseconds, never 0.
pub(super) fn step(granularity: Duration) -> u128 {
    granularity.as_nanos().max(1)
}

fn number(buckets: usize) -> f64 {
    f64::from(count(buckets))
}

#[cfg(test)]
mod tests {
    use super::super::support::{seconds, start};
    use super::*;

    fn window(length: u64) -> (MetricWindow, Instant) {
        let epoch = start();
        let window = MetricWindow::new(seconds(length), seconds(1), epoch, Aggregation::Linear);
        (window, epoch)
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9, "{got} is not {want}");
    }

    #[test]
    fn one_second_of_data_is_a_full_answer() {
        let (mut window, t) = window(60);
        window.record(t, 10.0);
        close(window.average(t), 10.0);
    }

    #[test]
    fn missing_seconds_freeze_the_average_and_recorded_zeros_lower_it() {
        let (mut window, t) = window(4);
        for second in 0..4 {
            window.record(t + seconds(second), 8.0);
        }
        close(window.average(t + seconds(5)), 8.0);
        window.record(t + seconds(4), 0.0);
        window.record(t + seconds(5), 0.0);
        close(window.average(t + seconds(5)), 4.0);
    }

    #[test]
    fn it_is_empty_only_after_more_than_its_length() {
        let (mut window, t) = window(6);
        assert!(window.is_empty(t));
        window.record(t, 1.0);
        assert!(!window.is_empty(t + seconds(6)));
        assert!(window.is_empty(t + seconds(7)));
        close(window.average(t + seconds(6)), 0.0);
    }

    #[test]
    fn a_whole_idle_window_is_forgotten_when_it_is_resized() {
        let (mut window, t) = window(5);
        window.record(t, 19.0);
        window.resize(seconds(100), t + seconds(60));
        assert!(window.is_empty(t + seconds(60)));
        window.record(t + seconds(61), 2.0);
        close(window.average(t + seconds(61)), 2.0);
    }

    #[test]
    fn a_young_window_can_be_resized() {
        let (mut window, t) = window(60);
        window.record(t + seconds(100), 4.0);
        window.record(t + seconds(101), 6.0);
        window.resize(seconds(30), t + seconds(101));
        close(window.average(t + seconds(101)), 5.0);
    }
}
