//! Applying the number: bounds, the first replicas, and the way back to zero.

use std::time::Duration;

use holdgate::autoscale::{Activation, Averages, Bound, Condition, Decider, Decision, Seen, Spec};
use holdgate::revision::Scaling;
use serde_json::Value;

use super::Outcome;
use super::case::{aimed, count, flag, number, replicas, scaling, seconds};
use crate::clock::Clock;

/// What a case names that has no counterpart here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    (
        "sks_proxy_for_s",
        "the gate is always in the way of requests",
    ),
    (
        "activator_probe",
        "the gate need not be asked whether it is in the way",
    ),
    ("enable_scale_to_zero", "minReplicas: 1 says it"),
];

pub(super) fn apply_scale(case: &Value) -> Outcome {
    if let Some((_, reason)) = NOT_HERE.iter().find(|(key, _)| case.get(key).is_some()) {
        // A probe that must not be sent is not sent.
        if case["activator_probe"].as_str() != Some("must not be called") {
            return Outcome::Skipped(reason);
        }
    }
    let clock = Clock::start();
    let now = clock.at(0.0);
    let spec = spec_of(case);
    let current = count(&case["current_replicas"]);
    let initialized = case.get("scale_target_initialized").is_some_and(flag);
    let begins_with = if initialized { u32::MAX } else { 0 };
    let mut activation = Activation::new(&spec, begins_with, now);
    activation.since = clock.at(-number(&case["in_condition_for_s"]));
    if let Some(condition) = case["pa_active_condition"].as_str() {
        activation.condition = condition_of(condition);
    }
    let wanted = replicas(&case["decider_desired"]);
    let decision = decided(&spec, wanted, current);
    let decision = activation.settle(decision, &spec, now);

    let want = &case["expect"];
    let heading_for = match decision.bound_by() {
        Bound::ScaleToZeroGrace => Some(0),
        _ => decision.replicas,
    };
    assert_eq!(
        heading_for,
        replicas(&want["returned_scale"]),
        "{decision:?}"
    );
    let patches = decision.replicas.is_some_and(|n| n != current);
    assert_eq!(patches, flag(&want["patches_replicas"]), "{decision:?}");
    if heading_for == Some(0) {
        assert_eq!(activation.condition, Condition::Inactive);
    }
    Outcome::Passed
}

fn spec_of(case: &Value) -> Spec {
    let settings = &case["settings"];
    let annotated = |key: &str, or: &Value| {
        let value = case.get(key).filter(|value| !value.is_null());
        seconds(value.unwrap_or(or))
    };
    let zero = Value::from(0);
    let retention = case.get("retention_config_s").unwrap_or(&zero);
    let scaling = Scaling {
        min_replicas: case.get("min_scale").map_or(0, count),
        max_replicas: case.get("max_scale").map(count),
        stable_window: annotated("window_annotation_s", &settings["stable_window_s"]),
        scale_to_zero_grace_period: seconds(&settings["grace_s"]),
        scale_to_zero_pod_retention_period: annotated("retention_annotation_s", retention).into(),
        initial_scale: case.get("initial_scale_annotation").map(count),
        ..scaling()
    };
    let mut spec = aimed(scaling, 1.0, 1.0);
    spec.reachable = case["reachability"].as_str() != Some("Unreachable");
    let deadline = case.get("progress_deadline_annotation_s").map(number);
    spec.activation_timeout = match deadline {
        Some(deadline) => Duration::from_secs_f64(deadline + 30.0),
        None => seconds(&settings["activation_timeout_s"]),
    };
    spec
}

fn condition_of(name: &str) -> Condition {
    match name.to_lowercase().as_str() {
        "active" => Condition::Active,
        "inactive" => Condition::Inactive,
        "activating" => Condition::Activating,
        _ => panic!("{name} is not a condition"),
    }
}

/// A decision for so many replicas (`None`: nothing is known), made where so many are ready.
fn decided(spec: &Spec, wanted: Option<u32>, ready: u32) -> Decision {
    let now = Clock::start().at(0.0);
    // Rates are not what is tried here: whatever is wanted may be had at once.
    let free = Spec {
        reachable: false,
        ..spec.clone()
    };
    let averages = wanted.map(f64::from).map(|average| Averages {
        stable: average,
        panic: average,
    });
    let seen = Seen {
        // An average of 0 means that nobody was here for a window.
        idle_since: now.checked_sub(spec.scaling.stable_window * 2),
        ..Seen::of(spec, ready, 0, averages)
    };
    let decision = Decider::new(&free, 0, now).decide(&free, seen, now);
    assert_eq!(decision.replicas, wanted);
    decision
}

pub(super) fn initial_scale(case: &Value) -> Outcome {
    let annotation = &case["annotation"];
    let refused = annotation.as_i64() == Some(0) && !flag(&case["allow_zero"]);
    if annotation.is_null() || refused {
        return Outcome::Skipped("unset is minReplicas, and zero is always allowed");
    }
    let now = Clock::start().at(0.0);
    let initial = annotation
        .as_str()
        .map(|text| text.parse().expect("a number"));
    let initial = initial.unwrap_or_else(|| count(annotation));
    let spec = aimed(
        Scaling {
            initial_scale: Some(initial),
            ..scaling()
        },
        1.0,
        1.0,
    );
    let mut activation = Activation::new(&spec, 0, now);
    let decision = activation.settle(decided(&spec, None, 0), &spec, now);
    assert_eq!(decision.replicas.unwrap_or(0), count(&case["expect"]));
    Outcome::Passed
}

pub(super) fn active_condition(case: &Value) -> Outcome {
    let text = |key: &str| case[key].as_str();
    if text("threshold") != Some(">0") {
        return Outcome::Skipped("at least one replica has to be ready");
    }
    let wanted = match case["want"].as_str() {
        Some(">0") => Some(2),
        Some("any") => return Outcome::Skipped("at least one replica has to be ready"),
        _ => replicas(&case["want"]),
    };
    let readiness: &[u32] = match text("ready_vs_threshold") {
        Some("<min") => &[0, 1],
        Some(">=min") => &[2, 3],
        Some("any") => &[0, 1, 2, 3],
        other => panic!("{other:?} is not a number of ready replicas"),
    };
    let conditions = match text("current") {
        Some("any") => vec!["active", "inactive", "activating"],
        other => vec![other.expect("a condition has a name")],
    };
    for condition in conditions {
        for ready in readiness {
            check_condition(condition, *ready, wanted, case);
        }
    }
    Outcome::Passed
}

/// Two replicas have to be ready. Zero is decided past every window and grace period, so that
/// nothing keeps it from being the answer.
fn check_condition(condition: &str, ready: u32, wanted: Option<u32>, case: &Value) {
    let clock = Clock::start();
    let now = clock.at(0.0);
    let min_replicas = if wanted == Some(0) { 0 } else { 2 };
    let spec = aimed(
        Scaling {
            min_replicas,
            ..scaling()
        },
        1.0,
        1.0,
    );
    let mut activation = Activation::new(&spec, u32::MAX, now);
    activation.condition = condition_of(condition);
    activation.since = clock.at(-10_000.0);
    activation.settle(decided(&spec, wanted, ready), &spec, now);
    let want = case["expect"].as_str().expect("a condition is expected");
    let want = want.split_whitespace().next().unwrap_or(want);
    assert_eq!(
        activation.condition,
        condition_of(want),
        "{condition}, {ready}"
    );
}
