use serde_json::json;
use tokio::sync::watch;

use super::cluster::object;
use super::*;
use crate::app::gateway::real::Herald;
use crate::backend::kubernetes::{Announcer, Notice, Obstacle, Reason};

fn with(obstacle: Obstacle) -> Claim {
    Claim {
        obstacle: Some(obstacle),
        ..claim("m.ns", 0, json!({ "limit": 1 }))
    }
}

fn free() -> Claim {
    claim("m.ns", 0, json!({ "limit": 1 }))
}

fn hpa() -> Obstacle {
    Obstacle::SteeredBy(object("HorizontalPodAutoscaler", "theirs.ns"))
}

#[tokio::test(start_paused = true)]
async fn what_another_autoscaler_steers_is_passed_on_to_and_not_scaled() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(with(hpa())).await;
    assert_eq!(scene.cluster.told(), ["m SteeredByHorizontalPodAutoscaler"]);
    let first = scene.ask("m.ns").admitted();
    let second = scene.ask("m.ns").waits();
    tokio::time::sleep(secs(200)).await;
    drop((first, second));
    tokio::time::sleep(secs(200)).await;
    assert_eq!(
        scene.cluster.asked("m.ns"),
        [0; 0],
        "the limit holds, nothing is scaled"
    );
    let report = scene.report("m.ns").await;
    let remark = report["remarks"][0].to_string();
    assert!(
        remark.contains("HorizontalPodAutoscaler theirs scales it"),
        "{remark}"
    );
    assert_eq!(report["desired"], json!(null));

    scene.claim(free()).await;
    assert_eq!(scene.cluster.told(), ["m Managed"]);
    let _waits = (scene.ask("m.ns").admitted(), scene.ask("m.ns").waits());
    tokio::time::sleep(secs(4)).await;
    assert_eq!(scene.cluster.asked("m.ns").last(), Some(&2));
    assert_eq!(scene.report("m.ns").await["desired"], 2);
}

#[tokio::test(start_paused = true)]
async fn an_obstacle_that_appears_has_it_let_go_and_taken_back_when_it_is_gone() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(free()).await;
    let inside = scene.ask("m.ns").admitted();
    tokio::time::sleep(secs(1)).await;
    scene.claim(with(hpa())).await;
    let pods = scene.cluster.pods_of("m.ns").expect("it was ours");
    assert!(!pods.tenure.borrow().steers);
    let before = scene.cluster.asked("m.ns");
    let waits = scene.ask("m.ns").waits();
    tokio::time::sleep(secs(300)).await;
    assert_eq!(scene.cluster.asked("m.ns"), before);
    scene.claim(free()).await;
    assert!(pods.tenure.borrow().steers);
    drop(inside);
    waits.await.expect("a slot");
    assert_eq!(
        scene.cluster.told(),
        [
            "m Managed",
            "m SteeredByHorizontalPodAutoscaler",
            "m Managed"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_kserve_scales_itself_is_not_touched_and_who_asks_is_told_why() {
    for (obstacle, reason, why) in [
        (
            Obstacle::AutoscalerClass("hpa".into()),
            "AutoscalerClass",
            "autoscaler class hpa",
        ),
        (
            Obstacle::DeploymentMode("Knative".into()),
            "DeploymentMode",
            "mode Knative",
        ),
        (
            Obstacle::NameTaken(object("StatefulSet", "m.ns")),
            "NameTaken",
            "StatefulSet ns/m",
        ),
    ] {
        let mut scene = Scene::new();
        scene.cluster.deploy("m.ns", 1);
        scene.claim(with(obstacle)).await;
        scene.apply().await;
        assert_eq!(scene.cluster.told(), [format!("m {reason}")]);
        let Asked::Refused("no_route", said) = scene.ask("m.ns") else {
            panic!("{reason}: wanted a refusal");
        };
        assert!(said.contains(why), "{said}");
        assert!(
            scene.cluster.pods_of("m.ns").is_none(),
            "nobody looks after it"
        );
        let report = scene.report("m.ns").await;
        assert_eq!(report["owner"], "Deployment ns/m");
        let left_alone = report["leftAlone"].to_string();
        assert!(left_alone.contains(why), "{left_alone}");
        scene.claim(free()).await;
        scene.ask("m.ns").admitted();
    }
}

#[tokio::test(start_paused = true)]
async fn settings_of_what_is_not_ours_are_nobodys_business() {
    let mut scene = Scene::new();
    let mut bad = with(Obstacle::AutoscalerClass("hpa".into()));
    bad.settings = claim("m.ns", 0, json!({ "bad": "abc" })).settings;
    scene.claim(bad).await;
    assert_eq!(scene.cluster.told(), ["m AutoscalerClass"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_sends_away_who_waits_and_who_comes_and_keeps_what_is_inside() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(free()).await;
    let inside = scene.ask("m.ns").admitted();
    let waits = scene.ask("m.ns").waits();
    scene.claim(with(Obstacle::Stopped)).await;
    assert_eq!(sent_away(waits).await, "stopped");
    assert_eq!(scene.ask("m.ns").refused(), "stopped");
    let pods = scene.cluster.pods_of("m.ns").expect("it was ours");
    assert!(pods.settings.lock().stopped && !pods.tenure.borrow().steers);

    scene.claim(free()).await;
    assert!(!pods.settings.lock().stopped);
    let waits = scene.ask("m.ns").waits();
    drop(inside);
    waits.await.expect("the slot that was inside all the time");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_what_is_deleted_is_sent_away_and_what_is_inside_stays() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(free()).await;
    let inside = scene.ask("m.ns").admitted();
    let waits = scene.ask("m.ns").waits();
    let pods = scene.cluster.pods_of("m.ns").expect("it is ours");
    scene.gone("m.ns").await;
    assert_eq!(sent_away(waits).await, "no_route");
    assert!(matches!(scene.ask("m.ns"), Asked::NoRoute));
    assert!(!pods.tenure.borrow().steers);
    let before = scene.cluster.asked("m.ns");
    tokio::time::sleep(secs(300)).await;
    assert_eq!(scene.cluster.asked("m.ns"), before, "nothing is scaled");

    // Claimed again while a request is still inside: its slot counts.
    scene.claim(free()).await;
    let waits = scene.ask("m.ns").waits();
    drop(inside);
    waits.await.expect("a slot");
    assert_eq!(scene.report("m.ns").await["inFlight"], 0);
}

#[tokio::test(start_paused = true)]
async fn of_several_gateways_the_one_that_steers_tells() {
    let mut scene = Scene::new();
    let tenure = |steers| Tenure {
        steers,
        heard: true,
    };
    scene.gateway.reign(tenure(false));
    scene.cluster.deploy("m.ns", 1);
    scene.claim(with(hpa())).await;
    assert_eq!(scene.cluster.told(), [""; 0]);
    scene.gateway.reign(tenure(true));
    assert_eq!(scene.cluster.told(), ["m SteeredByHorizontalPodAutoscaler"]);

    let steers = watch::Sender::new(tenure(false));
    let herald = Herald {
        to: Arc::clone(&scene.cluster),
        tenure: steers.subscribe(),
    };
    let ready = Notice {
        about: object("Deployment", "m.ns"),
        reason: Reason::ReplicaReady,
        message: "m-1 is ready".to_owned(),
    };
    herald.announce(ready.clone());
    assert_eq!(scene.cluster.told(), [""; 0]);
    steers.send_replace(tenure(true));
    herald.announce(ready);
    assert_eq!(scene.cluster.told(), ["m ReplicaReady"]);
}
