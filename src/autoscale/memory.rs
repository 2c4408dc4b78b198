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
    pub(super) fn presence(&self) -> Option<&Past> {
        let counted = || self.of(&ScaleMetric::Concurrency);
        self.presence.as_ref().or_else(counted)
    }

    /// What was measured of one metric.
    pub(super) fn of(&self, metric: &ScaleMetric) -> Option<&Past> {
        let found = self.metrics.iter().find(|(known, _)| known == metric);
        found.map(|(_, past)| past)
    }
}
