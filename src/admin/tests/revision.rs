//! What a revision tells of itself: all that is there and why, with nothing that can come, and with
//! nothing that steers it.

use serde_json::json;

use super::*;
use crate::ports::{Outage, OutageReason};

#[tokio::test(start_paused = true)]
async fn a_revision_tells_what_is_there_and_why() {
    let scene = Scene::new().await;

    let told = scene.json("/revisions/flowers").await;

    let replica = |id, state, in_flight| {
        json!({
            "id": id, "endpoint": "127.0.0.1:8000", "state": state, "inFlight": in_flight,
            "slots": 1, "sinceSeconds": 4.5, "suspect": false,
        })
    };
    let want = json!({
        "name": "flowers", "hosts": ["flowers.example"], "models": ["flowers"],
        "containerConcurrency": 1, "minReplicas": 0, "maxReplicas": 4,
        "replicas": [replica(1, "ready", 1), replica(2, "starting", 0)],
        "queue": {"depth": 1, "bytes": 7, "oldestWaitMs": 4500.0, "order": "fifo"},
        "inFlight": 1, "desired": 2, "stable": 2.0, "panic": 2.0, "target": 1.0,
        "oldestRequests": [{
            "request": "POST /v1/models/flowers:predict", "state": "answering", "replica": 1,
            "sinceSeconds": 4.5, "arrivedSecondsAgo": 4.5,
        }],
        "metric": "concurrency", "metrics": [
            {"metric": "concurrency", "stable": 2.0, "panic": 2.0, "target": 1.0},
        ],
        "mode": "stable", "condition": "active", "boundBy": "none",
        "reason": "2 requests in flight on average over 60 s at target 1",
        "typicalStartMs": 9000.0, "typicalServiceMs": null,
    });
    assert_eq!(told, want);
    assert_eq!(scene.json("/revisions").await, json!([want]));
    assert_eq!(scene.json("/queue").await, json!({"flowers": 1}));
}

#[tokio::test(start_paused = true)]
async fn a_revision_tells_why_no_replica_can_come() {
    let scene = Scene::new().await;
    let outage = Outage {
        reason: OutageReason::ColdStartFailed,
        detail: "exit status: 1".into(),
        next_attempt: Some(now() + 3 * SECOND),
    };
    scene.world.send_modify(|world| {
        world.outage = Some(outage.into());
        world.diagnosis = Some("nothing listens on port 8000".into());
    });

    let told = scene.json("/revisions/flowers").await;

    let want = json!({
        "reason": "cold_start_failed", "detail": "exit status: 1", "nextAttemptSeconds": 3.0,
    });
    assert_eq!(told["outage"], want);
    assert_eq!(told["diagnosis"], "nothing listens on port 8000");
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_nothing_steers_tells_what_it_has() {
    let scene = Scene::new().await;
    scene.board.remove(&RevisionId::new("flowers"));

    let told = scene.json("/revisions/flowers").await;

    assert_eq!(told["queue"]["depth"], 1);
    assert!(told.get("desired").is_none(), "{told}");
    assert_eq!(scene.json("/revisions/flowers/decisions").await, json!([]));
    let text = scene.metrics().await;
    assert!(text.contains("holdgate_queue_depth{revision=\"flowers\"} 1"));
    assert!(!text.contains("holdgate_replicas{"), "{text}");
}
