//! A decision with everything that led to it, and the words for a person to understand it.

use std::fmt;
use std::time::{Duration, Instant};

use super::decider::{Mode, Seen};
use super::spec::Spec;
use crate::revision::ScaleMetric;

/// How many replicas there should be, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When it was made.
    pub at: Instant,
    /// What it was made from.
    pub seen: Seen,
    /// What was averaged.
    pub metric: ScaleMetric,
    /// What one replica should carry.
    pub target: f64,
    /// The length of the stable window.
    pub stable_window: Duration,
    /// The length of the panic window.
    pub panic_window: Duration,
    /// Which average steers from now on.
    pub mode: Mode,
    /// What the stable average alone asks for.
    pub stable_wish: u32,
    /// What the panic average alone asks for.
    pub panic_wish: u32,
    /// The number came from the panic average.
    pub from_panic: bool,
    /// What changed the number, in order.
    pub clamps: Vec<Clamp>,
    /// The result. `None` leaves the number of replicas as it is.
    pub replicas: Option<u32>,
}

/// Something that changed the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp {
    /// What did.
    pub by: Bound,
    /// What it made of it; `None` leaves the number of replicas as it is.
    pub to: Option<u32>,
}

/// What can change the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Nothing did.
    None,
    /// Nothing was measured within the stable window.
    NoData,
    /// It may not grow faster.
    MaxScaleUpRate,
    /// It may not shrink faster.
    MaxScaleDownRate,
    /// From zero, it starts with more.
    ActivationScale,
    /// Nothing shrinks in panic.
    Panic,
    /// More was wanted a short while ago.
    ScaleDownDelay,
    /// A new revision begins with more.
    InitialScale,
    /// Never fewer.
    MinReplicas,
    /// Never more.
    MaxReplicas,
    /// A request is being answered or waits.
    InFlight,
    /// It is still starting.
    Activating,
    /// It has not been active for a whole stable window.
    StableWindow,
    /// The last replica stays for the grace period.
    ScaleToZeroGrace,
    /// The last replica goes, or stays, by the time since the last request.
    StopAfterIdle,
}

impl Bound {
    /// The word in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NoData => "no_data",
            Self::MaxScaleUpRate => "max_scale_up_rate",
            Self::MaxScaleDownRate => "max_scale_down_rate",
            Self::ActivationScale => "activation_scale",
            Self::Panic => "panic",
            Self::ScaleDownDelay => "scale_down_delay",
            Self::InitialScale => "initial_scale",
            Self::MinReplicas => "min_replicas",
            Self::MaxReplicas => "max_replicas",
            Self::InFlight => "in_flight",
            Self::Activating => "activating",
            Self::StableWindow => "stable_window",
            Self::ScaleToZeroGrace => "scale_to_zero_grace",
            Self::StopAfterIdle => "stop_after_idle",
        }
    }

    const fn phrase(self) -> &'static str {
        match self {
            Self::None => "nothing changed that",
            Self::NoData => "nothing was measured",
            Self::MaxScaleUpRate => "it grows no faster (maxScaleUpRate)",
            Self::MaxScaleDownRate => "it shrinks no faster (maxScaleDownRate)",
            Self::ActivationScale => "it starts with no fewer (activationScale)",
            Self::Panic => "nothing shrinks in panic",
            Self::ScaleDownDelay => "more was wanted a moment ago (scaleDownDelay)",
            Self::InitialScale => "it begins with no fewer (initialScale)",
            Self::MinReplicas => "never fewer (minReplicas)",
            Self::MaxReplicas => "never more (maxReplicas)",
            Self::InFlight => "a request is still here",
            Self::Activating => "it is still starting",
            Self::StableWindow => "it has not been up for a whole window (stableWindow)",
            Self::ScaleToZeroGrace => {
                "the last replica stays a while longer (scaleToZeroGracePeriod)"
            }
            Self::StopAfterIdle => "by the time since the last request (stopAfterIdle)",
        }
    }
}

impl Decision {
    /// A decision that nothing has shaped yet and that changes nothing.
    pub(super) fn new(spec: &Spec, seen: Seen, mode: Mode, now: Instant) -> Self {
        Self {
            at: now,
            seen,
            metric: spec.scaling.metric,
            target: spec.target.aimed,
            stable_window: spec.scaling.stable_window,
            panic_window: spec.panic_window(),
            mode,
            stable_wish: 0,
            panic_wish: 0,
            from_panic: false,
            clamps: Vec::new(),
            replicas: None,
        }
    }

    /// Notes what changed the number; what leaves it as it is goes unnoted.
    pub(super) fn bound(&mut self, by: Bound, to: Option<u32>) {
        if self.replicas != to {
            self.clamps.push(Clamp { by, to });
            self.replicas = to;
        }
    }

    /// What had the last word.
    #[must_use]
    pub fn bound_by(&self) -> Bound {
        match self.clamps.last() {
            Some(clamp) => clamp.by,
            None if self.seen.averages.is_none() => Bound::NoData,
            None => Bound::None,
        }
    }

    /// It asks for another number than was asked for before.
    #[must_use]
    pub fn changes(&self, asked: Option<u32>) -> bool {
        self.replicas.is_some() && self.replicas != asked
    }

    /// Why, in words: "2.4 requests in flight on average over 60s at target 1".
    #[must_use]
    pub fn reason(&self) -> impl fmt::Display + '_ {
        Reason(self)
    }
}

struct Reason<'a>(&'a Decision);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.0;
        let Some(averages) = decision.seen.averages else {
            let window = decision.stable_window.as_secs_f64();
            write!(f, "nothing was measured in the last {}s", Short(window))?;
            return clamps(decision, f);
        };
        let (average, window) = if decision.from_panic {
            (averages.panic, decision.panic_window)
        } else {
            (averages.stable, decision.stable_window)
        };
        let measured = Short(average).to_string();
        let what = match (decision.metric, measured.as_str()) {
            (ScaleMetric::Concurrency, "1") => "request in flight",
            (ScaleMetric::Concurrency, _) => "requests in flight",
            (ScaleMetric::Rps, "1") => "request per second",
            (ScaleMetric::Rps, _) => "requests per second",
        };
        write!(
            f,
            "{measured} {what} on average over {}s at target {}",
            Short(window.as_secs_f64()),
            Short(decision.target),
        )?;
        clamps(decision, f)
    }
}

fn clamps(decision: &Decision, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    decision.clamps.iter().try_for_each(|clamp| match clamp.to {
        Some(to) => write!(f, "; {to}: {}", clamp.by.phrase()),
        None => write!(f, "; left as it is: {}", clamp.by.phrase()),
    })
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
    use super::super::{Averages, Decider};
    use super::*;

    fn reason(stable: f64, panic: f64, ready: u32) -> String {
        let (now, spec) = (start(), spec(1.0));
        let mut decider = Decider::new(&spec, 1, now);
        let averages = Some(Averages { stable, panic });
        let seen = Seen {
            ready,
            starting: 0,
            averages,
        };
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
        let seen = Seen {
            ready: 1,
            starting: 0,
            averages: None,
        };
        let decision = Decider::new(&spec, 1, now).decide(&spec, seen, now);
        assert_eq!(decision.bound_by(), Bound::NoData);
        assert_eq!(
            decision.reason().to_string(),
            "nothing was measured in the last 60s"
        );
    }
}
