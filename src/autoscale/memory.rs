//! What the steering of one revision remembers across a restart, as plain data; whoever keeps it
//! decides where and how. Seconds that nobody measured are neither zeros nor left out: see
//! [`Collector::recall`](super::Collector::recall).

use crate::revision::ScaleMetric;

/// What is remembered of one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// How many replicas were asked for last; `None` when nothing was.
    pub asked: Option<u32>,
    /// The highest number wanted since panic began; `None` while it does not last.
    pub peak: Option<u32>,
    /// It once had as many replicas ready as it was to begin with.
    pub initialized: bool,
    /// What was measured of each metric, where anything was.
    pub metrics: Vec<(ScaleMetric, Past)>,
    /// The requests here, where no metric counts them.
    pub presence: Option<Past>,
}

/// What was measured within one stable window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// One sum for each second, the oldest first.
    pub seconds: Vec<f64>,
    /// Seconds since the newest of them, in which nothing was measured.
    pub idle: u32,
}

impl Memory {
    /// The number below which nothing may fall until there is a window of fresh data.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.asked.max(self.peak).unwrap_or(0)
    }

    /// It says something that must not be lost: another number, or that panic has begun.
    #[must_use]
    pub fn is_news_after(&self, before: &Self) -> bool {
        self.asked != before.asked || (self.peak.is_some() && before.peak.is_none())
    }

    /// The next life may need it as it is now: something runs, or was measured to be more than
    /// nothing. Otherwise it says the same an hour later.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let pasts = self.metrics.iter().map(|(_, past)| past);
        let some = |past: &Past| past.seconds.iter().any(|value| *value > 0.0);
        self.number() > 0 || pasts.chain(&self.presence).any(some)
    }

    /// The requests here, whoever counted them.
    #[must_use]
    pub fn presence(&self) -> Option<&Past> {
        let counted = || self.of(&ScaleMetric::Concurrency);
        self.presence.as_ref().or_else(counted)
    }

    /// What was measured of one metric.
    #[must_use]
    pub fn of(&self, metric: &ScaleMetric) -> Option<&Past> {
        let found = self.metrics.iter().find(|(known, _)| known == metric);
        found.map(|(_, past)| past)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::support::{seconds, spec, start};
    use super::super::{Around, Decision, Spec, Steering};
    use super::*;
    use crate::revision::{ContainerConcurrency, Scaling};

    /// The first decision after a restart, with nothing ready and nobody here.
    fn first(spec: &Spec, memory: &Memory, away: Duration) -> Decision {
        let now = start();
        let around = Around {
            ready: 0,
            starting: 0,
            busy: 0,
            idle_since: Some(now),
            typical_start: None,
            shortage: None,
            scheduled: None,
            unheard: false,
        };
        Steering::recall(spec, memory, away, now).decide(&around, now)
    }

    fn memory(asked: u32, peak: Option<u32>) -> Memory {
        let past = Past {
            seconds: vec![2.0; 60],
            idle: 0,
        };
        Memory {
            asked: Some(asked),
            peak,
            initialized: true,
            metrics: vec![(ScaleMetric::Concurrency, past)],
            presence: None,
        }
    }

    #[test]
    fn the_number_is_asked_for_at_once_and_never_less_than_the_peak() {
        let number = |memory: &Memory, away| first(&spec(1.0), memory, seconds(away)).replicas;
        //                          asked  peak          away
        assert_eq!(number(&memory(5, None), 2), Some(5));
        assert_eq!(number(&memory(5, Some(9)), 2), Some(9));
        assert_eq!(number(&memory(0, None), 2), Some(2), "two were here");
        assert_eq!(number(&memory(5, None), 59), Some(5));
        assert_eq!(number(&memory(5, Some(9)), 60), None, "too long ago");
    }

    #[test]
    fn what_is_measured_now_but_was_not_then_keeps_the_number() {
        let scaling = Scaling {
            metric: ScaleMetric::Cpu,
            ..spec(50.0).scaling
        };
        let spec = Spec::new(scaling, ContainerConcurrency::UNLIMITED);
        let decision = first(&spec, &memory(5, None), seconds(2));
        assert_eq!(decision.replicas, Some(5));
        let (now, mut earlier) = (start(), memory(5, None));
        earlier.metrics.clear();
        let later = Steering::recall(&spec, &earlier, seconds(2), now).remember(now);
        assert_eq!((later.peak, later.metrics), (Some(5), Vec::new()));
    }

    #[test]
    fn what_had_begun_once_does_not_begin_with_its_initial_scale_again() {
        let scaling = Scaling {
            initial_scale: Some(4),
            ..spec(1.0).scaling
        };
        let spec = Spec::new(scaling, ContainerConcurrency::UNLIMITED);
        let number = |memory: &Memory| first(&spec, memory, seconds(600)).replicas;
        assert_eq!(number(&memory(1, None)), None);
        assert_eq!(number(&Memory::default()), Some(4), "a new one does");
    }
}
