//! What a revision is steered by, as it is written.

use super::{complaints, meaning, overrides, revision};
use crate::revision::{MetricTarget, ScaleMetric, Scrape};

/// All metrics with their targets, the main one first.
fn steered(lines: &str) -> Vec<(String, Option<f64>)> {
    let scaling = meaning(&revision(lines)).revisions.remove(0).spec.scaling;
    let main = MetricTarget {
        metric: scaling.metric,
        target: scaling.target,
    };
    let all = std::iter::once(main).chain(scaling.further_metrics);
    all.map(|one| (one.metric.as_str().to_owned(), one.target))
        .collect()
}

#[track_caller]
fn check(lines: &str, want: &[(&str, Option<f64>)]) {
    let want = want
        .iter()
        .map(|(name, target)| ((*name).to_owned(), *target));
    assert_eq!(steered(lines), want.collect::<Vec<_>>(), "{lines}");
}

#[test]
fn further_metrics_stand_beside_what_is_written_and_in_place_of_what_is_not() {
    const GIB: f64 = 1_073_741_824.0;
    let list = "autoscaling: { metrics: [{ metric: cpu }, { metric: memory, target: 2GiB }] }";
    check("", &[("concurrency", None)]);
    check("autoscaling: { metrics: [] }", &[("concurrency", None)]);
    check(list, &[("cpu", None), ("memory", Some(2.0 * GIB))]);
    check(
        &format!("scaleMetric: rps\n{list}"),
        &[("rps", None), ("cpu", None), ("memory", Some(2.0 * GIB))],
    );
    check(
        &format!("scaleTarget: 3\n{list}"),
        &[
            ("concurrency", Some(3.0)),
            ("cpu", None),
            ("memory", Some(2.0 * GIB)),
        ],
    );
    check("scaleMetric: cpu\nscaleTarget: 60", &[("cpu", Some(60.0))]);
}

#[test]
fn a_target_of_memory_is_a_size_or_a_share_of_what_there_is() {
    const MIB: f64 = 1_048_576.0;
    let memory = |rest: &str| format!("scaleMetric: memory\n{rest}");
    check(
        &memory("scaleTarget: 512Mi"),
        &[("memory", Some(512.0 * MIB))],
    );
    check(&memory("scaleTarget: 1048576"), &[("memory", Some(MIB))]);
    let text = "revisions:\n  - name: a\n    scaleMetric: memory\n    process: { command: [a], \
                resources: { memory: 1000Mi, cpu: 1500m } }\n";
    let config = meaning(text).revisions.remove(0);
    assert_eq!(config.spec.scaling.target, Some(800.0 * MIB));
    let resources = config.process.expect("a process").resources;
    assert_eq!(resources.cpu, Some(1.5));
    assert_eq!(resources.memory, Some(1000 << 20));
}

#[test]
fn a_metric_that_replicas_report_has_a_name_a_path_and_a_target() {
    let scraped = |entry: &str| {
        let text = revision(&format!("autoscaling: {{ metrics: [{entry}] }}"));
        meaning(&text).revisions.remove(0).spec.scaling
    };
    let reported = |name: &str, path: &str| {
        ScaleMetric::Scraped(
            Scrape {
                name: name.into(),
                path: path.into(),
            }
            .into(),
        )
    };
    let vllm = scraped(r#"{ metric: "vllm:kv_cache_usage_perc", target: 0.8 }"#);
    assert_eq!(
        vllm.metric,
        reported("vllm:kv_cache_usage_perc", "/metrics")
    );
    assert_eq!(vllm.target, Some(0.8));
    let plain = scraped("{ metric: load, target: 5, path: /stats }");
    assert_eq!(plain.metric, reported("load", "/stats"));
}

#[test]
fn what_makes_no_sense_is_named() {
    let check = |lines: &str, want: &str| {
        let told = complaints(&revision(lines));
        assert_eq!(told, [format!("a.yaml:{want}")], "{lines}");
    };
    let entry = |entry: &str| format!("autoscaling: {{ metrics: [{entry}] }}");
    check(
        "scaleMetric: memory",
        "4:18: revisions[0].scaleMetric: wanted a scaleTarget as well, such as 2GiB; without \
         process.resources.memory nobody can guess it",
    );
    check(
        "scaleMetric: memory\nscaleTarget: 80",
        "5:18: revisions[0].scaleTarget: wanted a size of at least 1MiB, such as 2GiB, not 80",
    );
    check(
        "scaleTarget: 2GiB",
        "4:18: revisions[0].scaleTarget: wanted a number, 0.01 or more, not 2GiB",
    );
    check(
        r#"scaleMetric: "vllm:num_requests_waiting""#,
        "4:18: revisions[0].scaleMetric: wanted concurrency, rps, cpu or memory; \
         vllm:num_requests_waiting goes under autoscaling.metrics",
    );
    for (written, column, path, want) in [
        ("cpu", 30, "[0]", "wanted a map, not cpu"),
        (
            "{ target: 3 }",
            30,
            "[0].metric",
            "is missing, wanted the name of a metric",
        ),
        (
            "{ metric: queue_depth }",
            30,
            "[0].target",
            "is missing, wanted the number that one replica should report",
        ),
        (
            "{ metric: cpus }",
            40,
            "[0].metric",
            "wanted concurrency or rps or cpu or memory, not cpus",
        ),
        (
            "{ metric: cpu, path: /metrics }",
            40,
            "[0].metric",
            "wanted a metric that replicas report, as path says where they do, not cpu",
        ),
        (
            "{ metric: queue-depth_total, target: 1 }",
            40,
            "[0].metric",
            "wanted a metric's name of letters, digits, _ and :, not queue-depth_total",
        ),
        (
            "{ metric: cpu, targt: 80 }",
            45,
            "[0].targt",
            "unknown key, the nearest known one is target",
        ),
        (
            "{ metric: memory, target: 80 }",
            56,
            "[0].target",
            "wanted a size of at least 1MiB, such as 2GiB, not 80",
        ),
        (
            "{ metric: cpu }, { metric: cpu }",
            47,
            "[1]",
            "wanted cpu only once",
        ),
        (
            "{ metric: memory }",
            29,
            "",
            "wanted a target for memory, such as 2GiB; without process.resources.memory nobody \
             can guess it",
        ),
    ] {
        let want = format!("4:{column}: revisions[0].autoscaling.metrics{path}: {want}");
        check(&entry(written), &want);
    }
    check(
        "scaleMetric: cpu\nautoscaling: { metrics: [{ metric: cpu }] }",
        "5:29: revisions[0].autoscaling.metrics: wanted cpu only once, scaleMetric is it",
    );
}

#[test]
fn cores_are_read_as_people_write_them() {
    for (written, want) in [("2", 2.0), ("0.5", 0.5), ("500m", 0.5), ("1500m", 1.5)] {
        let flags = overrides(&[&format!("resources-cpu={written}")], &[], &["server"]);
        let config = super::load(&[], &flags).expect("sound");
        let process = config.revisions[0].process.as_ref().expect("a process");
        assert_eq!(process.resources.cpu, Some(want), "{written}");
    }
    for written in ["0", "-1", "two", "0.5m", "nan", "1k"] {
        let flags = overrides(&[&format!("resources-cpu={written}")], &[], &["server"]);
        let told = super::load(&[], &flags).expect_err("not sound").to_string();
        let want = format!("wanted a number of cores such as 2, 0.5 or 500m, not {written}");
        assert!(told.contains(&want), "{told}");
    }
}
