//! The course of runs: for a file with every point, and thinned out for the eye.

use std::io::{self, Write};

use csv::Writer;

use super::run::Run;
use crate::config::Setting;
use crate::simulate::Point;

const COLUMNS: [&str; 9] = [
    "at_s",
    "arrivals",
    "in_flight",
    "waiting",
    "ready",
    "starting",
    "draining",
    "desired",
    "panic",
];

/// Writes every point of every run, with its settings before it.
///
/// # Errors
/// It cannot be written.
pub fn write(runs: &[Run], to: impl Write) -> io::Result<()> {
    let mut lines = Writer::from_writer(to);
    let keys = runs.first().map_or(&[][..], |run| &run.trial.settings);
    let keys = keys.iter().map(Setting::key);
    let head = keys.chain(["revision".to_owned()]);
    lines.write_record(head.chain(COLUMNS.map(str::to_owned)))?;
    for run in runs {
        let settings: Vec<String> = run.trial.settings.iter().map(Setting::value).collect();
        for outcome in &run.outcome.revisions {
            for point in &outcome.series {
                let settings = settings.iter().cloned();
                let line = settings.chain([outcome.revision.to_string()]);
                lines.write_record(line.chain(fields(point)))?;
            }
        }
    }
    lines.flush()
}

fn fields(point: &Point) -> [String; 9] {
    [
        point.at.as_secs_f64().to_string(),
        point.arrivals.to_string(),
        point.in_flight.to_string(),
        point.waiting.to_string(),
        point.ready.to_string(),
        point.starting.to_string(),
        point.draining.to_string(),
        point.desired.map_or_else(String::new, |n| n.to_string()),
        point.panic.to_string(),
    ]
}

/// Fewer points, of each stretch what stands out in it: the most of everything, the mean of what
/// is a mean.
#[must_use]
pub fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    let each = points.len().div_ceil(most.max(1)).max(1);
    let stretches = points.chunks(each);
    stretches
        .filter_map(|points| Some(merged(points.last()?, points)))
        .collect()
}

fn merged(last: &Point, points: &[Point]) -> Point {
    #[expect(clippy::cast_precision_loss, reason = "points are few")]
    let count = points.len() as f64;
    let most = |of: fn(&Point) -> u32| points.iter().map(of).max().unwrap_or_default();
    Point {
        at: last.at,
        arrivals: points.iter().map(|point| point.arrivals).sum(),
        in_flight: points.iter().map(|point| point.in_flight).sum::<f64>() / count,
        waiting: points.iter().map(|point| point.waiting).max().unwrap_or(0),
        ready: most(|point| point.ready),
        starting: most(|point| point.starting),
        draining: most(|point| point.draining),
        desired: points.iter().filter_map(|point| point.desired).max(),
        panic: points.iter().any(|point| point.panic),
    }
}

/// Exactly so many numbers, each repeated or the largest of several.
#[must_use]
pub fn spread(numbers: &[f64], columns: usize) -> Vec<f64> {
    let at = |column: usize| column * numbers.len() / columns.max(1);
    let stretch = |column: usize| {
        let first = at(column);
        numbers.get(first..at(column + 1).max(first + 1))
    };
    let stretches = (0..columns).filter_map(stretch);
    stretches
        .map(|numbers| numbers.iter().copied().fold(0.0, f64::max))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn points(count: u32) -> Vec<Point> {
        let point = |second: u32| Point {
            at: Duration::from_secs(second.into()),
            arrivals: second.into(),
            in_flight: second.into(),
            waiting: usize::try_from(100 - second).expect("small"),
            ready: second,
            starting: 0,
            draining: 0,
            desired: (second > 1).then_some(second),
            panic: second == 4,
        };
        (1..=count).map(point).collect()
    }

    #[test]
    fn what_stands_out_is_kept_when_points_are_thinned() {
        assert_eq!(thinned(&points(4), 4), points(4));
        let thin = thinned(&points(5), 2);
        let of = |i: usize| {
            let point = &thin[i];
            let at = point.at.as_secs();
            (
                at,
                point.arrivals,
                point.waiting,
                point.ready,
                point.desired,
                point.panic,
            )
        };
        assert_eq!(thin.len(), 2);
        assert_eq!(of(0), (3, 6, 99, 3, Some(3), false));
        assert_eq!(of(1), (5, 9, 96, 5, Some(5), true));
        let in_flight: Vec<f64> = thin.iter().map(|point| point.in_flight).collect();
        assert_eq!(in_flight, [2.0, 4.5]);
    }

    #[test]
    fn numbers_are_spread_over_more_columns_or_fewer() {
        assert_eq!(spread(&[1.0, 2.0], 4), [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(spread(&[1.0, 5.0, 2.0, 3.0], 2), [5.0, 3.0]);
        assert_eq!(spread(&[], 3), [] as [f64; 0]);
    }
}
