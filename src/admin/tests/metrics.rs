//! Every metric by name, label and value.

use std::collections::BTreeSet;

use super::{SECOND, Scene, now};
use crate::admin::Gateways;
use crate::autoscale::StartPhase;
use crate::ports::Hindrance;
use crate::stats::{Receipt, WaitOutcome};

/// The name of a sample and of its labels; a histogram's parts are one.
fn series(line: &str) -> (String, BTreeSet<String>) {
    let (series, _value) = line.rsplit_once(' ').unwrap();
    let labelled = series.strip_suffix('}').and_then(|s| s.split_once('{'));
    let (name, labels) = labelled.unwrap_or((series, ""));
    let parts = ["_bucket", "_sum", "_count"];
    let name = parts
        .iter()
        .find_map(|part| name.strip_suffix(part))
        .unwrap_or(name);
    let labels = labels
        .split(',')
        .filter(|label| !label.is_empty())
        .map(|label| label.split_once('=').unwrap().0);
    let labels = labels
        .filter(|label| *label != "le")
        .map(str::to_owned)
        .collect();
    (name.to_owned(), labels)
}

fn expected() -> BTreeSet<(String, BTreeSet<String>)> {
    let table = [
        ("holdgate_build_info", "version"),
        ("holdgate_requests_total", "revision code"),
        ("holdgate_request_duration_seconds", "revision"),
        ("holdgate_queue_depth", "revision"),
        ("holdgate_queue_bytes", "revision"),
        ("holdgate_queue_wait_seconds", "revision outcome"),
        ("holdgate_in_flight", "revision"),
        ("holdgate_concurrency_limit", "revision"),
        ("holdgate_rejections_total", "revision reason"),
        ("holdgate_cold_starts_total", "revision result"),
        ("holdgate_cold_start_seconds", "revision phase"),
        ("holdgate_replicas", "revision state"),
        ("holdgate_replicas_kept", "revision reason"),
        ("holdgate_autoscaler_stable", "revision metric"),
        ("holdgate_autoscaler_panic", "revision metric"),
        ("holdgate_autoscaler_target", "revision metric"),
        ("holdgate_panic_mode", "revision"),
        ("holdgate_decisions_total", "revision bound_by"),
        ("holdgate_upstream_retries_total", "revision"),
        ("holdgate_gateways", "state"),
        ("holdgate_leader", ""),
    ];
    let row = |(name, labels): (&str, &str)| {
        let labels = labels.split_whitespace().map(str::to_owned).collect();
        (name.to_owned(), labels)
    };
    table.into_iter().map(row).collect()
}

#[tokio::test(start_paused = true)]
async fn every_metric_has_its_name_and_its_labels_and_no_others() {
    let scene = Scene::new().await;
    scene.stats().answered(200, SECOND);
    scene.stats().rejections.count("queue_full");
    scene.board.set_gateways(Gateways {
        leader: Some("a-uid".to_owned()),
        leads: true,
        heard: 2,
        unheard: 1,
    });
    let kept_by = Some(Hindrance::NodeComing);
    scene
        .world
        .send_modify(|world| world.replicas[1].kept_by = kept_by);

    let text = scene.metrics().await;
    assert!(
        text.contains("holdgate_gateways{state=\"heard\"} 2.0\n"),
        "{text}"
    );
    assert!(
        text.contains("holdgate_gateways{state=\"unheard\"} 1.0\n"),
        "{text}"
    );
    assert!(text.contains("holdgate_leader 1.0\n"), "{text}");

    let samples = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(samples.map(series).collect::<BTreeSet<_>>(), expected());
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_what_is_counted_and_what_is_there() {
    let scene = Scene::new().await;
    let stats = scene.stats();
    drop(Receipt::new(stats.clone(), now()));
    stats.waited(WaitOutcome::Refused, 2 * SECOND);
    stats.retries.inc();
    let phases = StartPhase::ALL.into_iter().zip([1, 2, 3, 4, 5]);
    stats.start_succeeded(phases.map(|(phase, n)| (phase, n * SECOND)));
    stats.start_failed();
    stats.start_failed();
    let unrouted = &scene.board.registry().unrouted;
    unrouted.answered(404, SECOND);
    unrouted.rejections.count("no_route");

    let text = scene.metrics().await;

    let lines: BTreeSet<&str> = text.lines().collect();
    for line in [
        r#"holdgate_requests_total{revision="flowers",code="499"} 1"#,
        r#"holdgate_requests_total{revision="",code="404"} 1"#,
        r#"holdgate_rejections_total{revision="",reason="no_route"} 1"#,
        r#"holdgate_request_duration_seconds_count{revision=""} 1"#,
        r#"holdgate_queue_depth{revision="flowers"} 1.0"#,
        r#"holdgate_queue_bytes{revision="flowers"} 7.0"#,
        r#"holdgate_queue_wait_seconds_sum{revision="flowers",outcome="refused"} 2.0"#,
        r#"holdgate_in_flight{revision="flowers"} 1.0"#,
        r#"holdgate_concurrency_limit{revision="flowers"} 1.0"#,
        r#"holdgate_cold_starts_total{revision="flowers",result="ready"} 1"#,
        r#"holdgate_cold_starts_total{revision="flowers",result="failed"} 2"#,
        r#"holdgate_cold_start_seconds_sum{revision="flowers",phase="schedule"} 1.0"#,
        r#"holdgate_cold_start_seconds_sum{revision="flowers",phase="pull"} 2.0"#,
        r#"holdgate_cold_start_seconds_sum{revision="flowers",phase="init"} 3.0"#,
        r#"holdgate_cold_start_seconds_sum{revision="flowers",phase="load"} 4.0"#,
        r#"holdgate_cold_start_seconds_sum{revision="flowers",phase="first_answer"} 5.0"#,
        r#"holdgate_replicas{revision="flowers",state="desired"} 2.0"#,
        r#"holdgate_replicas{revision="flowers",state="ready"} 1.0"#,
        r#"holdgate_replicas{revision="flowers",state="starting"} 1.0"#,
        r#"holdgate_replicas{revision="flowers",state="draining"} 0.0"#,
        r#"holdgate_replicas{revision="flowers",state="pending"} 0.0"#,
        r#"holdgate_autoscaler_stable{revision="flowers",metric="concurrency"} 2.0"#,
        r#"holdgate_autoscaler_target{revision="flowers",metric="concurrency"} 1.0"#,
        r#"holdgate_panic_mode{revision="flowers"} 0.0"#,
        r#"holdgate_upstream_retries_total{revision="flowers"} 1"#,
    ] {
        assert!(lines.contains(line), "{line}\n{text}");
    }
}
