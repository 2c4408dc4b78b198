//! A decision with everything that led to it, and the words for a person to understand it.

use std::fmt;
use std::time::{Duration, Instant};

use super::{Averages, Mode, Seen, Spec};
use crate::revision::ScaleMetric;

/// How many replicas there should be, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When it was made.
    pub at: Instant,
    /// What it was made from.
    pub seen: Seen,
    /// The metric that asked for most.
    pub metric: ScaleMetric,
    /// What one replica should carry of it.
    pub target: f64,
    /// Its averages; `None` when nothing was measured.
    pub averages: Option<Averages>,
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
    /// Fewer than that can come for now; by what.
    pub held: Option<Shortage>,
}

/// What keeps replicas that are wanted from being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shortage {
    /// Every device is in use.
    NoFreeGpu,
    /// So many processes run as may.
    MaxProcesses,
}

/// Something that changed the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp {
    /// What did.
    pub by: Bound,
    /// What it made of it; `None` leaves the number of replicas as it is.
    pub to: Option<u32>,
    /// Until when, if nothing else happens; `None` where time alone changes nothing.
    pub until: Option<Instant>,
}

/// What can change the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Nothing did.
    None,
    /// Something was not measured within the stable window.
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
    /// As many replicas are answering something.
    Busy,
    /// Never fewer.
    MinReplicas,
    /// Never fewer at this hour.
    Schedule,
    /// Never more.
    MaxReplicas,
    /// No more may start at once.
    MaxStarting,
    /// Replicas are wanted, but a device or a place for them is not there.
    Shortage(Shortage),
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
            Self::Busy => "busy",
            Self::MinReplicas => "min_replicas",
            Self::Schedule => "schedule",
            Self::MaxReplicas => "max_replicas",
            Self::MaxStarting => "max_starting",
            Self::Shortage(Shortage::NoFreeGpu) => "no_free_gpu",
            Self::Shortage(Shortage::MaxProcesses) => "max_processes",
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
            Self::NoData => "nothing shrinks while a metric is missing",
            Self::MaxScaleUpRate => "it grows no faster (maxScaleUpRate)",
            Self::MaxScaleDownRate => "it shrinks no faster (maxScaleDownRate)",
            Self::ActivationScale => "it starts with no fewer (activationScale)",
            Self::Panic => "nothing shrinks in panic",
            Self::ScaleDownDelay => "more was wanted a moment ago (scaleDownDelay)",
            Self::InitialScale => "it begins with no fewer (initialScale)",
            Self::Busy => "so many replicas are busy",
            Self::MinReplicas => "never fewer (minReplicas)",
            Self::Schedule => "never fewer at this hour (schedule)",
            Self::MaxReplicas => "never more (maxReplicas)",
            Self::MaxStarting => "no more start at once (maxStarting)",
            Self::Shortage(Shortage::NoFreeGpu) => "no free GPU",
            Self::Shortage(Shortage::MaxProcesses) => {
                "as many processes run as may (--max-processes)"
            }
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
            metric: spec.scaling.metric.clone(),
            target: spec.target.aimed,
            averages: None,
            stable_window: spec.scaling.stable_window,
            panic_window: spec.panic_window(),
            mode,
            stable_wish: 0,
            panic_wish: 0,
            from_panic: false,
            clamps: Vec::new(),
            replicas: None,
            held: None,
            seen,
        }
    }

    /// Notes what changed the number; what leaves it as it is goes unnoted.
    pub(super) fn bound(&mut self, by: Bound, to: Option<u32>) {
        self.bound_until(by, to, None);
    }

    /// The same for what time alone will undo.
    pub(super) fn bound_until(&mut self, by: Bound, to: Option<u32>, until: Option<Instant>) {
        if self.replicas != to {
            self.clamps.push(Clamp { by, to, until });
            self.replicas = to;
        }
    }

    /// What is missing might have asked for what is there.
    pub(super) fn keep_for_missing_data(&mut self) {
        let missing = self.seen.readings.iter().any(|r| r.averages.is_none());
        let present = self.seen.present();
        if missing && self.replicas.is_some_and(|replicas| replicas < present) {
            self.bound(Bound::NoData, Some(present));
        }
    }

    /// Notes what keeps the world from doing as decided.
    pub(super) fn hold(&mut self) {
        let short = self.replicas.is_some_and(|n| n > self.seen.present());
        self.held = self.seen.shortage.filter(|_| short);
    }

    /// What had the last word.
    #[must_use]
    pub fn bound_by(&self) -> Bound {
        match (self.held, self.clamps.last()) {
            (Some(shortage), _) => Bound::Shortage(shortage),
            (None, Some(clamp)) => clamp.by,
            (None, None) if self.averages.is_none() => Bound::NoData,
            (None, None) => Bound::None,
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
    use super::super::{Averages, Decider};
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
