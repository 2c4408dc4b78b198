//! What came of a run in a few numbers: the row of the table, and the same in files.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::simulate::RevisionOutcome;

/// What came of one revision in one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were refused.
    pub rejected: u64,
    /// The same by reason, those that happened.
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
    /// Requests whose client left.
    pub left: u64,
    /// Requests still waiting or being answered at the end.
    pub unfinished: u64,
    /// How long those that got a slot waited for it; `None` where nobody got one.
    pub wait: Option<Waits>,
    /// Times that a first replica had to start.
    pub cold_starts: u64,
    /// Requests that waited while nothing served.
    pub cold_requests: u64,
    /// Replicas that were started.
    pub starts: u64,
    /// The time of all replicas together, in hours.
    pub replica_hours: f64,
    /// The most replicas at once.
    pub peak_replicas: u32,
    /// The most requests that waited at once.
    pub peak_waiting: usize,
}

/// Waits in seconds; 0 where nobody had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    /// Half waited no longer.
    pub p50_seconds: f64,
    /// One in a hundred waited longer.
    pub p99_seconds: f64,
    /// Nobody waited longer.
    pub max_seconds: f64,
}

impl Summary {
    /// The numbers of an outcome.
    #[must_use]
    pub fn of(outcome: &RevisionOutcome) -> Self {
        let reasons = outcome.refused.by_reason().into_iter();
        let waits = &outcome.waits;
        let quantile = |q| seconds(waits.value_at_quantile(q).min(waits.max()));
        Self {
            requests: outcome.requests,
            answered: outcome.answered,
            rejected: outcome.refused.total(),
            rejected_by_reason: reasons.filter(|(_, count)| *count > 0).collect(),
            left: outcome.left,
            unfinished: outcome.unfinished,
            wait: (!waits.is_empty()).then(|| Waits {
                p50_seconds: quantile(0.5),
                p99_seconds: quantile(0.99),
                max_seconds: seconds(waits.max()),
            }),
            cold_starts: outcome.cold_starts,
            cold_requests: outcome.cold_requests,
            starts: outcome.starts,
            replica_hours: outcome.replica_time.as_secs_f64() / 3600.0,
            peak_replicas: outcome.peak_replicas,
            peak_waiting: outcome.peak_waiting,
        }
    }
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

/// A time in three figures at most: `12ms`, `4.2s`, `43s`, `12m`.
#[must_use]
pub fn short_time(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        s if s < 0.000_95 => "<1ms".to_owned(),
        s if s < 0.999_5 => format!("{:.0}ms", s * 1000.0),
        s if s < 9.95 => format!("{s:.1}s"),
        s if s < 599.5 => format!("{s:.0}s"),
        s if s < 35_970.0 => format!("{:.0}m", s / 60.0),
        s => format!("{:.0}h", s / 3600.0),
    }
}

/// A small number in three figures or so.
#[must_use]
pub fn short_number(number: f64) -> String {
    match number {
        n if n < 0.995 => format!("{n:.3}"),
        n if n < 99.95 => format!("{n:.2}"),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_three_figures_or_fewer() {
        let times = [
            0.0, 0.0001, 0.0123, 0.9996, 4.21, 43.4, 599.0, 720.0, 36_000.0,
        ];
        let want = [
            "0", "<1ms", "12ms", "1.0s", "4.2s", "43s", "599s", "12m", "10h",
        ];
        assert_eq!(times.map(short_time), want);
        assert_eq!(
            [0.0561, 6.717, 98.15, 1234.5].map(short_number),
            ["0.056", "6.72", "98.15", "1234"]
        );
    }
}
