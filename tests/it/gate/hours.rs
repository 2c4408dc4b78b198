//! A schedule that comes and goes while the gate runs.

use super::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_is_written_while_the_gate_runs_starts_what_it_says() {
    let most = |more: &str| {
        let keys = format!("maxReplicas: 4, stopAfterIdle: 1s{more}");
        vec![revision("m", &keys, "--load-time 10ms")]
    };
    let settings = Settings::new(&most(""));
    let gate = settings.run(&[]).await;
    gate.until("m", |report| report["desired"] == 0).await;
    settings.write(&most(", schedule: [{ cron: '* * * * *', minReplicas: 2 }]"));
    let report = gate
        .until("m", |report| {
            report["replicas"].as_array().map(Vec::len) == Some(2)
        })
        .await;
    assert_eq!(report["desired"], 2, "{report:#}");
    let decisions = gate.admin("/revisions/m/decisions").await.json();
    let newest = decisions.as_array().and_then(|all| all.first());
    let bound = newest.map(|decision| &decision["boundBy"]);
    assert_eq!(bound, Some(&"schedule".into()), "{decisions:#}");
    settings.write(&most(""));
    gate.until("m", |report| report["desired"] == 0).await;
}
