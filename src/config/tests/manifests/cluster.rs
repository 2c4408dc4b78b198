//! What a cluster's `ConfigMap` says, and the keys of ours that say the same.

use super::super::super::{Overrides, load_text};
use super::super::{Written, complaints, overrides, revision};
use super::{annotated, scaling, service};

/// The `ConfigMap` with one line of data.
fn config_map(data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: config-autoscaler }}\ndata:\n  {data}\n"
    )
}

#[test]
fn a_clusters_config_map_is_below_the_defaults_of_every_file() {
    let cluster =
        config_map("min-scale: \"2\"\n  max-scale: \"9\"\n  stable-window: 90s\n  _example: prose");
    let ours = revision("maxReplicas: 4");
    let files = Written::new(&[
        ("m.yaml", &service("")),
        (
            "ours.yaml",
            &format!(
                "defaults: {{ autoscaling: {{ stableWindow: 30s }} }}\n{}",
                ours.replace("name: a", "name: a\n    hosts: [a]")
            ),
        ),
        ("cluster.yaml", &cluster),
    ]);
    let config = files.load(&Overrides::default()).expect("sound");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let mut read = config.revisions.iter().map(|revision| {
        let scaling = &revision.spec.scaling;
        (
            revision.spec.id.as_str(),
            scaling.min_replicas,
            scaling.max_replicas,
            scaling.stable_window.as_secs(),
        )
    });
    let ours = read.next();
    assert_eq!(ours, Some(("a", 2, Some(4), 30)));
    let manifest = read.next();
    assert_eq!(
        manifest,
        Some(("m-predictor", 1, Some(9), 30)),
        "KServe always writes a minimum"
    );
}

#[test]
fn a_clusters_utilisation_is_of_concurrency_alone() {
    let percent = |written: &str, predictor: &str| {
        let cluster = config_map(&format!(
            "container-concurrency-target-percentage: \"{written}\""
        ));
        scaling(&format!("{cluster}---\n{}", service(predictor))).target_utilization_percentage
    };
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-9, "{got} is not {want}");
    near(percent("70", ""), 70.0);
    near(percent("0.7", ""), 70.0);
    near(percent("1", ""), 100.0);
    near(percent("70", "scaleMetric: rps"), 100.0);
    near(
        percent(
            "70",
            "annotations: { holdgate.dev/autoscaling-target-utilization-percentage: \"80\" }",
        ),
        80.0,
    );
}

#[test]
fn a_faulty_config_map_is_named_by_line_and_key() {
    let text = config_map(
        "enable-scale-to-zero: maybe\n  max-scale: \"3\"\n  min-scale: \"4\"\n  initial-scale: \"0\"\n  stable-window: 90",
    );
    let config = load_text("c.yaml".as_ref(), &text, &overrides(&[], &[], &["m"]));
    assert_eq!(
        config
            .expect_err("faulty")
            .to_string()
            .lines()
            .collect::<Vec<_>>(),
        [
            "c.yaml:5:25: data.enable-scale-to-zero: wanted true or false, not maybe",
            "c.yaml:6:14: data.max-scale: wanted 0, or at least min-scale (4), not 3",
            "c.yaml:7:14: data.min-scale: wanted at most maxReplicas (3), not 4",
            "c.yaml:8:18: data.initial-scale: wanted 1 or more (0 needs allow-zero-initial-scale: true), not 0",
            "c.yaml:9:18: data.stable-window: wanted a duration with units, such as 90s, 5m or 1h30m, not 90",
        ]
    );
}

#[test]
fn the_keys_that_clusters_have_count_in_files_of_ours() {
    let of = |lines: &str| scaling(&revision(lines));
    assert_eq!(
        of("autoscaling: { enableScaleToZero: false }").min_replicas,
        1
    );
    let limited = of("autoscaling: { maxScaleLimit: 2 }\nminReplicas: 1");
    assert_eq!(
        limited.max_replicas,
        Some(1),
        "one process, where nobody asks for more"
    );
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: config-autoscaler }\ndata: { max-scale: \"5\", max-scale-limit: \"5\" }\n---\n";
    let told = complaints(&format!("{manifest}{}", service("maxReplicas: 6")));
    assert_eq!(
        told,
        [
            "a.yaml:12:18: spec.predictor.maxReplicas: wanted from 1 to autoscaling.maxScaleLimit (5), not 6"
        ]
    );
    let limit =
        "defaults: { autoscaling: { maxScaleLimit: 3 } }\nrevisions: [ { name: m-predictor } ]\n";
    let files = Written::new(&[("m.yaml", &service("")), ("limit.yaml", limit)]);
    let config = files.load(&Overrides::default()).expect("sound");
    let cap = config.revisions[0].spec.scaling.max_replicas;
    assert_eq!(cap, Some(3), "the limit caps what has no cap");
    let targets = "{ containerConcurrencyTargetDefault: 7, requestsPerSecondTargetDefault: 9 }";
    assert_eq!(of(&format!("autoscaling: {targets}")).target, Some(7.0));
    assert_eq!(
        of(&format!("autoscaling: {targets}\nscaleMetric: rps")).target,
        Some(9.0)
    );
    assert_eq!(
        of(&format!("autoscaling: {targets}\ncontainerConcurrency: 3")).target,
        None
    );
    assert_eq!(
        of(&format!("autoscaling: {targets}\nscaleTarget: 2")).target,
        Some(2.0)
    );
    assert_eq!(
        of("autoscaling: { initialScale: 0 }").initial_scale,
        Some(0)
    );
    assert_eq!(
        complaints(&revision(
            "autoscaling: { initialScale: 0, allowZeroInitialScale: false }"
        )),
        [
            "a.yaml:4:34: revisions[0].autoscaling.initialScale: wanted 1 or more (0 needs autoscaling.allowZeroInitialScale: true), not 0"
        ]
    );
    let zero = annotated("autoscaling.knative.dev/initial-scale: \"0\"", "");
    assert_eq!(complaints(&zero).len(), 1, "a cluster has to allow it");
    let allowed = format!("{}---\n{zero}", config_map("allow-zero-initial-scale: T"));
    assert_eq!(scaling(&allowed).initial_scale, Some(0));
}
