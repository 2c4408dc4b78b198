//! Replicas that use processor time and memory, and report a number: each drives how many there
//! are, with no request at all through the gate.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::client::use_up;
use super::support::*;

/// Longer than the way from one replica to three and back, were the machine three times as slow.
const A_WHILE: Duration = Duration::from_secs(90);

/// From one to three replicas, over the shortest windows there are.
fn steered(name: &str, keys: &str) -> String {
    let settings = format!(
        "minReplicas: 1, maxReplicas: 3, autoscaling: {{ stableWindow: 6s, \
         metrics: [{{ {keys} }}] }}"
    );
    revision(name, &settings, "")
}

fn ready(report: &Value) -> Vec<SocketAddr> {
    let replicas = report["replicas"].as_array().expect("a list");
    let ready = replicas
        .iter()
        .filter(|replica| replica["state"] == "ready");
    ready
        .map(|replica| replica["endpoint"].as_str().expect("text").parse())
        .collect::<Result<_, _>>()
        .expect("addresses")
}

/// The report, once that many replicas are ready and no other number is wanted.
async fn until_ready(gate: &Gate, name: &str, want: usize) -> Value {
    let begun = Instant::now();
    loop {
        let report = gate.report(name).await;
        if ready(&report).len() == want && report["desired"] == want {
            return report;
        }
        assert!(begun.elapsed() < A_WHILE, "not {want}: {report:#}");
        sleep(10 * GLANCE).await;
    }
}

/// One replica is told to use so much, and later nothing more.
async fn up_and_down(keys: &str, metric: &str, much: &str, nothing: &str) {
    let settings = Settings::new(&[steered("m", keys)]);
    let gate = settings.run(&[]).await;
    let one = ready(&until_ready(&gate, "m", 1).await)[0];

    use_up(one, much).await;
    let report = until_ready(&gate, "m", 3).await;
    assert_eq!(report["metric"], metric, "{report:#}");
    assert!(ready(&report).contains(&one), "{report:#}");

    // It is not panic alone that holds them.
    gate.until("m", |report| report["mode"] == "stable").await;
    sleep(Duration::from_secs(4)).await;
    until_ready(&gate, "m", 3).await;

    use_up(one, nothing).await;
    until_ready(&gate, "m", 1).await;
    assert_eq!(
        gate.counted("m", 200).await,
        0,
        "nothing came through the gate"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_loop_makes_three_replicas_of_one_and_silence_one_of_three() {
    // Four to five times the target, and the cap makes it three also where a busy machine gives no
    // more than half of what is asked for.
    up_and_down("metric: cpu, target: 7", "cpu", "cpu=30", "cpu=0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_hog_makes_three_replicas_of_one_and_its_release_one_of_three() {
    // 300 MiB and what three programs are by themselves, at 120 MiB each; alone they are far below.
    let target = "metric: memory, target: 120MiB";
    up_and_down(target, "memory", "memory=300", "memory=0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_on_a_metrics_page_makes_three_replicas_of_one_and_back() {
    let target = "metric: sample_model_gauge, target: 5";
    up_and_down(target, "sample_model_gauge", "gauge=12", "gauge=0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metric_that_nobody_reports_is_named_and_keeps_what_is_there() {
    let settings = Settings::new(&[steered("m", "metric: sample_model_gauge, target: 5")]);
    let gate = settings.run(&[]).await;
    let one = ready(&until_ready(&gate, "m", 1).await)[0];
    use_up(one, "gauge=12").await;
    until_ready(&gate, "m", 3).await;

    settings.write(&[steered("m", "metric: no_such_gauge, target: 5")]);
    let missing = "GET /metrics: there is no no_such_gauge";
    gate.until("m", |report| report["metrics"][0]["missing"] == missing)
        .await;
    let mut log = gate.log();
    let line = log.next(|line| line.says("a metric is missing")).await;
    assert_eq!(line.message(), "a metric is missing, nothing shrinks");
    sleep(Duration::from_secs(8)).await;
    assert_eq!(ready(&gate.report("m").await).len(), 3);

    let told = log.present(|line| line.says("a metric is missing"));
    assert_eq!(told.len(), 0, "it is said once: {told:#?}");
}
