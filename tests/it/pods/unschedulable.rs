//! A revision for which there is no node.

use std::sync::Arc;
use std::time::Duration;

use holdgate::ports::{Outage, OutageReason};

use super::Front;
use super::pod::Pod;

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_node_that_does_not_come_is_told_and_when_to_try_again() {
    let pod = Pod::new();
    let front = Front::new(1, &[&pod]);
    front.show(|world| world.replicas.clear());
    let waits = front.asking("waits", "/");
    front.until(|front| front.waiting() == 1).await;
    let detail = "pod m-1: no node fits: 3 of 3 nodes lack free nvidia.com/gpu";
    let out = |expected: Option<u64>, after: Option<u64>| {
        front.show(|world| {
            let now = tokio::time::Instant::now().into_std();
            world.expected = expected.map(|expected| now + Duration::from_secs(expected));
            world.outage = Some(Arc::new(Outage {
                reason: OutageReason::Unschedulable,
                detail: detail.to_owned(),
                next_attempt: after.map(|after| now + Duration::from_secs(after)),
            }));
        });
    };
    out(None, None);
    let waits = waits.await.expect("no panic");
    assert_eq!(waits.told(), (503, Some("unschedulable")));
    assert_eq!(waits.json()["detail"], detail);
    assert_eq!(waits.header("retry-after"), Some("30"), "nobody knows");
    out(Some(42), None);
    let answer = front.ask("starts", "/v1/chat/completions").await;
    assert_eq!(answer.told(), (503, Some("unschedulable")));
    assert_eq!(answer.header("retry-after"), Some("42"));
    let error = serde_json::json!({ "error": {
        "message": detail, "type": "service_unavailable",
        "param": null, "code": "unschedulable",
    }});
    assert_eq!(answer.json(), error);
    // What a quota keeps is asked for again then.
    out(Some(42), Some(20));
    let answer = front.ask("quota", "/").await;
    let retry: u64 = answer
        .header("retry-after")
        .expect("told")
        .parse()
        .expect("a number");
    assert!((18..=20).contains(&retry), "{retry}");
    assert_eq!(front.stats.rejections.read(), [("unschedulable", 3)]);
}
