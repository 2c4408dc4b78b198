//! Which callers of Services are led through the gate.

use serde_json::{Value, json};

use super::cluster::claim;
use super::*;
use crate::backend::kubernetes::objects::{Container, Port, Template};
use crate::backend::kubernetes::{ObjectRef, Obstacle};

/// One with a Service of this name, and a model server at port 9000 called `http`.
fn with_service(name: &str, service: &str, settings: Value) -> Claim {
    let port = Port {
        name: Some("http".into()),
        number: 9000,
    };
    let container = Container {
        ports: vec![port],
        ..Container::default()
    };
    let template = Template {
        containers: vec![container],
        ..Template::default()
    };
    let mut claim = claim(name, 1, settings);
    claim.template = Some(Arc::new(template));
    claim.services.insert(service.to_owned(), Vec::new());
    claim
}

fn led(scene: &Scene) -> Vec<String> {
    scene
        .cluster
        .led
        .lock()
        .wished
        .keys()
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn those_are_led_that_are_ours_and_want_it() {
    let mut scene = Scene::new();
    let path = |path: &str| json!({ "path": path });
    scene
        .claim(with_service("plain.ns", "plain", json!({})))
        .await;
    scene
        .claim(with_service("zero.ns", "zero", path("takeover")))
        .await;
    scene
        .claim(with_service("all.ns", "all", path("always")))
        .await;
    assert_eq!(led(&scene), ["all.ns", "zero.ns"]);
    {
        let led = scene.cluster.led.lock();
        let passage = &led.wished[&RevisionId::new("zero.ns")];
        assert_eq!(passage.path, CallerPath::Takeover);
        assert_eq!(
            (passage.server.port, passage.server.names["http"]),
            (9000, 9000)
        );
        assert!(passage.services.contains("zero"));
    }
    let exit = |name: &str| {
        scene
            .cluster
            .pods_of(name)
            .map(|pods| pods.settings.lock().exit.is_some())
    };
    assert_eq!(
        (exit("zero.ns"), exit("plain.ns")),
        (Some(true), Some(false))
    );
    let mut steered = with_service("all.ns", "all", path("always"));
    steered.obstacle = Some(Obstacle::SteeredBy(ObjectRef {
        kind: "HorizontalPodAutoscaler".into(),
        ..steered.owner.clone()
    }));
    scene.claim(steered).await;
    scene.gone("zero.ns").await;
    assert_eq!(led(&scene), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_service_of_two_and_one_of_nobody_knows_whom_are_named() {
    let mut scene = Scene::new();
    let always = || json!({ "path": "always" });
    scene.claim(with_service("one.ns", "both", always())).await;
    scene.claim(with_service("two.ns", "both", json!({}))).await;
    scene
        .claim(with_service("odd.ns", "odd", json!({ "bad": "ten" })))
        .await;
    let mut canary = with_service("three.ns", "canary", always());
    canary.shared.insert("canary".to_owned());
    scene.claim(canary).await;
    let led = scene.cluster.led.lock().clone();
    let names = |places: &std::collections::BTreeSet<(Arc<str>, Arc<str>)>| {
        let names = places.iter().map(|(_, name)| name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&led.shared), names(&led.unknown)),
        (
            vec!["both".to_owned(), "canary".to_owned()],
            vec!["odd".to_owned()]
        )
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_measured_by_requests_that_nobody_sees_is_told() {
    let mut scene = Scene::new();
    scene.cluster.deploy("zero.ns", 1);
    scene
        .claim(with_service(
            "zero.ns",
            "zero",
            json!({ "path": "takeover" }),
        ))
        .await;
    assert!(
        scene
            .cluster
            .told()
            .contains(&"zero PathUnmeasured".to_owned())
    );
    scene
        .claim(with_service("zero.ns", "zero", json!({ "path": "always" })))
        .await;
    assert!(
        !scene
            .cluster
            .told()
            .contains(&"zero PathUnmeasured".to_owned())
    );
}
