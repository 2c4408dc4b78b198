//! What is told of a revision that several metrics steer.

use serde_json::json;

use tokio::sync::watch;
use tokio::time::sleep;

use super::{SECOND, Scene, spec};
use crate::autoscaler::Gauged;
use crate::ports::Missing;
use crate::revision::{MetricTarget, ScaleMetric};

/// What is read of the replicas, half a second off the autoscaler's beat.
pub(super) async fn publish(gauged: watch::Sender<Gauged>) {
    loop {
        sleep(SECOND / 2).await;
        let missing = Missing::Failed("GET /metrics: nobody listens".into());
        gauged.send_replace(Gauged(vec![
            (ScaleMetric::Cpu, Ok(250.0)),
            (ScaleMetric::Memory, Err(missing)),
        ]));
        sleep(SECOND / 2).await;
    }
}

/// Steered by three metrics, of which one asks for most and one cannot be read.
async fn by_three() -> Scene {
    let mut spec = spec();
    let further = [(ScaleMetric::Cpu, 80.0), (ScaleMetric::Memory, 1000.0)];
    let further = further.map(|(metric, target)| MetricTarget {
        metric,
        target: Some(target),
    });
    spec.scaling.further_metrics = further.into();
    Scene::steered_by(spec).await
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_told_and_which_asks_for_most_and_why_one_is_missing() {
    let scene = by_three().await;

    let told = scene.json("/revisions/flowers").await;

    let (metric, stable, target) = (&told["metric"], &told["stable"], &told["target"]);
    assert_eq!(
        (metric, stable, target),
        (&json!("cpu"), &json!(250.0), &json!(80.0))
    );
    assert_eq!(told["desired"], 4);
    let want = json!([
        {"metric": "concurrency", "stable": 2.0, "panic": 2.0, "target": 1.0},
        {"metric": "cpu", "stable": 250.0, "panic": 250.0, "target": 80.0},
        {"metric": "memory", "stable": null, "panic": null, "target": 1000.0,
         "missing": "GET /metrics: nobody listens"},
    ]);
    assert_eq!(told["metrics"], want);
    let metrics = scene.metrics().await;
    for line in [
        r#"holdgate_autoscaler_stable{revision="flowers",metric="cpu"} 250.0"#,
        r#"holdgate_autoscaler_target{revision="flowers",metric="memory"} 1000.0"#,
    ] {
        assert!(
            metrics.lines().any(|told| told == line),
            "{line}\n{metrics}"
        );
    }
    assert!(!metrics.contains(r#"stable{revision="flowers",metric="memory"}"#));
}
