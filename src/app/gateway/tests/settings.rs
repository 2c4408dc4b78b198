use serde_json::json;

use super::cluster::object;
use super::*;
use crate::backend::kubernetes::{Gravity, Obstacle, Remark};

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_holds_at_once_and_nothing_is_started_anew() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let first = scene.ask("m.ns").admitted();
    let mut second = scene.ask("m.ns").waits();
    let throttler = Arc::clone(&scene.at("m.ns").expect("it is there").throttler);

    scene.claim(claim("m.ns", 0, json!({ "limit": 2 }))).await;
    let granted = tokio::time::timeout(Duration::ZERO, &mut second).await;
    granted.expect("at once").expect("a slot");
    let same = scene.at("m.ns").expect("it is there");
    assert!(Arc::ptr_eq(&throttler, &same.throttler));
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn settings_that_go_bad_are_told_once_and_the_last_good_ones_stay() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 3 }))).await;
    assert_eq!(scene.cluster.told(), ["m Managed"]);

    scene.claim(claim("m.ns", 0, json!({ "bad": "abc" }))).await;
    scene.apply().await;
    let said = scene.cluster.said();
    let [notice] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(
        (notice.reason.as_str(), notice.reason.gravity()),
        ("InvalidSettings", Gravity::Warning)
    );
    assert!(notice.message.contains("not abc"), "{}", notice.message);
    assert!(
        notice.message.ends_with("the last good settings stay"),
        "{}",
        notice.message
    );
    let report = scene.report("m.ns").await;
    assert_eq!(report["containerConcurrency"], 3);
    assert!(
        report["remarks"][0].to_string().contains("not abc"),
        "{report}"
    );
    scene.ask("m.ns").admitted();

    scene.claim(claim("m.ns", 0, json!({ "bad": "x" }))).await;
    assert_eq!(
        scene.cluster.told(),
        ["m InvalidSettings"],
        "it reads differently"
    );
    scene.claim(claim("m.ns", 0, json!({ "limit": 4 }))).await;
    assert_eq!(scene.cluster.told(), [""; 0]);
    let report = scene.report("m.ns").await;
    assert_eq!(
        (&report["containerConcurrency"], report.get("remarks")),
        (&json!(4), None)
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_never_understood_is_left_alone_and_told() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 2);
    scene.claim(claim("m.ns", 0, json!({ "bad": "abc" }))).await;
    scene.apply().await;
    assert_eq!(scene.cluster.told(), ["m InvalidSettings"]);
    assert!(matches!(scene.ask("m.ns"), Asked::NoRoute));
    assert!(
        scene.cluster.pods_of("m.ns").is_none(),
        "nobody looks after it"
    );
    let report = scene.report("m.ns").await;
    assert!(
        report["leftAlone"].to_string().contains("not abc"),
        "{report}"
    );

    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    assert_eq!(scene.cluster.told(), ["m Managed"]);
    scene.ask("m.ns").admitted();
    scene.claim(claim("n.ns", 0, json!({ "bad": "abc" }))).await;
    scene.gone("n.ns").await;
    assert_eq!(scene.report("n.ns").await, serde_json::Value::Null);
}

#[tokio::test(start_paused = true)]
async fn everything_is_read_again_where_defaults_have_changed() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let doubled = |claim: &Claim| {
        let mut read = read(claim)?;
        read.spec.container_concurrency = ContainerConcurrency::new(2);
        Ok(read)
    };
    scene.gateway.apply(&scene.claims, &doubled, false);
    assert_eq!(scene.report("m.ns").await["containerConcurrency"], 1);
    scene.gateway.apply(&scene.claims, &doubled, true);
    assert_eq!(scene.report("m.ns").await["containerConcurrency"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_gives_up_before_a_cold_start_may_end_is_told() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 0);
    let with_route = |seconds, cold| {
        let route = object("HTTPRoute", "route.ns");
        let timeout = secs(seconds);
        let mut claim = claim("m.ns", 0, json!({ "cold": cold }));
        claim.remarks = vec![Remark { route, timeout }];
        claim
    };
    scene.claim(with_route(60, 60)).await;
    assert_eq!(scene.cluster.told(), ["m Managed"]);
    scene.claim(with_route(60, 600)).await;
    let said = scene.cluster.said();
    let said: Vec<_> = said
        .iter()
        .map(|n| (n.reason.as_str(), n.message.as_str()))
        .collect();
    let wanted = "HTTPRoute ns/route lets a request take 1m, a request may wait 10m for a cold \
                  start (queue.coldTimeout): the route gives up first";
    assert_eq!(said, [("RouteTimeout", wanted)]);
    let report = scene.report("m.ns").await;
    assert_eq!(report["remarks"], json!([wanted]));
    scene.claim(with_route(600, 600)).await;
    assert_eq!(scene.report("m.ns").await.get("remarks"), None);
}

#[tokio::test(start_paused = true)]
async fn one_claim_that_changes_touches_no_other() {
    let mut scene = Scene::new();
    for name in ["a.ns", "b.ns"] {
        scene.cluster.deploy(name, 1);
        scene.claim(claim(name, 0, json!({ "limit": 1 }))).await;
    }
    let before = ["a.ns", "b.ns"].map(|host| scene.at(host).expect("it is there"));
    scene.claim(claim("b.ns", 0, json!({ "limit": 2 }))).await;
    let after = ["a.ns", "b.ns"].map(|host| scene.at(host).expect("it is there"));
    assert!(Arc::ptr_eq(&before[0], &after[0]));
    assert_eq!(after[1].spec.container_concurrency.written(), 2);
    // A host that is lost to an older one, and comes back when that goes.
    let older = json!({ "hosts": "b.ns", "limit": 3 });
    scene.claim(claim("c.ns", 100, older)).await;
    let limit = |scene: &Scene| {
        scene
            .at("b.ns")
            .map(|it| it.spec.container_concurrency.written())
    };
    assert_eq!(limit(&scene), Some(3));
    scene.gone("c.ns").await;
    assert_eq!(limit(&scene), Some(2));
    let again = scene.at("a.ns").expect("it is there");
    assert!(Arc::ptr_eq(&before[0], &again));
}

#[tokio::test(start_paused = true)]
async fn what_takes_the_name_of_another_takes_its_place() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let before = scene.at("m.ns").expect("it is there");
    let mut other = claim("m.ns", 0, json!({ "limit": 2 }));
    other.owner.uid = "another".into();
    scene.claim(other.clone()).await;
    let after = scene.at("m.ns").expect("it is there");
    assert!(!Arc::ptr_eq(&before.throttler, &after.throttler));
    assert_eq!(scene.report("m.ns").await["name"], "m.ns", "it is shown");
    let mut stopped = other.clone();
    stopped.owner.uid = "a stopped one".into();
    stopped.obstacle = Some(Obstacle::Stopped);
    scene.claim(stopped).await;
    let remarks = scene.report("m.ns").await["remarks"].clone();
    let wanted = "stopped (serving.kserve.io/stop), requests are refused";
    assert_eq!(remarks, json!([wanted]), "so is one that serves nobody");
    other.owner.uid = "a third".into();
    other.settings = claim("m.ns", 0, json!({ "bad": "nonsense" })).settings;
    scene.claim(other).await;
    assert!(scene.at("m.ns").is_none(), "nobody understands this one");
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_while_requests_are_inside_is_found_again() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let inside = scene.ask("m.ns").admitted();
    scene.gone("m.ns").await;
    assert!(scene.at("m.ns").is_none());
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let waits = scene.ask("m.ns").waits();
    drop(inside);
    settle().await;
    drop(waits.await.expect("its slot"));
}
