use serde_json::json;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_taken_over_keeps_its_replicas_for_a_window() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 3);
    scene.claim(claim("m.ns", 0, json!({}))).await;
    let said = scene.cluster.said();
    let wanted = "managed by holdgate: 3 replicas now, to zero after 1m 30s without requests";
    assert_eq!(
        said.last().map(|n| (n.reason.as_str(), n.message.as_str())),
        Some(("Managed", wanted))
    );
    tokio::time::sleep(secs(59)).await;
    assert_eq!(scene.cluster.asked("m.ns"), [3]);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(scene.cluster.asked("m.ns").last(), Some(&0));
    assert_eq!(scene.cluster.told(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_has_the_first_replica_started_at_once() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 0);
    scene.claim(claim("m.ns", 0, json!({}))).await;
    tokio::time::sleep(secs(5)).await;
    assert_eq!(scene.cluster.asked("m.ns"), [0; 0]);
    let waits = scene.ask("m.ns").waits();
    waits.await.expect("a replica");
    assert_eq!(scene.cluster.asked("m.ns"), [1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_scaled_without_the_lease() {
    let mut scene = Scene::with(WAITS);
    scene.cluster.deploy("m.ns", 0);
    scene.cluster.deploy("n.ns", 2);
    scene.claim(claim("m.ns", 0, json!({ "min": 1 }))).await;
    scene.claim(claim("n.ns", 0, json!({}))).await;
    let waits = scene.ask("m.ns").waits();
    scene.ask("n.ns").admitted();
    tokio::time::sleep(secs(300)).await;
    assert_eq!(
        (scene.cluster.asked("m.ns"), scene.cluster.asked("n.ns")),
        (vec![], vec![])
    );
    assert_eq!(scene.cluster.told(), [""; 0]);

    scene.gateway.reign(HOLDS);
    waits.await.expect("a replica");
    scene.gateway.reign(WAITS);
    settle().await;
    let asked = scene.cluster.asked("n.ns");
    tokio::time::sleep(secs(300)).await;
    assert_eq!(scene.cluster.asked("n.ns"), asked, "the lease is lost");
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_not_there_yet_is_steered_when_it_comes() {
    let mut scene = Scene::new();
    scene.claim(claim("m.ns", 0, json!({}))).await;
    let waits = scene.ask("m.ns").waits();
    tokio::time::sleep(secs(10)).await;
    assert_eq!(scene.cluster.asked("m.ns"), [0; 0]);
    scene.cluster.deploy("m.ns", 0);
    waits.await.expect("a replica");
    assert_eq!(scene.cluster.asked("m.ns"), [1]);
}

#[tokio::test(start_paused = true)]
async fn pods_are_left_as_they_are_when_a_gateway_ends() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 2);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let inside = scene.ask("m.ns").admitted();
    let other = scene.ask("m.ns").admitted();
    let waits = scene.ask("m.ns").waits();
    scene.gateway.let_go();
    let asked = scene.cluster.asked("m.ns");
    tokio::time::sleep(secs(300)).await;
    assert_eq!(scene.cluster.asked("m.ns"), asked);
    drop(other);
    let served = waits.await.expect("served on");
    let waits = scene.ask("m.ns").waits();
    scene.gateway.dismiss();
    assert_eq!(sent_away(waits).await, "draining");
    drop((inside, served));
}
