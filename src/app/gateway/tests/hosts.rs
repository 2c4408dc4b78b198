use serde_json::json;

use super::*;
use crate::backend::kubernetes::{Obstacle, Reason};

fn wants(name: &str, age: u64, hosts: &str) -> Claim {
    claim(name, age, json!({ "hosts": hosts }))
}

fn leads(scene: &Scene, host: &str) -> Option<String> {
    Some(scene.at(host)?.spec.id.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_older_keeps_a_host_and_the_younger_gets_it_when_the_older_goes() {
    let mut scene = Scene::new();
    scene.claim(wants("old.ns", 20, "h")).await;
    scene.claim(wants("young.ns", 10, "h y")).await;
    assert_eq!(leads(&scene, "h").as_deref(), Some("old.ns"));
    assert_eq!(leads(&scene, "y").as_deref(), Some("young.ns"));
    let said = scene.cluster.said();
    let taken: Vec<_> = said
        .iter()
        .filter(|n| n.reason == Reason::HostTaken)
        .collect();
    assert_eq!(taken.len(), 1, "{said:?}");
    assert_eq!(&*taken[0].about.name, "young");
    assert_eq!(
        taken[0].message,
        "host h leads to old.ns, which is older, and not here"
    );
    assert_eq!(scene.report("young.ns").await["hosts"], json!(["y"]));

    scene.gone("old.ns").await;
    assert_eq!(leads(&scene, "h").as_deref(), Some("young.ns"));
    assert_eq!(scene.report("young.ns").await.get("remarks"), None);
    assert_eq!(scene.cluster.told(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_older_keeps_a_model_of_which_several_say_that_it_is_theirs() {
    let mut scene = Scene::new();
    let wants = |name, age| claim(name, age, json!({ "models": "m" }));
    scene.claim(wants("young.ns", 10)).await;
    scene.claim(wants("old.ns", 20)).await;
    let leads = |scene: &Scene| {
        let found = scene.registry.by_model("m");
        found.map(|revision| revision.spec.id.to_string())
    };
    assert_eq!(leads(&scene).as_deref(), Some("old.ns"));
    let said = scene.cluster.said();
    let taken = said.iter().find(|n| n.reason == Reason::ModelTaken);
    assert_eq!(
        taken.map(|n| n.message.as_str()),
        Some("model m leads to old.ns, which is older, and not here")
    );
    scene.gone("old.ns").await;
    assert_eq!(leads(&scene).as_deref(), Some("young.ns"));
}

#[tokio::test(start_paused = true)]
async fn an_older_one_that_comes_later_gets_the_host() {
    let mut scene = Scene::new();
    scene.claim(wants("young.ns", 10, "h")).await;
    scene.claim(wants("old.ns", 20, "h")).await;
    assert_eq!(leads(&scene, "h").as_deref(), Some("old.ns"));
    assert_eq!(
        scene.cluster.told().last().map(String::as_str),
        Some("young HostTaken")
    );
}

#[tokio::test(start_paused = true)]
async fn who_serves_nobody_keeps_a_host_from_nobody() {
    let mut scene = Scene::new();
    let stopped = Claim {
        obstacle: Some(Obstacle::AutoscalerClass("hpa".into())),
        ..wants("old.ns", 20, "h")
    };
    scene.claim(stopped).await;
    assert_eq!(leads(&scene, "h").as_deref(), Some("old.ns"));
    scene.cluster.said();
    scene.claim(wants("young.ns", 10, "h")).await;
    assert_eq!(leads(&scene, "h").as_deref(), Some("young.ns"));
    let said = scene.cluster.said();
    let taken = said.iter().find(|n| n.reason == Reason::HostTaken);
    assert_eq!(
        taken.map(|n| (&*n.about.name, n.message.as_str())),
        Some(("old", "host h leads to young.ns and not here"))
    );
}
