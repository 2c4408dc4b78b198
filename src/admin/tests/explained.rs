//! What was decided, and why, as people and programs read it.

use axum::body::Body;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{SECOND, Scene};
use crate::autoscale::Shortage;

#[tokio::test(start_paused = true)]
async fn decisions_are_told_newest_first_with_every_number() {
    let scene = Scene::new().await;

    let told = scene.json("/revisions/flowers/decisions").await;

    let told = told.as_array().unwrap();
    let rows: Vec<_> = told
        .iter()
        .map(|d| (&d["secondsAgo"], &d["firstSecondsAgo"], &d["count"]))
        .collect();
    let (half, begin) = (json!(0.5), json!(4.5));
    assert_eq!(
        rows,
        [(&half, &json!(2.5), &json!(2)), (&begin, &begin, &json!(1))]
    );
    let want = json!({
        "secondsAgo": 0.5, "firstSecondsAgo": 2.5, "count": 2,
        "ready": 1, "starting": 1, "busy": 1, "idleSeconds": null, "typicalStartMs": 9000.0,
        "scheduled": null, "shortage": null,
        "readings": [{"metric": "concurrency", "target": 1.0, "stable": 2.0, "panic": 2.0}],
        "metric": "concurrency",
        "stable": 2.0, "panic": 2.0, "stableWindowSeconds": 60.0, "panicWindowSeconds": 6.0,
        "target": 1.0, "wishes": {"stable": 2, "panic": 2}, "mode": "stable",
        "condition": "active", "fromPanic": false, "clamps": [], "replicas": 2, "held": null,
        "boundBy": "none",
        "reason": "2 requests in flight on average over 60 s at target 1",
    });
    assert_eq!(told[0], want);
    assert_eq!(told[1]["replicas"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_holds_a_number_is_told_with_how_long_it_does() {
    let mut scene = Scene::new().await;
    scene.world.send_modify(|world| {
        world.replicas.truncate(1);
        world.shortage = Some(Shortage::NoFreeGpu);
    });
    tokio::time::sleep(2 * SECOND).await;
    let told = scene.json("/revisions/flowers/decisions").await;
    assert_eq!(told[0]["held"], "no_free_gpu");
    assert_eq!(told[0]["shortage"], "no_free_gpu");
    let text = scene.metrics().await;
    let counted = r#"holdgate_decisions_total{revision="flowers",bound_by="no_free_gpu"} 1"#;
    assert!(text.contains(counted), "{text}");
    let others = [
        (Shortage::NoNode, "unschedulable"),
        (Shortage::Quota, "quota"),
        (Shortage::Refused, "refused"),
    ];
    for (shortage, word) in others {
        scene
            .world
            .send_modify(|world| world.shortage = Some(shortage));
        tokio::time::sleep(2 * SECOND).await;
        let told = scene.json("/revisions/flowers/decisions").await;
        assert_eq!(
            (&told[0]["held"], &told[0]["shortage"]),
            (&json!(word), &json!(word))
        );
        assert_eq!(scene.json("/revisions/flowers").await["boundBy"], word);
    }

    scene.world.send_modify(|world| world.shortage = None);
    scene.requests.clear();
    tokio::time::sleep(70 * SECOND).await;
    let told = scene.json("/revisions/flowers/decisions").await;
    let clamps = json!([{"by": "scale_to_zero_grace", "to": null, "untilSeconds": 24.0}]);
    assert_eq!(told[0]["clamps"], clamps);
}

#[tokio::test(start_paused = true)]
async fn an_explanation_is_told_in_words_or_with_its_numbers() {
    let scene = Scene::new().await;

    let (status, content_type, text) = scene.get("/revisions/flowers/explain").await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(content_type, "text/plain; charset=utf-8");
    let sentence = "2 replicas, 1 still starting: 2 requests in flight on average over 60 s at \
                    target 1";
    assert_eq!(text.lines().next(), Some(sentence));
    let here = "  here      POST /v1/models/flowers:predict, answering for 4 s on replica 1";
    assert!(text.lines().any(|line| line == here), "{text}");

    let request = Request::get("/revisions/flowers/explain").header(ACCEPT, "application/json");
    let request = request.body(Body::empty()).unwrap();
    let response = scene.router.clone().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["revision"], "flowers");
    assert_eq!(told["sentence"], sentence);
    assert_eq!(told["desired"], 2);
    assert_eq!(told["decision"]["stable"], 2.0);
    assert_eq!(told["oldestRequests"][0]["replica"], 1);
    assert_eq!(told["details"][0]["about"], "measured");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_revision_nobody_knows_is_told_the_nearest_names() {
    let scene = Scene::new().await;
    for page in ["", "/decisions", "/explain"] {
        let (status, _, body) = scene.get(&format!("/revisions/flower{page}")).await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, StatusCode::NOT_FOUND);
        let detail = "no revision is named \"flower\"; known: flowers";
        assert_eq!(problem["detail"], detail);
    }
}
