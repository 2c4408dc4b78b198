//! Everything that came of all runs, for other programs: settings, numbers, the course, and every
//! decision with its inputs. The names of its keys are a promise.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::run::{How, Run};
use super::summary::Summary;
use crate::autoscale::{Bound, Clamp, Decision, MetricReading};
use crate::simulate::{Point, RevisionOutcome};

/// Of the keys; grows when one of them changes its meaning.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    version: u32,
    seed: u64,
    runs: Vec<OneRun<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneRun<'a> {
    settings: BTreeMap<String, String>,
    length_seconds: f64,
    revisions: Vec<OneRevision<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneRevision<'a> {
    revision: &'a str,
    summary: Summary,
    series: Vec<OnePoint>,
    decisions: Vec<OneDecision<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OnePoint {
    at_seconds: f64,
    arrivals: u64,
    in_flight: f64,
    waiting: usize,
    ready: u32,
    starting: u32,
    draining: u32,
    desired: Option<u32>,
    panic: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneDecision<'a> {
    at_seconds: f64,
    ready: u32,
    starting: u32,
    busy: u32,
    metrics: Vec<OneReading<'a>>,
    idle_since_seconds: Option<f64>,
    typical_start_seconds: Option<f64>,
    scheduled: Option<u32>,
    mode: &'static str,
    wishes: Wishes,
    from_panic: bool,
    clamps: Vec<OneClamp>,
    replicas: Option<u32>,
    held: Option<&'static str>,
    bound_by: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct Wishes {
    stable: u32,
    panic: u32,
}

#[derive(Serialize)]
struct OneReading<'a> {
    metric: &'a str,
    target: f64,
    stable: Option<f64>,
    panic: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneClamp {
    by: &'static str,
    to: Option<u32>,
    until_seconds: Option<f64>,
}

/// Writes all runs as one JSON document.
///
/// # Errors
/// It cannot be written.
pub fn write(runs: &[Run], how: How, mut to: impl Write) -> io::Result<()> {
    let document = Document {
        version: VERSION,
        seed: how.seed,
        runs: runs.iter().map(|run| one_run(run, how.epoch)).collect(),
    };
    serde_json::to_writer(&mut to, &document)?;
    writeln!(to)?;
    to.flush()
}

fn one_run(run: &Run, epoch: Instant) -> OneRun<'_> {
    let settings = run.trial.settings.iter();
    let revisions = run.outcome.revisions.iter();
    OneRun {
        settings: settings.map(|set| (set.key(), set.value())).collect(),
        length_seconds: run.length.as_secs_f64(),
        revisions: revisions.map(|one| one_revision(one, epoch)).collect(),
    }
}

fn one_revision(outcome: &RevisionOutcome, epoch: Instant) -> OneRevision<'_> {
    let decisions = outcome.decisions.iter();
    OneRevision {
        revision: outcome.revision.as_str(),
        summary: Summary::of(outcome),
        series: outcome.series.iter().map(one_point).collect(),
        decisions: decisions.map(|made| one_decision(made, epoch)).collect(),
    }
}

fn one_point(point: &Point) -> OnePoint {
    OnePoint {
        at_seconds: point.at.as_secs_f64(),
        arrivals: point.arrivals,
        in_flight: point.in_flight,
        waiting: point.waiting,
        ready: point.ready,
        starting: point.starting,
        draining: point.draining,
        desired: point.desired,
        panic: point.panic,
    }
}

fn one_decision(made: &Decision, epoch: Instant) -> OneDecision<'_> {
    let since = |at: Instant| at.saturating_duration_since(epoch).as_secs_f64();
    let seen = &made.seen;
    OneDecision {
        at_seconds: since(made.at),
        ready: seen.ready,
        starting: seen.starting,
        busy: seen.busy,
        metrics: seen.readings.iter().map(one_reading).collect(),
        idle_since_seconds: seen.idle_since.map(since),
        typical_start_seconds: seen.typical_start.as_ref().map(Duration::as_secs_f64),
        scheduled: seen.scheduled,
        mode: made.mode.as_str(),
        wishes: Wishes {
            stable: made.stable_wish,
            panic: made.panic_wish,
        },
        from_panic: made.from_panic,
        clamps: made
            .clamps
            .iter()
            .map(|clamp| one_clamp(clamp, since))
            .collect(),
        replicas: made.replicas,
        held: made.held.map(|shortage| Bound::Shortage(shortage).as_str()),
        bound_by: made.bound_by().as_str(),
        reason: made.reason().to_string(),
    }
}

fn one_reading(reading: &MetricReading) -> OneReading<'_> {
    OneReading {
        metric: reading.metric.as_str(),
        target: reading.target,
        stable: reading.averages.map(|averages| averages.stable),
        panic: reading.averages.map(|averages| averages.panic),
    }
}

fn one_clamp(clamp: &Clamp, since: impl Fn(Instant) -> f64) -> OneClamp {
    OneClamp {
        by: clamp.by.as_str(),
        to: clamp.to,
        until_seconds: clamp.until.map(since),
    }
}
