//! Which paths there are, and when `/readyz` says yes.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_answered_as_a_problem() {
    let scene = Scene::new().await;
    for path in [
        "/revisions/roses",
        "/revisions/roses/decisions",
        "/config",
        "/",
    ] {
        let (status, content_type, body) = scene.get(path).await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(content_type, "application/problem+json");
        assert_eq!(problem["status"], 404);
    }
    let post = Request::post("/queue").body(Body::empty()).unwrap();
    let response = scene.router.clone().oneshot(post).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_only_while_it_says_so() {
    let scene = Scene::new().await;
    let status = async |path| scene.get(path).await.0;
    assert_eq!(status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    scene.board.set_ready(true);
    assert_eq!(status("/readyz").await, StatusCode::OK);
    scene.board.set_ready(false);
    assert_eq!(status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status("/healthz").await, StatusCode::OK);
}
