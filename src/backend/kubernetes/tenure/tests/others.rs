//! The other gateways, as their pods tell of them.

use super::*;

#[tokio::test(start_paused = true)]
async fn another_gateway_counts_while_it_may_answer_requests() {
    let server = Server::default();
    server.put(&format!("{PODS}/a"), pod("a", true, None));
    let ours = gateway(&server, "a");
    assert!(!ours.alone(), "not before it was seen");
    pass(seconds(1)).await;
    assert!(ours.alone(), "our own pod is not another");

    let other = format!("{PODS}/b");
    let mut pending = pod("b", false, None);
    pending["status"]["containerStatuses"] = json!([]);
    for (seen, alone) in [
        (pending, true),
        (pod("b", false, None), true),
        (pod("b", true, None), false),
    ] {
        server.put(&other, seen.clone());
        pass(Duration::from_millis(100)).await;
        assert_eq!(ours.alone(), alone, "{seen}");
    }

    server.put(&other, pod("b", true, Some(wall() + seconds(30))));
    pass(seconds(34)).await;
    assert!(!ours.alone(), "it may finish what it has");
    pass(seconds(2)).await;
    assert!(ours.alone(), "it should be gone, whoever says so");

    server.delete(&other);
    let mut leaving = pod("b", true, Some(wall() + seconds(30)));
    server.put(&other, leaving.clone());
    pass(seconds(1)).await;
    assert!(!ours.alone());
    leaving["status"]["containerStatuses"][0]["state"] = json!({ "terminated": { "exitCode": 0 } });
    server.put(&other, leaving);
    pass(seconds(1)).await;
    assert!(ours.alone(), "it has ended before its time");

    server.put(&other, pod("b", true, None));
    pass(seconds(1)).await;
    assert!(!ours.alone());
    server.delete(&other);
    pass(seconds(1)).await;
    assert!(ours.alone());
}

#[tokio::test(start_paused = true)]
async fn another_clock_at_the_api_server_shortens_nobodys_end() {
    let server = Server::default();
    server.put(&format!("{PODS}/a"), pod("a", true, None));
    let ours = gateway(&server, "a");
    let other = format!("{PODS}/b");
    for skew in [0, 600] {
        server.put(&other, pod("b", true, None));
        pass(seconds(1)).await;
        server.put(&other, pod("b", true, Some(wall() - seconds(skew))));
        for _ in 0..34 {
            pass(seconds(1)).await;
            assert!(!ours.alone(), "it may finish what it has");
            // Whatever else is told of it, its time has begun.
            server.put(&other, pod("b", false, Some(wall() - seconds(skew))));
        }
        pass(seconds(2)).await;
        assert!(ours.alone(), "it should be gone");
    }
}

#[tokio::test(start_paused = true)]
async fn another_gateway_that_is_not_ready_any_more_may_still_have_requests() {
    let server = Server::default();
    server.put(&format!("{PODS}/a"), pod("a", true, None));
    let ours = gateway(&server, "a");
    let at = |second: u64| timestamp(SystemTime::UNIX_EPOCH + seconds(second)).to_string();
    // Not ready since before it ran, and since then.
    for (since, alone) in [(100, true), (101, true), (102, false)] {
        let mut other = pod("b", false, None);
        other["status"]["conditions"][0]["lastTransitionTime"] = at(since).into();
        other["status"]["containerStatuses"][0]["state"] =
            json!({ "running": { "startedAt": at(101) } });
        server.put(&format!("{PODS}/b"), other);
        pass(seconds(1)).await;
        assert_eq!(ours.alone(), alone, "not ready since {since}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_others_are_seen_as_soon_as_they_are_told_of() {
    let server = Server::default();
    server.put(&format!("{PODS}/a"), pod("a", true, None));
    let ours = gateway(&server, "a");
    ours.comes().await;
    for away in [5, 20, 300] {
        assert!(ours.alone());
        server.fail_always(Some(Fault::Away));
        pass(seconds(away)).await;
        server.put(&format!("{PODS}/b"), pod("b", true, None));
        server.fail_always(None);
        pass(seconds(1) + Duration::from_millis(100)).await;
        assert!(!ours.alone(), "after {away} s");
        assert!(ours.steers(), "after {away} s");
        server.delete(&format!("{PODS}/b"));
        pass(seconds(1)).await;
    }
}
