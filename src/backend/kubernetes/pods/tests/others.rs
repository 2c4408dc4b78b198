//! Beside other gateways, people and controllers.

use super::*;
use crate::backend::kubernetes::seams::ApiError;

#[tokio::test(start_paused = true)]
async fn somebody_elses_number_is_set_back_but_not_for_ever() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    for n in 1..=3 {
        scene.cluster.set_replicas(5);
        sleep(5 * SECOND).await;
        assert_eq!(scene.cluster.replicas(), 2);
        assert_eq!(scene.cluster.told("Overruled").len(), n);
    }
    let told = scene.cluster.told("Overruled");
    assert_eq!(
        told[0],
        "somebody else changed 2 replicas to 5: asking for 2 again (2 are right)"
    );
    scene.cluster.set_replicas(5);
    sleep(30 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 5);
    let last = scene.cluster.told("Overruled").pop().unwrap();
    assert!(
        last.ends_with("again and again, 2 are wanted: left as it is for 1m"),
        "{last}"
    );
    let diagnosis = scene.world.borrow().diagnosis.clone().unwrap();
    assert!(
        diagnosis.starts_with("somebody else asks for 5 replicas again"),
        "{diagnosis}"
    );
    sleep(40 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
    scene.cluster.set_replicas(5);
    sleep(90 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 5);
    sleep(40 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_steer_changes_nothing() {
    let scene = Scene::new(1);
    scene.tenure.send_modify(|tenure| tenure.steers = false);
    scene.scale_to(3).await;
    sleep(20 * SECOND).await;
    scene.scale_to(0).await;
    sleep(20 * SECOND).await;
    assert!(scene.cluster.asked().is_empty());
    assert_eq!(idle(&scene), 1);
    scene.tenure.send_replace(SOLE);
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 0);
}
#[tokio::test(start_paused = true)]
async fn what_was_wanted_before_somebody_else_steered_is_not_asked_for_again() {
    for there in [1, 5] {
        let mut scene = Scene::new(0);
        scene.settled(2).await;
        scene.tenure.send_modify(|tenure| tenure.steers = false);
        sleep(SECOND).await;
        scene.cluster.set_replicas(there);
        sleep(30 * SECOND).await;
        scene.tenure.send_replace(SOLE);
        sleep(30 * SECOND).await;
        assert_eq!(scene.cluster.replicas(), there);
        scene.scale_to(3).await;
        sleep(30 * SECOND).await;
        assert_eq!(scene.cluster.replicas(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_gateway_that_is_not_heard_nothing_is_taken_away_and_all_serve() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    scene.tenure.send_modify(|tenure| tenure.heard = false);
    scene.scale_to(1).await;
    let world = scene.after(10 * SECOND).await;
    assert_eq!((scene.cluster.replicas(), counts(&world)), (2, (0, 2, 0)));
    scene.scale_to(3).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 3);
    scene.scale_to(1).await;
    sleep(20 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 3);
    scene.tenure.send_modify(|tenure| tenure.heard = true);
    sleep(10 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_steered_no_more_is_left_as_it_is() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    scene.tenure.send_replace(Tenure {
        steers: false,
        ..SOLE
    });
    scene.scale_to(0).await;
    sleep(20 * SECOND).await;
    scene.cluster.set_replicas(4);
    sleep(20 * SECOND).await;
    assert_eq!(scene.cluster.asked(), [2]);
    assert_eq!(idle(&scene), 4);
    assert!(scene.cluster.told("Overruled").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_revision_says_so_and_asks_for_nothing() {
    let scene = Scene::new(0);
    let mut stopped = settings(&scene.stats);
    stopped.stopped = true;
    scene.pods.set(stopped);
    scene.scale_to(1).await;
    let world = scene.after(SECOND).await;
    assert_eq!(world.outage.unwrap().reason, OutageReason::Stopped);
    assert!(scene.cluster.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_not_there_yet_is_asked_when_it_comes() {
    let scene = Scene::new(0);
    let workload = scene.cluster.0.lock().workload.take();
    sleep(SECOND).await;
    scene.scale_to(2).await;
    let world = scene.after(SECOND).await;
    assert_eq!(world.replicas, []);
    assert_eq!(
        world.diagnosis.as_deref(),
        Some("there is no workload to be scaled yet")
    );
    scene.cluster.change(|inside| inside.workload = workload);
    let world = scene.after(5 * SECOND).await;
    assert_eq!(counts(&world), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_leaves_requests_unanswered_gets_no_more_until_they_have_ended() {
    let mut scene = Scene::new(0);
    let world = scene.settled(1).await;
    let slow = scene.request(60 * SECOND);
    sleep(SECOND).await;
    scene.throttler.report_stuck(world.replicas[0].id);
    let world = scene.after(SECOND).await;
    assert_eq!(counts(&world), (0, 0, 1));
    assert_eq!(scene.cluster.told("ReplicaStuck").len(), 1);
    assert!(slow.await.unwrap().is_ok());
    let world = scene.after(SECOND).await;
    assert_eq!((counts(&world), idle(&scene)), ((0, 1, 0), 1));
}

#[tokio::test(start_paused = true)]
async fn who_was_to_be_released_when_another_gateway_came_is_not_released_by_trying_again() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    let busy = scene.request(30 * SECOND);
    sleep(SECOND).await;
    let away = ApiError::Unreachable("no answer within 3s".into());
    scene.cluster.0.lock().answers.push_back(away);
    scene.scale_to(1).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(scene.cluster.asked(), [2, 1]);
    // What is idle for us may hold requests of the other one from now on.
    scene.tenure.send_modify(|tenure| tenure.heard = false);
    sleep(20 * SECOND).await;
    assert_eq!((scene.cluster.asked(), idle(&scene)), (vec![2, 1], 1));
    assert!(busy.await.unwrap().is_ok());
}
