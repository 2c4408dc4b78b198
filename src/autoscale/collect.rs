//! Keeps the two averages of one measurement, the long one that steers in calm and the short one
//! that notices a burst.

use std::time::{Duration, Instant};

use super::{MetricWindow, SAMPLE_EVERY, Spec};
use crate::revision::Aggregation;

/// The stable and the panic window of one metric.
#[derive(Clone, Debug)]
pub struct Collector {
    stable: MetricWindow,
    panic: MetricWindow,
}

/// Both averages at one moment, in the unit of what was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averages {
    /// Over the stable window.
    pub stable: f64,
    /// Over the panic window.
    pub panic: f64,
}

impl Collector {
    /// Empty windows of the lengths in `spec`, their seconds counted from `epoch`.
    #[must_use]
    pub fn new(spec: &Spec, epoch: Instant) -> Self {
        Self::with_windows(
            spec.scaling.stable_window,
            spec.panic_window(),
            epoch,
            spec.scaling.aggregation,
        )
    }

    /// Empty windows of any two lengths.
    #[must_use]
    pub fn with_windows(
        stable: Duration,
        panic: Duration,
        epoch: Instant,
        aggregation: Aggregation,
    ) -> Self {
        let window = |length| MetricWindow::new(length, SAMPLE_EVERY, epoch, aggregation);
        Self {
            stable: window(stable),
            panic: window(panic),
        }
    }

    /// Adds one second's measurement. A zero is a measurement; a missing one is not a zero.
    pub fn record(&mut self, now: Instant, value: f64) {
        self.stable.record(now, value);
        self.panic.record(now, value);
    }

    /// Adds one second's measurement of what cannot always be measured. Seconds since the last one
    /// count as the larger of the two: for all that is known it was as much.
    pub fn bridge(&mut self, now: Instant, value: f64) {
        let before = self.stable.recent(now).next();
        let gap = self.stable.idle(now).and_then(|n| u32::try_from(n).ok());
        if let (Some(before), Some(gap)) = (before, gap) {
            for back in (1..gap).rev() {
                if let Some(then) = now.checked_sub(SAMPLE_EVERY.saturating_mul(back)) {
                    self.record(then, before.max(value));
                }
            }
        }
        self.record(now, value);
    }

    /// Nothing was recorded in this very second.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        self.stable.idle(now) != Some(0)
    }

    /// Both averages; `None` when nothing was recorded within the stable window.
    #[must_use]
    pub fn read(&self, now: Instant) -> Option<Averages> {
        (!self.stable.is_empty(now)).then(|| Averages {
            stable: self.stable.average(now),
            panic: self.panic.average(now),
        })
    }

    /// Takes the lengths and the weights of a changed `spec` and keeps the newest measurements.
    pub fn resize(&mut self, spec: &Spec, now: Instant) {
        self.stable.weigh(spec.scaling.aggregation);
        self.panic.weigh(spec.scaling.aggregation);
        self.stable.resize(spec.scaling.stable_window, now);
        self.panic.resize(spec.panic_window(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{seconds, spec, start};
    use super::*;

    #[test]
    fn seconds_that_could_not_be_measured_count_as_the_larger_of_their_neighbours() {
        let t = start();
        let mut collector = Collector::new(&spec(1.0), t);
        collector.bridge(t, 6.0);
        assert!(!collector.is_late(t) && collector.is_late(t + seconds(1)));
        collector.bridge(t + seconds(3), 2.0);
        // 6, two unknown, 2.
        let averages = collector.read(t + seconds(3)).expect("measured");
        assert_eq!(averages.stable.to_bits(), 5.0_f64.to_bits());
        // Older than the window, it says nothing any more.
        collector.bridge(t + seconds(90), 1.0);
        let averages = collector.read(t + seconds(90)).expect("measured");
        assert_eq!(averages.stable.to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn the_short_average_forgets_before_the_long_one() {
        let t = start();
        let mut collector = Collector::new(&spec(1.0), t);
        assert_eq!(collector.read(t), None);
        for second in 0..60 {
            let load = if second < 54 { 2.0 } else { 12.0 };
            collector.record(t + seconds(second), load);
        }
        let averages = collector.read(t + seconds(59));
        let (stable, panic) = (3.0, 12.0);
        assert_eq!(averages, Some(Averages { stable, panic }));
        assert_eq!(collector.read(t + seconds(120)), None);
    }

    #[test]
    fn a_shorter_window_keeps_the_newest_seconds() {
        let t = start();
        let mut spec = spec(1.0);
        let mut collector = Collector::new(&spec, t);
        for second in 0..60 {
            collector.record(t + seconds(second), if second < 50 { 9.0 } else { 3.0 });
        }
        spec.scaling.stable_window = seconds(10);
        collector.resize(&spec, t + seconds(59));
        let averages = collector.read(t + seconds(59));
        let (stable, panic) = (3.0, 3.0);
        assert_eq!(averages, Some(Averages { stable, panic }));
    }
}
