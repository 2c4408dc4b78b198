//! What a person wrote about the number of replicas: bounds, targets, windows and how long things are
//! held. What comes of it is decided elsewhere.

use std::sync::Arc;
use std::time::Duration;

/// How the number of replicas is decided. Knative's names and meanings.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Never fewer.
    pub min_replicas: u32,
    /// Never more; `None` is no cap.
    pub max_replicas: Option<u32>,
    /// What is averaged.
    pub metric: ScaleMetric,
    /// Soft target per replica before utilisation, as written and in the metric's unit; `None`
    /// takes the metric's default (the hard limit, else 100; 200 for rps; 80 for cpu).
    pub target: Option<f64>,
    /// Averaged as well, each with a target of its own; the largest wish wins.
    pub further_metrics: Vec<MetricTarget>,
    /// Percent of the target that is aimed for, 1 to 100.
    pub target_utilization_percentage: f64,
    /// How the seconds of a window become one number.
    pub aggregation: Aggregation,
    /// The long average.
    pub stable_window: Duration,
    /// The short average, as percent of the long one, 1 to 100.
    pub panic_window_percentage: f64,
    /// Wanted over ready replicas, in percent, from which panic starts.
    pub panic_threshold_percentage: f64,
    /// At most so many times the present replicas per decision.
    pub max_scale_up_rate: f64,
    /// At most divided by so much per decision.
    pub max_scale_down_rate: f64,
    /// How long the last replica stays once the average has been 0 for a stable window.
    pub scale_to_zero_grace_period: Duration,
    /// The same, as a floor of its own; the longer of the two counts.
    pub scale_to_zero_pod_retention_period: Hold,
    /// A lower number is taken only when nothing higher was wanted for so long.
    pub scale_down_delay: Hold,
    /// From zero, start at least so many; 0 and 1 mean one.
    pub activation_scale: u32,
    /// Start so many when the revision is new; `None` starts at `min_replicas`.
    pub initial_scale: Option<u32>,
    /// The last replica goes so long after the last request, whatever window and grace say.
    pub stop_after_idle: Option<Duration>,
    /// Most replicas on their way at once; `None` is no bound.
    pub max_starting: Option<u32>,
    /// Crashes in a row before waiting requests are told `cold_start_failed`.
    pub failed_starts: u32,
    /// How long a pod may find no node, with none known to be on its way, before it counts as one that
    /// does not come.
    pub pending_grace: Duration,
    /// So many pods that do not come are kept, to find a node when one appears.
    pub max_pending: u32,
}

/// What a decision averages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ScaleMetric {
    /// Requests waiting or being answered, averaged over time.
    Concurrency,
    /// Requests arriving per second.
    Rps,
    /// Processor time of the replicas, in percent of what each may use: its `resources`, else one
    /// core.
    Cpu,
    /// Resident memory of the replicas, in bytes.
    Memory,
    /// What the replicas themselves report.
    Scraped(Arc<Scrape>),
}

/// A number that a replica reports at a Prometheus text endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scrape {
    /// The name of the metric; samples that differ in labels are added up.
    pub name: String,
    /// Where it is told, on the port that takes requests.
    pub path: String,
}

impl ScaleMetric {
    /// The word in configuration, metrics and logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Rps => "rps",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Scraped(scrape) => &scrape.name,
        }
    }

    /// Requests themselves are counted, by the gate: always known, and 0 when there are none.
    #[must_use]
    pub const fn counts_requests(&self) -> bool {
        matches!(self, Self::Concurrency | Self::Rps)
    }
}

/// One more metric to steer by.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricTarget {
    /// What is averaged.
    pub metric: ScaleMetric,
    /// As [`Scaling::target`].
    pub target: Option<f64>,
}

/// How the seconds of a window become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Every second counts the same.
    Linear,
    /// The newest counts most, each older one less by the same factor.
    WeightedExponential,
}

/// How long something is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// As long as a person wrote.
    Fixed(Duration),
    /// As long as it takes to get a replica back: the measured time from start to ready, in whole
    /// seconds and at most an hour; nothing before the first start. Whoever keeps a thing just as
    /// long as getting it back takes never pays more than twice of what knowing the future would
    /// have cost (Karlin, Manasse, Rudolph and Sleator, "Competitive snoopy caching", 1988).
    Auto,
}

impl Hold {
    /// The longest that anything is held.
    pub const LONGEST: Duration = Duration::from_secs(60 * 60);

    /// How long that is when a start takes `typical_start`.
    #[must_use]
    pub fn resolve(self, typical_start: Option<Duration>) -> Duration {
        match self {
            Self::Fixed(duration) => duration,
            Self::Auto => {
                let start = typical_start.unwrap_or_default();
                let up = u64::from(start.subsec_nanos() > 0);
                Duration::from_secs(start.as_secs().saturating_add(up)).min(Self::LONGEST)
            }
        }
    }
}

impl From<Duration> for Hold {
    fn from(duration: Duration) -> Self {
        Self::Fixed(duration)
    }
}

/// What the tests of other modules begin with.
#[cfg(test)]
pub(crate) mod samples {
    use super::{Aggregation, Duration, Hold, ScaleMetric, Scaling};

    /// Knative's defaults, but for the target utilisation.
    pub(crate) fn scaling() -> Scaling {
        Scaling {
            min_replicas: 0,
            max_replicas: None,
            metric: ScaleMetric::Concurrency,
            target: None,
            further_metrics: Vec::new(),
            target_utilization_percentage: 100.0,
            aggregation: Aggregation::Linear,
            stable_window: Duration::from_secs(60),
            panic_window_percentage: 10.0,
            panic_threshold_percentage: 200.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            scale_to_zero_grace_period: Duration::from_secs(30),
            scale_to_zero_pod_retention_period: Hold::Fixed(Duration::ZERO),
            scale_down_delay: Hold::Fixed(Duration::ZERO),
            activation_scale: 0,
            initial_scale: None,
            stop_after_idle: None,
            max_starting: None,
            failed_starts: 3,
            pending_grace: Duration::from_secs(60),
            max_pending: 1,
        }
    }
}
