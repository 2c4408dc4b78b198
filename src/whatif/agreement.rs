//! How well a replay agrees with its record: decision by decision, what was decided then and what
//! is decided again. Where settings were tried there is nothing to compare.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use jiff::{Timestamp, Zoned};

use crate::autoscale::{Decision, Mode};
use crate::schedule::system_zone;
use crate::simulate::Outcome;
use crate::trace::{Decided, RevisionTrace, Tick, Trace};

/// How well a replay agrees with its record.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Decisions that are the same, up to the first that is not.
    pub same: usize,
    /// The first one that is not, of all revisions.
    pub differs: Option<Difference>,
    /// The most that two averages of the same decision are apart, up to there.
    pub apart: f64,
}

/// Two decisions that are not the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// When the recorded one was made.
    pub at: SystemTime,
    /// Whose.
    pub revision: String,
    /// What was decided.
    pub recorded: Made,
    /// What is decided again.
    pub replayed: Made,
}

/// What matters of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// When, since the record began.
    pub at: Duration,
    /// The number; `None` left it as it was.
    pub replicas: Option<u32>,
    /// The word of what bounded it.
    pub bound_by: String,
    /// Panic steered.
    pub panic: bool,
}

impl Agreement {
    /// Compares an outcome that has all its decisions, counted from `epoch`, with the record.
    #[must_use]
    pub fn of(trace: &Trace, outcome: &Outcome, epoch: Instant) -> Self {
        let mut all = Self {
            same: 0,
            differs: None,
            apart: 0.0,
        };
        for replayed in &outcome.revisions {
            let name = replayed.revision.as_str();
            if let Some(recorded) = trace.revisions.iter().find(|one| one.name == name) {
                all.compare(trace, recorded, &replayed.decisions, epoch);
            }
        }
        all
    }

    fn compare(
        &mut self,
        trace: &Trace,
        recorded: &RevisionTrace,
        replayed: &[Decision],
        epoch: Instant,
    ) {
        let decided = |tick: &'_ Tick| Some((tick.now, tick.decided.clone()?));
        // The last one of either may lie just behind the other's end.
        let pairs = recorded.ticks.iter().filter_map(decided).zip(replayed);
        for ((at, then), again) in pairs {
            let (made, remade) = (Made::recorded(at, &then), Made::again(again, epoch));
            if made != remade {
                return self.differ(Difference {
                    at: trace.began() + at,
                    revision: recorded.name.clone(),
                    recorded: made,
                    replayed: remade,
                });
            }
            self.same += 1;
            self.apart = self.apart.max(apart(&then, again));
        }
    }

    fn differ(&mut self, difference: Difference) {
        let known = self.differs.as_ref();
        if known.is_none_or(|known| known.at > difference.at) {
            self.differs = Some(difference);
        }
    }
}

impl Made {
    fn recorded(at: Duration, decided: &Decided) -> Self {
        Self {
            at,
            replicas: decided.replicas,
            bound_by: decided.bound_by.clone(),
            panic: decided.panic,
        }
    }

    fn again(decision: &Decision, epoch: Instant) -> Self {
        Self {
            at: decision.at.saturating_duration_since(epoch),
            replicas: decision.replicas,
            bound_by: decision.bound_by().as_str().to_owned(),
            panic: matches!(decision.mode, Mode::Panic { .. }),
        }
    }
}

/// How far the averages of a decision are from those of the same decision before.
fn apart(then: &Decided, again: &Decision) -> f64 {
    let readings = again.seen.readings.iter().map(|reading| reading.averages);
    let pairs = then.averages.iter().zip(readings);
    let apart = pairs.map(|pair| match pair {
        (Some((stable, panic)), Some(again)) => (stable - again.stable)
            .abs()
            .max((panic - again.panic).abs()),
        (None, None) => 0.0,
        _ => f64::INFINITY,
    });
    apart.fold(0.0, f64::max)
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = self.same;
        match &self.differs {
            None => write!(f, "replayed {same} decisions: all as recorded")?,
            Some(first) => write!(f, "replayed {same} decisions as recorded; {first}")?,
        }
        if self.apart > 0.0 {
            write!(f, ", averages to within {:.0e}", self.apart)?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (then, again) = (&self.recorded, &self.replayed);
        let at = Timestamp::try_from(self.at).unwrap_or(Timestamp::UNIX_EPOCH);
        let at = Zoned::new(at, system_zone())
            .strftime("%H:%M:%S")
            .to_string();
        let revision = &self.revision;
        write!(
            f,
            "first differs at {at}: revision {revision} was recorded "
        )?;
        write!(f, "with {then} and is replayed with {again}")?;
        if then.at != again.at {
            let at = again.at.abs_diff(then.at);
            let word = if again.at < then.at {
                "before"
            } else {
                "after"
            };
            write!(f, " {at:?} {word}")?;
        }
        f.write_str(" (are these the settings it was recorded with?)")
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.replicas {
            Some(1) => f.write_str("1 replica")?,
            Some(n) => write!(f, "{n} replicas")?,
            None => f.write_str("the number it had")?,
        }
        let panic = if self.panic { ", panic" } else { "" };
        write!(f, " (bound by {}{panic})", self.bound_by)
    }
}
