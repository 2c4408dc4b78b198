//! Annotations, Knative's and ours.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::super::key::Shape;
use super::super::super::keys::{NAME, REVISION};
use super::super::{complaints, meaning};
use super::{annotated, scaling, service, warnings};
use crate::revision::{Aggregation, Hold, ScaleMetric, Scaling};

#[test]
fn every_annotation_of_knatives_says_the_same_in_both_spellings() {
    type Check = fn(&Scaling) -> bool;
    let table: [(&str, &str, &str, Check); 11] = [
        ("min-scale", "minScale", "2", |s| s.min_replicas == 2),
        ("max-scale", "maxScale", "5", |s| s.max_replicas == Some(5)),
        ("initial-scale", "initialScale", "3", |s| {
            s.initial_scale == Some(3)
        }),
        ("activation-scale", "", "4", |s| s.activation_scale == 4),
        ("scale-down-delay", "scaleDownDelay", "1m30s", |s| {
            s.scale_down_delay == Hold::Fixed(Duration::from_secs(90))
        }),
        ("metric", "", "rps", |s| s.metric == ScaleMetric::Rps),
        ("target", "", "0.5", |s| s.target == Some(0.5)),
        (
            "target-utilization-percentage",
            "targetUtilizationPercentage",
            "70",
            |s| (s.target_utilization_percentage - 70.0).abs() < 1e-9,
        ),
        (
            "panic-threshold-percentage",
            "panicThresholdPercentage",
            "150",
            |s| (s.panic_threshold_percentage - 150.0).abs() < 1e-9,
        ),
        (
            "metric-aggregation-algorithm",
            "metricAggregationAlgorithm",
            "weightedExponential",
            |s| s.aggregation == Aggregation::WeightedExponential,
        ),
        (
            "scale-to-zero-pod-retention-period",
            "scaleToZeroPodRetentionPeriod",
            "15m",
            |s| s.scale_to_zero_pod_retention_period == Hold::Fixed(Duration::from_secs(900)),
        ),
    ];
    let plain = scaling(&service(""));
    for (name, alias, value, says) in table {
        assert!(!says(&plain), "{name} has no default like that");
        for spelling in [name, alias]
            .into_iter()
            .filter(|spelling| !spelling.is_empty())
        {
            let annotation = format!("autoscaling.knative.dev/{spelling}: \"{value}\"");
            assert!(says(&scaling(&annotated(&annotation, ""))), "{spelling}");
        }
    }
}

#[test]
fn the_first_spelling_wins_whatever_the_second_says() {
    let both =
        "autoscaling.knative.dev/maxScale: \"many\", autoscaling.knative.dev/max-scale: \"5\"";
    let text = annotated(both, "");
    assert_eq!(scaling(&text).max_replicas, Some(5));
    let told = warnings(&text);
    let hidden = "annotations.autoscaling.knative.dev/maxScale: is not read beside autoscaling.knative.dev/max-scale";
    assert!(told.iter().any(|told| told.contains(hidden)), "{told:?}");
}

#[test]
fn words_that_only_others_know_are_passed_over() {
    let odd = "autoscaling.knative.dev/class: other.example, autoscaling.knative.dev/metric: tokens, \
               autoscaling.knative.dev/metric-aggregation-algorithm: median, \
               autoscaling.knative.dev/target-burst-capacity: \"-1\"";
    let text = annotated(odd, "");
    assert_eq!(scaling(&text), scaling(&service("")));
    assert_eq!(warnings(&text).len(), 3);
    let of = |annotation: &str| complaints(&annotated(annotation, ""));
    let refused = of("autoscaling.knative.dev/metric: cpu");
    assert_eq!(
        refused,
        [
            "a.yaml:3:69: metadata.annotations.autoscaling.knative.dev/metric: wanted concurrency or rps (others need the class hpa.autoscaling.knative.dev), not cpu"
        ]
    );
    let one = of("autoscaling.knative.dev/activation-scale: \"1\"");
    assert_eq!(
        one,
        [
            "a.yaml:3:79: metadata.annotations.autoscaling.knative.dev/activation-scale: wanted a whole number, 2 or more, not 1"
        ]
    );
    let unit = of("autoscaling.knative.dev/window: \"60\"");
    assert_eq!(
        unit,
        [
            "a.yaml:3:69: metadata.annotations.autoscaling.knative.dev/window: wanted a duration with units, such as 90s, 5m or 1h30m, not 60"
        ]
    );
}

#[test]
fn every_key_of_a_revision_is_an_annotation_of_ours() {
    let mut seen = BTreeSet::new();
    let keys = REVISION.iter().map(|key| key.about());
    // Those of TLS mean something together only, and have tests of their own.
    let keys = keys.filter(|about| !about.path.starts_with("upstreamTls."));
    let settable =
        keys.filter(|about| about.shape != Shape::NoFlag && about.path != NAME.about.path);
    for about in settable {
        let upper = |c: char| c.is_ascii_uppercase();
        let name: String = about.path.replace('.', "-");
        let name = name.split_inclusive(|_| true).map(|c| match c {
            c if c.contains(upper) => format!("-{}", c.to_lowercase()),
            c => c.to_owned(),
        });
        let name: String = name.collect();
        let value = match (about.default, about.value) {
            ("", "DURATION") => "90s",
            ("", "NUMBER" | "N" | "CORES" | "SIZE") => "1",
            ("", "NAME=VALUE") => "A=1",
            ("", "HEADER") => "x-a",
            ("", _) => "/a",
            (default, _) => default,
        };
        let value = if about.shape == Shape::List {
            "a"
        } else {
            value
        };
        let text = annotated(&format!("holdgate.dev/{name}: \"{value}\""), "");
        assert_eq!(complaints(&text), [""; 0], "{name}");
        assert!(seen.insert(name));
    }
    assert!(seen.contains("autoscaling-stable-window") && seen.contains("queue-max-requests"));
    let hosts = |annotations: &str| {
        meaning(&annotated(annotations, "")).revisions[0]
            .spec
            .hosts
            .clone()
    };
    let also = hosts("holdgate.dev/hosts: \"a.example, b.example\"");
    let usual = hosts("");
    assert_eq!(
        also,
        [
            usual.as_slice(),
            &["a.example".to_owned(), "b.example".to_owned()]
        ]
        .concat()
    );
}
