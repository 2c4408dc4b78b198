use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::autoscale::{Memory, TypicalPhases};
use crate::backend::kubernetes::tests_server::Server;
use crate::state::Keeper;
use crate::sync::wall;

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

#[tokio::test(start_paused = true)]
async fn what_was_learned_of_starts_is_known_to_who_looks_after_the_pods() {
    let told = watch::Sender::new(HOLDS).subscribe();
    let (keeper, _) = Keeper::in_cluster(
        Server::default().client(),
        "holdgate-system",
        told,
        watch::Sender::new(false),
    )
    .await;
    let (id, start) = (RevisionId::new("m.ns"), Some(secs(70)));
    let phases = TypicalPhases {
        pull: Some(secs(40)),
        load: Some(secs(30)),
        ..TypicalPhases::default()
    };
    let memory = Memory::default();
    keeper.notebook().note(&id, &memory, start, phases, wall());
    let mut scene = Scene::knowing(HOLDS, Some(keeper.notebook().clone()));
    scene.cluster.deploy("m.ns", 0);
    scene.claim(claim("m.ns", 0, json!({}))).await;
    let pods = scene
        .cluster
        .pods_of("m.ns")
        .expect("they are looked after");
    let settings = pods.settings.lock().clone();
    assert_eq!(
        (settings.typical_start, settings.typical_phases),
        (start, phases)
    );
}
