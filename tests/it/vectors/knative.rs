//! Knative's own words for settings: the `ConfigMap` of a cluster and the annotations of a revision,
//! each written into a manifest and read as a person's file is.

use std::path::Path;
use std::time::Duration;

use holdgate::autoscale::Spec;
use holdgate::config::{Complaint, Config, Overrides, load_text};
use holdgate::revision::Scaling;
use serde_json::{Map, Value, json};

use super::Outcome;
use super::case::{close, count, flag, seconds};

/// Knative's default is another one, on purpose: looked at only where this key was written.
const OTHER_DEFAULTS: [(&str, &str); 3] = [
    (
        "container_concurrency_target_fraction",
        "container-concurrency-target-percentage",
    ),
    ("initial-scale", "initial-scale"),
    ("max-scale", "max-scale"),
];

/// Accepted, but there is nothing it could change here.
const WITHOUT_EFFECT: [&str; 3] = [
    "target-burst-capacity",
    "activator-capacity",
    "pod-autoscaler-class",
];

/// A `ConfigMap` with these data. JSON is YAML.
fn config_map(data: &Map<String, Value>) -> String {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let data = data
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(text(value))));
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "config-autoscaler" },
        "data": data.collect::<Map<_, _>>(),
    })
    .to_string()
}

/// What the `ConfigMap` means for a revision that says nothing itself but its metric.
fn scaling(data: &Map<String, Value>, metric: &str) -> Result<Scaling, String> {
    let flag = |name: &str| match name {
        "scale-metric" => vec![metric.to_owned()],
        _ => Vec::new(),
    };
    let overrides = Overrides::new(flag, |_| None, &["model".to_owned()]);
    let read = load_text(Path::new("cluster.yaml"), &config_map(data), &overrides);
    let scaling = |config: Config| config.revisions[0].spec.scaling.clone();
    read.map(scaling)
        .map_err(|complaints| complaints.to_string())
}

pub(super) fn config_autoscaler(case: &Value) -> Outcome {
    let input = case["input"].as_object().expect("data have names");
    if let Some(reason) = bound_as_annotations_are(input) {
        return Outcome::Skipped(reason);
    }
    let read = scaling(input, "concurrency");
    if !flag(&case["valid"]) {
        let told = read.expect_err("it is not valid");
        assert!(
            told.contains(": data"),
            "nothing of the data is named: {told}"
        );
        return Outcome::Passed;
    }
    let read = read.expect("it is valid");
    let default = json!({});
    let want = ["expect", "expect_overrides"].map(|name| case.get(name).unwrap_or(&default));
    for (name, want) in want.iter().filter_map(|want| want.as_object()).flatten() {
        let other = OTHER_DEFAULTS.iter().find(|(known, _)| known == name);
        if other.is_none_or(|(_, key)| input.contains_key(*key)) {
            check(name, want, &read, input);
        }
    }
    Outcome::Passed
}

/// A default that no revision could write is refused, where Knative has no bound for it.
fn bound_as_annotations_are(input: &Map<String, Value>) -> Option<&'static str> {
    let reason = "a default is held to the bounds of its annotation";
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let threshold = text("panic-threshold-percentage").and_then(|text| text.parse::<f64>().ok());
    let unbound = threshold.is_some_and(|percent| !(110.0..=1000.0).contains(&percent));
    let long = ["scale-down-delay", "scale-to-zero-pod-retention-period"]
        .iter()
        .any(|name| {
            let hours = text(name).and_then(|text| text.strip_suffix('h')?.parse::<f64>().ok());
            hours.is_some_and(|hours| hours > 1.0)
        });
    (unbound || long).then_some(reason)
}

fn check(name: &str, want: &Value, read: &Scaling, input: &Map<String, Value>) {
    let whole = |duration: Duration| assert_eq!(duration, seconds(want), "{name}");
    let total = |metric| {
        let scaling = scaling(input, metric).expect("it is valid for any metric");
        Spec::new(scaling, holdgate::revision::ContainerConcurrency::UNLIMITED)
            .target
            .total
    };
    let near = |got: f64| close(got, want, 1e-9);
    match name {
        "enable-scale-to-zero" => assert!(flag(want) || read.min_replicas >= 1),
        "min-scale" => assert_eq!(read.min_replicas, count(want)),
        "max-scale" => assert_eq!(read.max_replicas.unwrap_or(0), count(want)),
        "max-scale-limit" => {
            let limit = count(want);
            assert!(limit == 0 || read.max_replicas.is_some_and(|max| max <= limit));
        }
        "initial-scale" => assert_eq!(read.initial_scale, Some(count(want))),
        "allow-zero-initial-scale" => assert!(flag(want) || read.initial_scale != Some(0)),
        "container_concurrency_target_fraction" => near(read.target_utilization_percentage / 100.0),
        "container-concurrency-target-default" => near(total("concurrency")),
        "requests-per-second-target-default" => near(total("rps")),
        "max-scale-up-rate" => near(read.max_scale_up_rate),
        "max-scale-down-rate" => near(read.max_scale_down_rate),
        "panic-window-percentage" => near(read.panic_window_percentage),
        "panic-threshold-percentage" => near(read.panic_threshold_percentage),
        "stable-window_s" => whole(read.stable_window),
        "scale-to-zero-grace-period_s" => whole(read.scale_to_zero_grace_period),
        "scale-to-zero-pod-retention-period_s" => {
            assert_eq!(read.scale_to_zero_pod_retention_period, fixed(want));
        }
        "scale-down-delay_s" => assert_eq!(read.scale_down_delay, fixed(want)),
        other => assert!(WITHOUT_EFFECT.contains(&other), "nobody looks at {other}"),
    }
}

fn fixed(want: &Value) -> holdgate::revision::Hold {
    holdgate::revision::Hold::Fixed(seconds(want))
}

pub(super) fn annotation_validation(case: &Value) -> Outcome {
    let service = json!({
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": { "name": "m", "annotations": case["annotations"] },
        "spec": { "predictor": { "sklearn": {} } },
    });
    let cluster = case["config"].as_object().expect("settings have names");
    let text = format!("{service}\n---\n{}\n", config_map(cluster));
    let read = load_text(Path::new("m.yaml"), &text, &Overrides::default());
    let told = read.err();
    let told = told.iter().flatten();
    let of_annotations =
        |complaint: &&Complaint| complaint.path.starts_with("metadata.annotations.");
    let told: Vec<_> = told
        .filter(of_annotations)
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.is_empty(), flag(&case["valid"]), "{told:?}");
    for faulty in super::case::list(&case["faulty"]) {
        let name = faulty.as_str().expect("an annotation has a name");
        let named = told.iter().any(|told| plain(told).contains(&plain(name)));
        assert!(named, "{name} is not named: {told:?}");
    }
    Outcome::Passed
}

/// One word for both spellings.
fn plain(name: &str) -> String {
    name.replace('-', "").to_lowercase()
}
