//! What a decision steers by, worked out once from what a person wrote: the target per replica,
//! the length of the panic window and the bounds on the number.

use std::time::Duration;

use super::Bound;
use crate::revision::{ContainerConcurrency, ScaleMetric, Scaling};

/// How long a revision may try to become active before it is given up while nobody wants it:
/// Knative's progress deadline of 600 s and 30 s to spare.
pub const ACTIVATION_TIMEOUT: Duration = Duration::from_secs(630);

/// The settings of one revision's autoscaler.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// As a person wrote them.
    pub scaling: Scaling,
    /// What one replica should carry of [`Scaling::metric`].
    pub target: Target,
    /// What one replica should carry of each of [`Scaling::further_metrics`].
    pub further: Vec<Target>,
    /// A route leads here. Without one, nothing is kept for its sake: no lower bound, no delay,
    /// no limit on how fast it shrinks.
    pub reachable: bool,
    /// Callers reach replicas that are ready past the gate: what it counts then says nothing, neither
    /// that somebody is here nor that nobody is.
    pub bypassed: bool,
    /// See [`ACTIVATION_TIMEOUT`].
    pub activation_timeout: Duration,
}

impl Spec {
    /// Works out the target; the revision is reachable, and all of its callers pass the gate.
    #[must_use]
    pub fn new(scaling: Scaling, limit: ContainerConcurrency) -> Self {
        let further = scaling.further_metrics.iter();
        let further = further.map(|m| Target::of(&m.metric, m.target, &scaling, limit));
        Self {
            target: Target::resolve(&scaling, limit),
            further: further.collect(),
            scaling,
            reachable: true,
            bypassed: false,
            activation_timeout: ACTIVATION_TIMEOUT,
        }
    }

    /// Something that replicas report themselves says whether anybody is here. What they use says so
    /// never: it is not nothing where nobody is.
    fn is_told(&self) -> bool {
        let mut metrics = self.metrics();
        metrics.any(|(metric, _)| matches!(metric, ScaleMetric::Scraped(_)))
    }

    /// Everything that is averaged, with what one replica should carry of it.
    pub fn metrics(&self) -> impl Iterator<Item = (&ScaleMetric, Target)> {
        let further = self.scaling.further_metrics.iter().map(|m| &m.metric);
        let further = further.zip(self.further.iter().copied());
        std::iter::once((&self.scaling.metric, self.target)).chain(further)
    }

    /// The length of the panic window.
    #[must_use]
    pub fn panic_window(&self) -> Duration {
        panic_window(
            self.scaling.stable_window,
            self.scaling.panic_window_percentage,
        )
    }

    /// Wanted over present replicas from which panic starts.
    #[must_use]
    pub fn panic_threshold(&self) -> f64 {
        self.scaling.panic_threshold_percentage / 100.0
    }

    /// Between which numbers it may be scaled, with what a schedule asks for at this hour. Never none
    /// where nobody would notice who comes past the gate.
    #[must_use]
    pub fn bounds(&self, scheduled: Option<u32>) -> Bounds {
        let max = self.scaling.max_replicas;
        let least = self.least(scheduled).max(u32::from(self.is_blind()));
        Bounds {
            min: if self.reachable { least } else { 0 },
            max,
        }
    }

    /// By what it is never fewer than [`Bounds::min`].
    #[must_use]
    pub fn least_by(&self, scheduled: Option<u32>) -> Bound {
        let least = self.least(scheduled);
        if self.bounds(scheduled).min > least {
            Bound::Path
        } else if least > self.scaling.min_replicas {
            Bound::Schedule
        } else {
            Bound::MinReplicas
        }
    }

    /// What is asked for in any case: by a person, or by a schedule at this hour.
    fn least(&self, scheduled: Option<u32>) -> u32 {
        let most = self.scaling.max_replicas.unwrap_or(u32::MAX);
        let scheduled = scheduled.unwrap_or(0).min(most);
        self.scaling.min_replicas.max(scheduled)
    }

    /// Callers reach what is ready past the gate, and nothing else says whether anybody is here.
    fn is_blind(&self) -> bool {
        self.bypassed && !self.is_told()
    }

    /// How many replicas a new revision begins with; nothing begins that cannot be reached.
    pub(super) fn initial_scale(&self) -> u32 {
        let wished = self.scaling.initial_scale.filter(|_| self.reachable);
        wished.unwrap_or(0).max(self.bounds(None).min)
    }
}

/// What one replica should carry, in the unit of its metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// All it can carry.
    pub total: f64,
    /// The part of it that is aimed for. The number wanted is the average divided by this.
    pub aimed: f64,
}

impl Target {
    const SMALLEST: f64 = 0.01;

    /// The target of the first metric.
    #[must_use]
    pub fn resolve(scaling: &Scaling, limit: ContainerConcurrency) -> Self {
        Self::of(&scaling.metric, scaling.target, scaling, limit)
    }

    /// From the written target, the hard limit and the utilisation. The hard limit bounds the
    /// target of the concurrency metric; requests per second know no such limit. What is measured
    /// at the replicas is aimed for as it is written.
    fn of(
        metric: &ScaleMetric,
        written: Option<f64>,
        scaling: &Scaling,
        limit: ContainerConcurrency,
    ) -> Self {
        let limit = f64::from(limit.written());
        let (default, most) = match metric {
            ScaleMetric::Concurrency if limit > 0.0 => (limit, limit),
            ScaleMetric::Concurrency => (100.0, f64::INFINITY),
            ScaleMetric::Rps => (200.0, f64::INFINITY),
            ScaleMetric::Cpu => (80.0, f64::INFINITY),
            // Nobody can guess it, and what is not aimed for asks for nothing.
            ScaleMetric::Memory | ScaleMetric::Scraped(_) => (f64::INFINITY, f64::INFINITY),
        };
        let total = written.unwrap_or(default).min(most);
        let utilization = if metric.counts_requests() {
            scaling.target_utilization_percentage / 100.0
        } else {
            1.0
        };
        let aimed = (total * utilization).max(Self::SMALLEST);
        Self { total, aimed }
    }
}

/// Never fewer, never more; `None` is no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Never fewer. Beats a smaller maximum.
    pub min: u32,
    /// Never more.
    pub max: Option<u32>,
}

/// A share of the stable window, to the nearest whole second, at least one.
#[must_use]
pub fn panic_window(stable: Duration, percentage: f64) -> Duration {
    let share = Duration::try_from_secs_f64(stable.as_secs_f64() * percentage / 100.0);
    let share = share.unwrap_or(stable);
    let rounded = share.saturating_add(Duration::from_millis(500)).as_secs();
    Duration::from_secs(rounded.max(1))
}

#[cfg(test)]
mod tests {
    use super::super::support::{seconds, spec};
    use super::*;

    fn check(metric: ScaleMetric, limit: u32, written: Option<f64>, percent: f64) -> (f64, f64) {
        let scaling = Scaling {
            metric,
            target: written,
            target_utilization_percentage: percent,
            ..spec(1.0).scaling
        };
        let target = Target::resolve(&scaling, ContainerConcurrency::new(limit));
        (target.aimed, target.total)
    }

    #[test]
    fn the_hard_limit_bounds_a_target_of_concurrency_only() {
        use ScaleMetric::{Concurrency, Rps};
        //               metric       limit  written      percent   aimed, total
        assert_eq!(check(Concurrency, 0, None, 100.0), (100.0, 100.0));
        assert_eq!(check(Concurrency, 12, None, 75.0), (9.0, 12.0));
        assert_eq!(check(Concurrency, 10, Some(1.0), 100.0), (1.0, 1.0));
        assert_eq!(check(Concurrency, 1, Some(10.0), 100.0), (1.0, 1.0));
        assert_eq!(check(Concurrency, 0, Some(0.01), 50.0), (0.01, 0.01));
        assert_eq!(check(Rps, 1, None, 70.0), (140.0, 200.0));
        assert_eq!(check(Rps, 1, Some(300.0), 70.0), (210.0, 300.0));
    }

    #[test]
    fn the_panic_window_is_whole_seconds_and_never_none() {
        assert_eq!(panic_window(seconds(60), 10.0), seconds(6));
        assert_eq!(panic_window(seconds(6), 1.0), seconds(1));
        assert_eq!(panic_window(seconds(25), 10.0), seconds(3));
        assert_eq!(panic_window(seconds(3600), 100.0), seconds(3600));
    }

    #[test]
    fn what_cannot_be_reached_has_no_lower_bound() {
        let mut spec = spec(1.0);
        spec.scaling.min_replicas = 3;
        spec.scaling.initial_scale = Some(5);
        assert_eq!((spec.bounds(None).min, spec.initial_scale()), (3, 5));
        spec.reachable = false;
        assert_eq!((spec.bounds(None).min, spec.initial_scale()), (0, 0));
    }
}
