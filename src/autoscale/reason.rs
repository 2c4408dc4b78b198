//! The words for a person to understand a decision.

use std::fmt;

use super::{Bound, Decision};
use crate::revision::ScaleMetric;

/// A decision in words.
pub(super) struct Reason<'a>(pub(super) &'a Decision);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.0;
        let Some(averages) = decision.averages else {
            let window = decision.stable_window.as_secs_f64();
            write!(f, "nothing was measured in the last {}s", Short(window))?;
            return clamps(decision, f);
        };
        let (average, window) = if decision.from_panic {
            (averages.panic, decision.panic_window)
        } else {
            (averages.stable, decision.stable_window)
        };
        let measured = Amount(&decision.metric, average);
        let target = Amount(&decision.metric, decision.target);
        let window = Short(window.as_secs_f64());
        let what = noun(&decision.metric, &Short(average).to_string());
        write!(
            f,
            "{measured}{what} on average over {window}s at target {target}"
        )?;
        clamps(decision, f)
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

fn clamps(decision: &Decision, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    decision
        .clamps
        .iter()
        .try_for_each(|clamp| match clamp.to {
            Some(to) => write!(f, "; {to}: {}", clamp.by.phrase()),
            None => write!(f, "; left as it is: {}", clamp.by.phrase()),
        })?;
    match decision.held {
        Some(shortage) => write!(f, "; waiting: {}", Bound::Shortage(shortage).phrase()),
        None => Ok(()),
    }
}

/// At most two decimal places, none that say nothing.
struct Short(f64);

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
            "2.4 requests in flight on average over 60s at target 1"
        );
        assert_eq!(
            reason(1.5, 10.0, 1),
            "10 requests in flight on average over 6s at target 1"
        );
        assert_eq!(
            reason(0.0, 0.0, 8),
            "0 requests in flight on average over 60s at target 1; \
             4: it shrinks no faster (maxScaleDownRate)"
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
            "nothing was measured in the last 60s"
        );
    }
}
