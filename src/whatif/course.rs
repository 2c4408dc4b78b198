//! What is drawn of a run: the course of one revision under one setting, thinned out for the eye.

use std::time::Duration;

use super::run::Run;
use super::series::thinned;
use super::summary::Summary;
use crate::counting::count;
use crate::simulate::Point;

/// The course of one revision in one run.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// The settings, and the revision where there are several.
    pub(super) name: String,
    /// At most as many points as were asked for.
    pub(super) points: Vec<Point>,
    /// Seconds from one point to the next.
    pub(super) each: f64,
    /// How long it is.
    pub(super) length: Duration,
    /// What came of it.
    pub(super) summary: Summary,
}

/// The courses of all runs in their order, of at most so many points each.
pub(super) fn courses(runs: &[Run], most: usize) -> Vec<Course> {
    let several = runs.iter().any(|run| run.outcome.revisions.len() > 1);
    let of = |run: &Run| {
        let setting = told(run, |key| varies(runs, key));
        let outcomes = run.outcome.revisions.iter().map(|outcome| {
            let points = thinned(&outcome.series, most);
            let revision = outcome.revision.to_string();
            Course {
                name: match &setting[..] {
                    "" => revision,
                    _ if several => format!("{revision} {setting}"),
                    _ => setting.clone(),
                },
                each: each(&points, run.length),
                points,
                length: run.length,
                summary: Summary::of(outcome),
            }
        });
        outcomes.collect::<Vec<_>>()
    };
    runs.iter().flat_map(of).collect()
}

/// The settings that all runs share, in a few words.
pub(super) fn shared(runs: &[Run]) -> String {
    let first = runs.first();
    first.map_or_else(String::new, |run| told(run, |key| !varies(runs, key)))
}

/// The settings of a run at these places.
fn told(run: &Run, which: impl Fn(usize) -> bool) -> String {
    let settings = run.trial.settings.iter().enumerate();
    let words = settings.filter(|(key, _)| which(*key));
    let words: Vec<String> = words.map(|(_, set)| set.to_string()).collect();
    words.join(" ")
}

/// Not all runs have the same value there.
fn varies(runs: &[Run], key: usize) -> bool {
    let value = |run: &Run| {
        run.trial
            .settings
            .get(key)
            .map(crate::config::Setting::value)
    };
    runs.iter().any(|run| value(run) != value(&runs[0]))
}

fn each(points: &[Point], length: Duration) -> f64 {
    let each = match points {
        [first, second, ..] => second.at.saturating_sub(first.at),
        _ => length,
    };
    each.as_secs_f64().max(1e-3)
}

/// What is drawn over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Requests that arrive each second.
    Load,
    /// Replicas that take requests.
    Ready,
    /// Replicas that were decided on.
    Desired,
    /// Requests that wait.
    Waiting,
}

impl Quantity {
    /// What stands above it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Load => "load, requests/s",
            Self::Ready | Self::Desired => "replicas",
            Self::Waiting => "requests waiting",
        }
    }

    /// Its number at a point of a course.
    pub(super) fn of(self, point: &Point, course: &Course) -> f64 {
        match self {
            Self::Load => f64::from(count(point.arrivals)) / course.each,
            Self::Ready => point.ready.into(),
            Self::Desired => point.desired.unwrap_or(0).into(),
            Self::Waiting => f64::from(count(point.waiting)),
        }
    }

    /// The most of it in a course.
    pub(super) fn most(self, course: &Course) -> f64 {
        let all = course.points.iter().map(|point| self.of(point, course));
        all.fold(0.0, f64::max)
    }

    /// Seconds and numbers, one for each point.
    pub(super) fn line(self, course: &Course) -> Vec<(f64, f64)> {
        let points = course.points.iter();
        let line = points.map(|point| (point.at.as_secs_f64(), self.of(point, course)));
        line.collect()
    }
}
