//! What people are told of a server that does not become ready.

use super::machine::Script;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_server_that_listens_elsewhere_is_named_while_it_starts() {
    let scene = Scene::new();
    scene.machine.next([Script::Elsewhere(8000)]);
    scene.scale_to(1).await;
    assert_eq!(scene.after(millis(2900)).await.diagnosis, None);

    let world = scene.after(millis(200)).await;

    let port = world.replicas[0]
        .endpoint
        .expect("it was given one")
        .0
        .port();
    let named = format!(
        "the process listens on 8000 instead of {port}: does the command use {{port}} or $PORT?"
    );
    assert_eq!(world.diagnosis, Some(named));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_listens_at_another_address_is_told_from_one_that_was_only_late() {
    for (script, end) in [
        (Script::Aside, "but not on 127.0.0.1"),
        (Script::HeardLate, "answers GET /up with 404 Not Found"),
    ] {
        let mut scene = Scene::new();
        scene.machine.next([script]);
        scene.scale_to(1).await;
        let world = scene.sees(|world| world.diagnosis.is_some()).await;
        let told = world.diagnosis.expect("it was waited for");
        assert!(told.ends_with(end), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_becomes_ready_is_killed_and_its_answer_named() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::NotFound; 3]);
    scene.scale_to(1).await;
    let world = scene.after(5 * SECOND).await;
    let port = world.replicas[0]
        .endpoint
        .expect("it was given one")
        .0
        .port();
    assert_eq!(
        world.diagnosis,
        Some(format!("port {port} answers GET /up with 404 Not Found"))
    );

    let given_up = 3 * 600 * SECOND;
    let outage = timeout(
        given_up + SECOND,
        scene.world.wait_for(|world| world.outage.is_some()),
    );
    let detail = outage
        .await
        .unwrap()
        .unwrap()
        .outage
        .clone()
        .unwrap()
        .detail
        .clone();

    assert!(
        detail.contains("answers GET /up with 404 Not Found after 600s"),
        "{detail}"
    );
    assert!(
        scene
            .machine
            .processes()
            .iter()
            .all(|process| process.killed.is_some())
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_listens_is_asked_about_its_port() {
    let mut scene = Scene::new();
    scene.machine.next([Script::ReadyAfter(3600 * SECOND)]);
    scene.scale_to(1).await;
    let world = scene.sees(|world| world.diagnosis.is_some()).await;
    let port = world.replicas[0]
        .endpoint
        .expect("it was given one")
        .0
        .port();
    let question = "does the command use {port} or $PORT?";
    assert_eq!(
        world.diagnosis.unwrap(),
        format!("nothing listens on port {port} yet; {question}")
    );
}
