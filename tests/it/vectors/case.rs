//! Reading one case: what is missing or has another shape than expected fails it.

use std::time::Duration;

use holdgate::autoscale::{Spec, Target};
use holdgate::revision::{ContainerConcurrency, ScaleMetric, Scaling};
use serde_json::Value;

pub(super) fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
}

pub(super) fn count(value: &Value) -> u32 {
    let count = value.as_u64().and_then(|n| u32::try_from(n).ok());
    count.unwrap_or_else(|| panic!("{value} is not a count"))
}

/// A number of replicas, where -1 is unknown.
pub(super) fn replicas(value: &Value) -> Option<u32> {
    (value.as_i64() != Some(-1)).then(|| count(value))
}

pub(super) fn seconds(value: &Value) -> Duration {
    Duration::from_secs_f64(number(value))
}

pub(super) fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is not a list"))
}

pub(super) fn flag(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| panic!("{value} is not true or false"))
}

/// A duration as Go writes it, of one unit.
pub(super) fn go_duration(value: &Value) -> Duration {
    let text = value.as_str().expect("a duration is a text");
    let (digits, unit) = text.split_at(text.len() - 1);
    let digits: u64 = digits.parse().expect("a duration begins with a number");
    Duration::from_secs(match unit {
        "s" => digits,
        "m" => digits * 60,
        "h" => digits * 3600,
        _ => panic!("{text} is not a duration"),
    })
}

pub(super) fn metric(value: &Value) -> ScaleMetric {
    match value.as_str() {
        Some("concurrency") => ScaleMetric::Concurrency,
        Some("rps") => ScaleMetric::Rps,
        _ => panic!("{value} is not a metric"),
    }
}

#[track_caller]
pub(super) fn close(got: f64, want: &Value, tolerance: f64) {
    let want = number(want);
    assert!((got - want).abs() <= tolerance, "{got} is not {want}");
}

/// Knative's own defaults, which are ours but for the utilisation.
pub(super) fn scaling() -> Scaling {
    Scaling {
        target: None,
        further_metrics: Vec::new(),
        aggregation: holdgate::revision::Aggregation::Linear,
        target_utilization_percentage: 70.0,
        ..crate::autoscale::scaling()
    }
}

pub(super) fn spec(scaling: Scaling) -> Spec {
    Spec::new(scaling, ContainerConcurrency::UNLIMITED)
}

/// A spec with a target that is already worked out.
pub(super) fn aimed(scaling: Scaling, aimed: f64, total: f64) -> Spec {
    Spec {
        target: Target { total, aimed },
        ..spec(scaling)
    }
}
