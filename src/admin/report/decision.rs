//! One decision, told so that a person can follow it.

use std::time::Instant;

use serde::Serialize;

use super::{Present, seconds};
use crate::autoscale::{self, Mode};

/// One decision with every number that led to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// How long ago it was made.
    pub seconds_ago: f64,
    /// Replicas that took requests.
    pub ready: u32,
    /// Replicas on their way.
    pub starting: u32,
    /// What was averaged: `concurrency` or `rps`.
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
    /// How panic stood, if it was panic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panicking: Option<Panicking>,
    /// The number came from the short average.
    pub from_panic: bool,
    /// What changed the number, in order.
    pub clamps: Vec<Clamp>,
    /// The result; `null` left the number as it was.
    pub replicas: Option<u32>,
    /// What had the last word.
    pub bound_by: &'static str,
    /// Why, in words.
    pub reason: String,
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
pub struct Clamp {
    /// What did.
    pub by: &'static str,
    /// What it made of it; `null` left it as it was.
    pub to: Option<u32>,
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

fn decision(made: &autoscale::Decision, now: Instant) -> Decision {
    let clamps = made.clamps.iter().map(|clamp| Clamp {
        by: clamp.by.as_str(),
        to: clamp.to,
    });
    Decision {
        seconds_ago: seconds(now.saturating_duration_since(made.at)),
        ready: made.seen.ready,
        starting: made.seen.starting,
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
        from_panic: made.from_panic,
        clamps: clamps.collect(),
        replicas: made.replicas,
        bound_by: made.bound_by().as_str(),
        reason: made.reason().to_string(),
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
