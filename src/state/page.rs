//! One revision's memory as it stands in the file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::autoscale::{Memory, Past, TypicalPhases};
use crate::counting::millis;
use crate::revision::{ScaleMetric, Scrape};

/// Nobody has a window longer than an hour, in seconds.
const MOST_SECONDS: usize = 3600;

/// What is written of one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Page {
    /// Milliseconds since 1970: monotonic clocks do not survive a restart.
    saved_at: u64,
    typical_start_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Phases::are_unknown")]
    typical_phases_ms: Phases,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longest_service_ms: Option<u64>,
    asked: Option<u32>,
    peak: Option<u32>,
    initialized: bool,
    metrics: Vec<Measured>,
    presence: Option<Seconds>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phases {
    schedule: Option<u64>,
    node: Option<u64>,
    pull: Option<u64>,
    init: Option<u64>,
    load: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    metric: Metric,
    past: Seconds,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Metric {
    Concurrency,
    Rps,
    Cpu,
    Memory,
    Scraped { name: String, path: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    /// The oldest first.
    seconds: Vec<f64>,
    idle: u32,
}

impl Page {
    pub(super) fn new(
        memory: &Memory,
        typical_start: Option<Duration>,
        typical_phases: TypicalPhases,
        saved_at: SystemTime,
    ) -> Self {
        let metrics = memory.metrics.iter().map(|(metric, past)| Measured {
            metric: Metric::from(metric),
            past: Seconds::from(past),
        });
        Self {
            saved_at: millis(saved_at.duration_since(UNIX_EPOCH).unwrap_or_default()),
            typical_start_ms: typical_start.map(millis),
            typical_phases_ms: typical_phases.into(),
            longest_service_ms: None,
            asked: memory.asked,
            peak: memory.peak,
            initialized: memory.initialized,
            metrics: metrics.collect(),
            presence: memory.presence.as_ref().map(Seconds::from),
        }
    }

    /// How long ago it was saved; nothing if the clock was set back since, so that nothing is
    /// forgotten for that.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        since_1970.saturating_sub(Duration::from_millis(self.saved_at))
    }

    pub(super) fn typical_start(&self) -> Option<Duration> {
        self.typical_start_ms.map(Duration::from_millis)
    }

    pub(super) fn longest_service(&self) -> Option<Duration> {
        self.longest_service_ms.map(Duration::from_millis)
    }

    /// The longest that an answer takes, no shorter than it does.
    pub(super) fn set_longest_service(&mut self, longest: Option<Duration>) {
        self.longest_service_ms = longest.map(|longest| millis(longest).saturating_add(1));
    }

    /// What was measured before is not forgotten by who has not been told of it yet.
    pub(super) fn keep_measured(&mut self, before: &Self) {
        self.longest_service_ms = before.longest_service_ms;
        self.typical_start_ms = self.typical_start_ms.or(before.typical_start_ms);
        if self.typical_phases_ms.are_unknown() {
            self.typical_phases_ms.clone_from(&before.typical_phases_ms);
        }
    }

    pub(super) fn typical_phases(&self) -> TypicalPhases {
        let Phases {
            schedule,
            node,
            pull,
            init,
            load,
        } = self.typical_phases_ms;
        TypicalPhases {
            schedule: schedule.map(Duration::from_millis),
            node: node.map(Duration::from_millis),
            pull: pull.map(Duration::from_millis),
            init: init.map(Duration::from_millis),
            load: load.map(Duration::from_millis),
        }
    }

    pub(super) fn memory(&self) -> Memory {
        let metrics = self.metrics.iter().map(|measured| {
            let metric = ScaleMetric::from(&measured.metric);
            (metric, Past::from(&measured.past))
        });
        Memory {
            asked: self.asked,
            peak: self.peak,
            initialized: self.initialized,
            metrics: metrics.collect(),
            presence: self.presence.as_ref().map(Past::from),
        }
    }

    /// The same in fewer letters: with four digits of every measurement, more than it is worth.
    #[cfg(feature = "kubernetes")]
    pub(super) fn rounded(&self) -> Self {
        let mut page = self.clone();
        let pasts = page.metrics.iter_mut().map(|measured| &mut measured.past);
        for past in pasts.chain(&mut page.presence) {
            for value in &mut past.seconds {
                *value = four_digits(*value);
            }
        }
        page
    }

    /// Of two pages the lesser one is missed less.
    #[cfg(feature = "kubernetes")]
    pub(super) fn worth(&self) -> (bool, u64) {
        (self.memory().is_alive(), self.saved_at)
    }

    /// Nobody but us has written it, and nobody has changed it since.
    pub(super) fn is_sound(&self) -> bool {
        let pasts = self.metrics.iter().map(|measured| &measured.past);
        pasts.chain(&self.presence).all(Seconds::is_sound)
    }
}

impl Phases {
    fn are_unknown(&self) -> bool {
        *self == Self::default()
    }
}

impl From<TypicalPhases> for Phases {
    fn from(typical: TypicalPhases) -> Self {
        Self {
            schedule: typical.schedule.map(millis),
            node: typical.node.map(millis),
            pull: typical.pull.map(millis),
            init: typical.init.map(millis),
            load: typical.load.map(millis),
        }
    }
}

impl Seconds {
    fn is_sound(&self) -> bool {
        let sound = |value: &f64| value.is_finite() && *value >= 0.0;
        self.seconds.len() <= MOST_SECONDS && self.seconds.iter().all(sound)
    }
}

impl From<&Past> for Seconds {
    fn from(past: &Past) -> Self {
        Self {
            seconds: past.seconds.clone(),
            idle: past.idle,
        }
    }
}

impl From<&Seconds> for Past {
    fn from(written: &Seconds) -> Self {
        Self {
            seconds: written.seconds.clone(),
            idle: written.idle,
        }
    }
}

impl From<&ScaleMetric> for Metric {
    fn from(metric: &ScaleMetric) -> Self {
        match metric {
            ScaleMetric::Concurrency => Self::Concurrency,
            ScaleMetric::Rps => Self::Rps,
            ScaleMetric::Cpu => Self::Cpu,
            ScaleMetric::Memory => Self::Memory,
            ScaleMetric::Scraped(scrape) => Self::Scraped {
                name: scrape.name.clone(),
                path: scrape.path.clone(),
            },
        }
    }
}

impl From<&Metric> for ScaleMetric {
    fn from(written: &Metric) -> Self {
        match written {
            Metric::Concurrency => Self::Concurrency,
            Metric::Rps => Self::Rps,
            Metric::Cpu => Self::Cpu,
            Metric::Memory => Self::Memory,
            Metric::Scraped { name, path } => {
                let (name, path) = (name.clone(), path.clone());
                Self::Scraped(Scrape { name, path }.into())
            }
        }
    }
}

#[cfg(feature = "kubernetes")]
fn four_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm is small")]
    let digits = 3 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        return value.round();
    }
    let scale = 10_f64.powi(digits.min(12));
    (value * scale).round() / scale
}
