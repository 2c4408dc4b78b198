//! A schedule that comes and goes while the gate runs.

use super::client::{ask, predict};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_place_is_taken_from_what_an_hour_asks_for() {
    let hours = "schedule: [{ cron: '* * * * *', minReplicas: 1 }]";
    let revisions = |hours| {
        let quick = "--load-time 10ms";
        vec![
            revision("a", hours, quick),
            revision("b", "minReplicas: 0", quick),
        ]
    };
    let settings = Settings::new(&revisions(hours));
    let gate = settings.run(&["--max-processes", "1"]).await;
    let ready = |report: &serde_json::Value| report["replicas"][0]["state"] == "ready";
    gate.until("a", ready).await;
    let asking = tokio::spawn(ask(gate.address, predict("b")));
    gate.until("b", |report| report["boundBy"] == "max_processes")
        .await;
    let taken = gate
        .log()
        .present(|line| line.says("stopping: it was idle, and"));
    assert_eq!(taken.len(), 0, "who needs a place takes it at once");
    settings.write(&revisions("minReplicas: 0"));
    let answer = asking.await.expect("no panic").expect("an answer");
    assert_eq!(answer.outcome(), (200, ""), "{}", answer.text());
    gate.until("b", ready).await;
}
