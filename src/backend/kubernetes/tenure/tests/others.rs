//! The other gateways, as their pods tell of them.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_gateway_is_alone_while_no_other_runs_or_is_on_its_way() {
    let server = Server::default();
    server.put(&format!("{PODS}/a"), pod("a", true, None));
    let ours = gateway(&server, "a");
    assert!(!ours.alone(), "not before it was seen");
    pass(seconds(1)).await;
    assert!(ours.alone(), "our own pod is not another");
    let other = format!("{PODS}/b");
    for ready in [false, true] {
        server.put(&other, pod("b", ready, None));
        pass(seconds(1)).await;
        assert!(!ours.alone(), "it may answer requests");
    }
    let mut leaving = pod("b", true, Some(wall() + seconds(30)));
    server.put(&other, leaving.clone());
    pass(seconds(60)).await;
    assert!(!ours.alone(), "nobody has said that it has ended");
    leaving["status"]["containerStatuses"][0]["state"] = json!({ "terminated": { "exitCode": 0 } });
    server.put(&other, leaving);
    pass(seconds(1)).await;
    assert!(ours.alone());
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
