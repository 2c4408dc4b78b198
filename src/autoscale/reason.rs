//! The words for a person to understand a decision.

use std::fmt;

use super::{Bound, Clamp, Decision};
use crate::revision::ScaleMetric;

/// A decision in words.
pub(super) struct Reason<'a>(pub(super) &'a Decision);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.0;
        decision.measured().fmt(f)?;
        for clamp in &decision.clamps {
            write!(f, "; {clamp}")?;
        }
        match decision.held {
            Some(shortage) => write!(f, "; waiting: {}", shortage.told()),
            None => Ok(()),
        }
    }
}

/// What a decision was steered by, in words.
pub(super) struct SteeredBy<'a>(pub(super) &'a Decision);

impl fmt::Display for SteeredBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.0;
        let Some(averages) = decision.averages else {
            let window = decision.stable_window.as_secs_f64();
            return write!(f, "nothing was measured in the last {} s", Short(window));
        };
        let (average, window) = if decision.from_panic {
            (averages.panic, decision.panic_window)
        } else {
            (averages.stable, decision.stable_window)
        };
        let measured = Measure(&decision.metric, average);
        let target = Amount(&decision.metric, decision.target);
        let window = Short(window.as_secs_f64());
        write!(
            f,
            "{measured} on average over {window} s at target {target}"
        )
    }
}

/// What it does to the number, in words, and by which setting; times are left to others.
impl fmt::Display for Clamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.to.unwrap_or_default();
        match (self.by, self.to) {
            (Bound::None, _) => return f.write_str("nothing changed that"),
            (Bound::NoData, _) => write!(f, "kept at {n} while a metric is missing"),
            (Bound::UnheardGateway, _) => {
                write!(f, "kept at {n} while another gateway is not heard")
            }
            (Bound::MaxScaleUpRate, _) => write!(f, "only up to {n} at once"),
            (Bound::MaxScaleDownRate, _) => write!(f, "only down to {n} at once"),
            (Bound::ActivationScale, _) => write!(f, "starts with {n}"),
            (Bound::Panic, _) => write!(f, "kept at {n}, nothing shrinks in panic"),
            (Bound::Restart, _) => write!(f, "kept at {n}, nothing shrinks in the first window"),
            (Bound::NewMetrics, _) => write!(f, "kept at {n}, nothing shrinks with new metrics"),
            (Bound::ScaleDownDelay, _) => write!(f, "kept at {n}, so many were wanted before"),
            (Bound::InitialScale, _) => write!(f, "begins with {n}"),
            (Bound::Busy, _) => write!(f, "kept at {n}, so many are busy"),
            (Bound::MinReplicas, _) => write!(f, "never fewer than {n}"),
            (Bound::Schedule, _) => write!(f, "never fewer than {n} at this hour"),
            (Bound::Path, _) => write!(f, "never fewer than {n}, nobody would count who comes"),
            (Bound::MaxReplicas, _) => write!(f, "never more than {n}"),
            (Bound::MaxStarting, _) => write!(f, "only {n} for now, no more start at once"),
            (Bound::Shortage(_), _) => write!(f, "waiting"),
            (Bound::InFlight, _) => write!(f, "{n} for a request that is here"),
            (Bound::Activating, _) => write!(f, "left as it is while a start is under way"),
            (Bound::StableWindow, _) => write!(f, "kept at {n} for a whole window without load"),
            (Bound::ScaleToZeroGrace | Bound::Retention, _) => {
                write!(f, "the last replica stays a while longer")
            }
            (Bound::StopAfterIdle, Some(0)) => write!(f, "idle for long enough"),
            (Bound::StopAfterIdle, Some(_)) => write!(f, "not idle for long enough yet"),
            (Bound::StopAfterIdle, None) => write!(f, "nothing is there to stop"),
        }?;
        if self.by.is_setting() {
            write!(f, " ({})", self.by.cause())?;
        }
        Ok(())
    }
}

/// What a number of this metric counts, with a blank before it.
fn noun(metric: &ScaleMetric, measured: &str) -> String {
    let what = match (metric, measured) {
        (ScaleMetric::Concurrency, "1") => "request in flight",
        (ScaleMetric::Concurrency, _) => "requests in flight",
        (ScaleMetric::Rps, "1") => "request per second",
        (ScaleMetric::Rps, _) => "requests per second",
        (ScaleMetric::Cpu, _) => "of cpu",
        (ScaleMetric::Memory, _) => "of memory",
        (ScaleMetric::Scraped(scrape), _) => return format!(" {}", scrape.name),
    };
    format!(" {what}")
}

/// An average with what it counts: "2.4 requests in flight".
#[derive(Clone, Copy, Debug)]
pub struct Measure<'a>(pub &'a ScaleMetric, pub f64);

impl fmt::Display for Measure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = noun(self.0, &Short(self.1).to_string());
        write!(f, "{}{noun}", Amount(self.0, self.1))
    }
}

/// A number in the unit of its metric.
#[derive(Clone, Copy, Debug)]
pub struct Amount<'a>(pub &'a ScaleMetric, pub f64);

impl Amount<'_> {
    /// What one replica is to carry, in words: "10 at once", "80% of cpu".
    #[must_use]
    pub fn per_replica(self) -> String {
        match self.0 {
            ScaleMetric::Concurrency => format!("{self} at once"),
            ScaleMetric::Rps => format!("{self} a second"),
            metric => format!("{self}{}", noun(metric, "")),
        }
    }
}

impl fmt::Display for Amount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MI: f64 = 1_048_576.0;
        match self.0 {
            ScaleMetric::Cpu => write!(f, "{}%", Short(self.1)),
            ScaleMetric::Memory if self.1 >= 1024.0 * MI => {
                write!(f, "{}GiB", Short(self.1 / 1024.0 / MI))
            }
            ScaleMetric::Memory => write!(f, "{}MiB", Short(self.1 / MI)),
            _ => Short(self.1).fmt(f),
        }
    }
}

/// At most two decimal places, none that say nothing.
#[derive(Clone, Copy, Debug)]
pub struct Short(pub f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{spec, start};
    use super::super::{Averages, Decider, Seen};
    use super::*;

    fn reason(stable: f64, panic: f64, ready: u32) -> String {
        let (now, spec) = (start(), spec(1.0));
        let mut decider = Decider::new(&spec, 1, now);
        let seen = Seen::of(&spec, ready, 0, Some(Averages { stable, panic }));
        decider.decide(&spec, seen, now).reason().to_string()
    }

    #[test]
    fn a_person_reads_what_was_measured_and_what_changed_the_number() {
        assert_eq!(
            reason(2.4, 2.4, 2),
            "2.4 requests in flight on average over 60 s at target 1"
        );
        assert_eq!(
            reason(1.5, 10.0, 1),
            "10 requests in flight on average over 6 s at target 1"
        );
        assert_eq!(
            reason(0.0, 0.0, 8),
            "0 requests in flight on average over 60 s at target 1; \
             only down to 4 at once (maxScaleDownRate)"
        );
    }

    #[test]
    fn a_person_reads_that_nothing_was_measured() {
        let (now, spec) = (start(), spec(1.0));
        let seen = Seen::of(&spec, 1, 0, None);
        let decision = Decider::new(&spec, 1, now).decide(&spec, seen, now);
        assert_eq!(decision.bound_by(), Bound::NoData);
        assert_eq!(
            decision.reason().to_string(),
            "nothing was measured in the last 60 s"
        );
    }
}
