//! Keeps the two averages of one measurement, the long one that steers in calm and the short one
//! that notices a burst.

use std::time::{Duration, Instant};

use super::{MetricWindow, Past, SAMPLE_EVERY, Spec};
use crate::counting::count;
use crate::revision::Aggregation;

/// The stable and the panic window of one metric.
#[derive(Clone, Debug)]
pub struct Collector {
    stable: MetricWindow,
    panic: MetricWindow,
    /// Until something is measured after a restart.
    gap: Option<Gap>,
}

/// Seconds that were filled in because nobody measured them.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The last of them.
    to: Instant,
    seconds: u32,
    value: f64,
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
            gap: None,
        }
    }

    /// Windows as they were `away` ago.
    ///
    /// The seconds that nobody measured, before the last writing down and after it, count as the
    /// last known average (of both windows the larger) and, once something is measured, as that,
    /// should it be more: load that grew meanwhile grew from somewhere. Longer ago than a stable
    /// window nothing is known.
    #[must_use]
    pub fn recall(spec: &Spec, past: &Past, away: Duration, now: Instant) -> Self {
        let missing = whole_seconds(away).saturating_add(past.idle);
        let known = count(past.seconds.len());
        let epoch = now.checked_sub(SAMPLE_EVERY.saturating_mul(known.saturating_add(missing)));
        let lost = SAMPLE_EVERY.saturating_mul(missing) >= spec.scaling.stable_window;
        let Some(epoch) = epoch.filter(|_| !lost && known > 0) else {
            return Self::new(spec, now);
        };
        let mut collector = Self::new(spec, epoch);
        let mut latest = epoch;
        for value in &past.seconds {
            latest += SAMPLE_EVERY;
            collector.record(latest, *value);
        }
        let averages = collector.read(latest);
        let value = averages.map_or(0.0, |averages| averages.stable.max(averages.panic));
        let gap = Gap {
            to: now,
            seconds: missing,
            value,
        };
        collector.raise(gap, value);
        collector.gap = Some(gap);
        collector
    }

    /// Something is measured again: what was filled in was no less.
    pub(super) fn close_gap(&mut self, fresh: f64) {
        if let Some(gap) = self.gap.take() {
            self.raise(gap, (fresh - gap.value).max(0.0));
        }
    }

    /// Adds so much to every second of a gap.
    fn raise(&mut self, gap: Gap, value: f64) {
        for back in (0..gap.seconds).rev() {
            let then = gap.to.checked_sub(SAMPLE_EVERY.saturating_mul(back));
            self.record(then.unwrap_or(gap.to), value);
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
        // Asked of the measurements: a window just run out would say 0, as if that were one.
        let measured = self.stable.recent(now).next();
        measured.map(|_| Averages {
            stable: self.stable.average(now),
            panic: self.panic.average(now),
        })
    }

    /// What is to be remembered as of `now`; `None` when nothing was measured within the window.
    #[must_use]
    pub fn remember(&self, now: Instant) -> Option<Past> {
        let (seconds, idle) = self.stable.written(now)?;
        let idle = count(idle);
        Some(Past { seconds, idle })
    }

    /// Takes the lengths and the weights of a changed `spec` and keeps the newest measurements.
    pub fn resize(&mut self, spec: &Spec, now: Instant) {
        self.stable.weigh(spec.scaling.aggregation);
        self.panic.weigh(spec.scaling.aggregation);
        self.stable.resize(spec.scaling.stable_window, now);
        self.panic.resize(spec.panic_window(), now);
    }
}

/// Seconds begun count: a second too many is filled in, none is missing.
fn whole_seconds(duration: Duration) -> u32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    count(duration.as_secs().saturating_add(up))
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
        let left = collector.read(t + seconds(118)).map(|left| left.stable);
        assert_eq!((left, collector.read(t + seconds(119))), (Some(12.0), None));
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

    /// Sixty seconds of 2, the last six of 8, taken back after so long; then `fresh` is measured.
    fn recalled(away: Duration, fresh: f64) -> Option<(f64, f64)> {
        let (t, spec) = (start(), spec(1.0));
        let mut earlier = Collector::new(&spec, t);
        for second in 0..60 {
            earlier.record(t + seconds(second), if second < 54 { 2.0 } else { 8.0 });
        }
        let past = earlier.remember(t + seconds(59))?;
        let now = t + seconds(1_000);
        let mut later = Collector::recall(&spec, &past, away, now);
        later.close_gap(fresh);
        let averages = later.read(now)?;
        Some((averages.stable, averages.panic))
    }

    #[test]
    fn seconds_that_nobody_measured_count_as_the_last_average_or_as_the_first_measurement() {
        //         away           fresh        stable, panic
        assert_eq!(recalled(seconds(0), 0.0), Some((2.6, 8.0)));
        assert_eq!(recalled(seconds(10), 0.0), Some((3.6, 8.0)));
        assert_eq!(recalled(seconds(10), 14.0), Some((4.6, 14.0)));
        assert_eq!(
            recalled(Duration::from_millis(9_001), 14.0),
            Some((4.6, 14.0))
        );
        assert_eq!(recalled(seconds(59), 0.0), Some((8.0, 8.0)));
        assert_eq!(recalled(seconds(60), 14.0), None, "too long ago");
        assert_eq!(recalled(Duration::MAX, 14.0), None);
    }

    #[test]
    fn what_was_idle_before_it_was_remembered_is_missing_too() {
        let (t, spec) = (start(), spec(1.0));
        let mut collector = Collector::new(&spec, t);
        collector.record(t, 4.0);
        let (seconds_known, idle) = (vec![4.0], 20);
        let past = collector.remember(t + seconds(20));
        let known = Past {
            seconds: seconds_known,
            idle,
        };
        assert_eq!(past, Some(known.clone()));
        let again = Collector::recall(&spec, &known, seconds(10), t).remember(t);
        assert_eq!(again.map(|past| past.seconds), Some(vec![4.0; 31]));
        assert_eq!(collector.remember(t + seconds(60)), None);
    }
}
