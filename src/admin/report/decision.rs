//! One decision, told so that a person can follow it.

use std::time::Instant;

use serde::Serialize;

use super::{Present, millis, seconds};
use crate::autoscale::{self, Bound, MetricReading, Mode};
use crate::decisions::Entry;

/// One decision with every number that led to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// How long ago it was made; of several that said the same, the last.
    pub seconds_ago: f64,
    /// How long ago the first of them was made.
    pub first_seconds_ago: f64,
    /// How many said the same in a row.
    pub count: u64,
    /// Replicas that took requests.
    pub ready: u32,
    /// Replicas on their way.
    pub starting: u32,
    /// Replicas that were answering something.
    pub busy: u32,
    /// How long nobody had been here; `null` while somebody was.
    pub idle_seconds: Option<f64>,
    /// How long a start usually took; `null` before the first.
    pub typical_start_ms: Option<f64>,
    /// The lower bound of a schedule at that hour; `null` without one.
    pub scheduled: Option<u32>,
    /// What kept wanted replicas from being started; `null` while nothing did.
    pub shortage: Option<&'static str>,
    /// Everything that was averaged.
    pub readings: Vec<Reading>,
    /// Of these, the one that asked for most.
    pub metric: String,
    /// The long average; `null` if nothing was measured.
    pub stable: Option<f64>,
    /// The short average; `null` if nothing was measured.
    pub panic: Option<f64>,
    /// How far the long average reaches back.
    pub stable_window_seconds: f64,
    /// How far the short average reaches back.
    pub panic_window_seconds: f64,
    /// What one replica should carry.
    pub target: f64,
    /// What each average alone asked for.
    pub wishes: Wishes,
    /// Which average steered: `stable` or `panic`.
    pub mode: &'static str,
    /// How far the revision was from then on: `activating`, `active` or `inactive`.
    pub condition: &'static str,
    /// How panic stood, if it was panic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panicking: Option<Panicking>,
    /// The number came from the short average.
    pub from_panic: bool,
    /// What changed the number, in order.
    pub clamps: Vec<Clamp>,
    /// The result; `null` left the number as it was.
    pub replicas: Option<u32>,
    /// What kept the world from doing so; `null` while nothing did.
    pub held: Option<&'static str>,
    /// What had the last word.
    pub bound_by: &'static str,
    /// Why, in words.
    pub reason: String,
}

/// What was averaged of one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Of which.
    pub metric: String,
    /// What one replica should carry.
    pub target: f64,
    /// The long average; `null` if nothing was measured.
    pub stable: Option<f64>,
    /// The short average; `null` if nothing was measured.
    pub panic: Option<f64>,
}

/// What each average alone asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wishes {
    /// The long one.
    pub stable: u32,
    /// The short one.
    pub panic: u32,
}

/// How panic stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Panicking {
    /// The highest number wanted since it began.
    pub peak: u32,
    /// How long before the decision the threshold was last reached.
    pub last_over_seconds: f64,
}

/// Something that changed the number.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clamp {
    /// What did.
    pub by: &'static str,
    /// What it made of it; `null` left it as it was.
    pub to: Option<u32>,
    /// How long after the decision time alone undoes it; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_seconds: Option<f64>,
}

/// The last decisions about a revision, newest first.
pub(in super::super) fn decisions(present: &Present) -> Vec<Decision> {
    let Some(steered) = &present.steered else {
        return Vec::new();
    };
    let kept = steered.decisions.read();
    let newest_first = kept.iter().rev();
    newest_first
        .map(|made| decision(made, present.now))
        .collect()
}

/// The newest decision of an entry, and how many it stands for.
pub(super) fn decision(entry: &Entry, now: Instant) -> Decision {
    let (made, seen) = (&entry.decision, &entry.decision.seen);
    let ago = |at: Instant| seconds(now.saturating_duration_since(at));
    let idle = |since| seconds(made.at.saturating_duration_since(since));
    let word = |shortage| Bound::Shortage(shortage).as_str();
    Decision {
        seconds_ago: ago(made.at),
        first_seconds_ago: ago(entry.since),
        count: entry.count,
        ready: seen.ready,
        starting: seen.starting,
        busy: seen.busy,
        idle_seconds: seen.idle_since.map(idle),
        typical_start_ms: seen.typical_start.map(millis),
        scheduled: seen.scheduled,
        shortage: seen.shortage.map(word),
        readings: seen.readings.iter().map(reading).collect(),
        metric: made.metric.as_str().to_owned(),
        stable: made.averages.map(|averages| averages.stable),
        panic: made.averages.map(|averages| averages.panic),
        stable_window_seconds: seconds(made.stable_window),
        panic_window_seconds: seconds(made.panic_window),
        target: made.target,
        wishes: Wishes {
            stable: made.stable_wish,
            panic: made.panic_wish,
        },
        mode: made.mode.as_str(),
        panicking: panicking(made),
        condition: made.condition.as_str(),
        from_panic: made.from_panic,
        clamps: made
            .clamps
            .iter()
            .map(|clamp| bound(clamp, made.at))
            .collect(),
        replicas: made.replicas,
        held: made.held.map(word),
        bound_by: made.bound_by().as_str(),
        reason: made.reason().to_string(),
    }
}

fn reading(reading: &MetricReading) -> Reading {
    Reading {
        metric: reading.metric.as_str().to_owned(),
        target: reading.target,
        stable: reading.averages.map(|averages| averages.stable),
        panic: reading.averages.map(|averages| averages.panic),
    }
}

fn bound(clamp: &autoscale::Clamp, made: Instant) -> Clamp {
    let rest = |until: Instant| seconds(until.saturating_duration_since(made));
    Clamp {
        by: clamp.by.as_str(),
        to: clamp.to,
        until_seconds: clamp.until.map(rest),
    }
}

fn panicking(made: &autoscale::Decision) -> Option<Panicking> {
    match made.mode {
        Mode::Stable => None,
        Mode::Panic { since, peak } => Some(Panicking {
            peak,
            last_over_seconds: seconds(made.at.saturating_duration_since(since)),
        }),
    }
}
