//! A revision whose owner stops it, or that is deleted.

use holdgate::ports::{Outage, OutageReason};

use super::pod::Pod;
use super::{Client, Front, get};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_revision_answers_at_once_and_serves_again_when_it_is_started() {
    let pod = Pod::new();
    let front = Front::new(1, &[&pod]);
    let inside = front.asking("inside", "/?hold");
    front.until(|_| pod.at_work() == 1).await;
    let waits = front.asking("waits", "/");
    front.until(|front| front.waiting() == 1).await;

    front.out(Some(OutageReason::Stopped));
    let waits = waits.await.expect("no panic");
    for answer in [waits, front.ask("new", "/").await] {
        assert_eq!(answer.told(), (503, Some("stopped")));
        assert_eq!(answer.header("retry-after"), None, "waiting does not help");
        assert_eq!(answer.json()["detail"], "its owner has stopped it");
        assert_eq!(answer.json()["reason"], "stopped");
    }
    let chat = front.ask("chat", "/v1/chat/completions").await;
    assert_eq!(chat.told(), (503, Some("stopped")));
    let error = serde_json::json!({ "error": {
        "message": "its owner has stopped it", "type": "service_unavailable",
        "param": null, "code": "stopped",
    }});
    assert_eq!(chat.json(), error);
    assert_eq!(front.throttler.peek().in_flight, 1, "only who is inside");
    pod.let_go();
    assert_eq!(inside.await.expect("no panic").code(), 200);

    front.out(None);
    assert_eq!(front.ask("again", "/").await.code(), 200);
    assert_eq!(pod.seen(), ["inside", "again"]);
    assert_eq!(front.stats.rejections.read(), [("stopped", 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_revision_ends_who_waits_and_finishes_what_runs() {
    let pod = Pod::new();
    let front = Front::new(1, &[&pod]);
    let inside = front.asking("inside", "/?hold");
    front.until(|_| pod.at_work() == 1).await;
    let waits = [front.asking("a", "/"), front.asking("b", "/v1/completions")];
    front.until(|front| front.waiting() == 2).await;

    front.remove();
    front.throttler.close(Outage {
        reason: OutageReason::Removed,
        detail: "m.ns was deleted".to_owned(),
        next_attempt: None,
    });
    for answer in waits {
        let answer = answer.await.expect("no panic");
        assert_eq!(answer.told(), (404, Some("no_route")));
        assert_eq!(answer.header("retry-after"), None);
        assert!(answer.body.contains("m.ns was deleted"), "{}", answer.body);
    }
    let new = Client::connect(front.address)
        .await
        .ask(get("new", "/"))
        .await;
    assert_eq!(new.told(), (404, Some("no_route")));
    pod.let_go();
    assert_eq!(inside.await.expect("no panic").told(), (200, None));
    assert_eq!(pod.seen(), ["inside"]);
}
