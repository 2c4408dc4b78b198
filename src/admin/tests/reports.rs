//! What sidecars say of the requests at their doors, who is heard, and where that is told.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{SECOND, Scene};

fn load(uid: &str) -> Value {
    json!({
        "pod": { "uid": uid, "namespace": "shop", "name": "flowers-1" },
        "uptimeSeconds": 9.0, "inFlight": 2, "queued": 3, "proxied": 1,
        "averageConcurrency": 4.5, "averageProxiedConcurrency": 1.0,
        "requestsPerSecond": 7.0, "proxiedRequestsPerSecond": 1.0,
    })
}

async fn say(scene: &Scene, token: Option<&str>, body: String) -> u16 {
    let mut request = Request::post("/reports");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::from(body)).expect("a request");
    let answer = scene.router.clone().oneshot(request).await;
    answer.expect("it answers").status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_is_heard_with_the_token_alone_and_told_of_with_its_pod_while_that_is_fresh() {
    let scene = Scene::new().await;
    scene
        .world
        .send_modify(|world| world.replicas[0].uid = Some("u-1".into()));
    let said = || load("u-1").to_string();
    assert_eq!(
        say(&scene, Some("secret"), said()).await,
        404,
        "nobody has set one"
    );
    scene.board.hear_reports("secret");
    assert_eq!(say(&scene, None, said()).await, 401);
    assert_eq!(say(&scene, Some("secre"), said()).await, 401);
    assert_eq!(say(&scene, Some(""), said()).await, 401);
    assert_eq!(say(&scene, Some("secret"), "{}".into()).await, 400);
    assert_eq!(say(&scene, Some("secret"), "x".repeat(5000)).await, 413);
    let told = scene.json("/revisions/flowers").await;
    assert_eq!(told["replicas"][0].get("sidecar"), None);
    assert_eq!(say(&scene, Some("secret"), said()).await, 204);
    let told = scene.json("/revisions/flowers").await;
    let want = json!({ "inFlight": 2, "queued": 3, "direct": 4, "averageConcurrency": 4.5 });
    assert_eq!(told["replicas"][0]["sidecar"], want);
    assert_eq!(told["replicas"][1].get("sidecar"), None, "it is of one pod");
    tokio::time::sleep(6 * SECOND).await;
    let told = scene.json("/revisions/flowers").await;
    assert_eq!(
        told["replicas"][0].get("sidecar"),
        None,
        "that says nothing of now"
    );
}
