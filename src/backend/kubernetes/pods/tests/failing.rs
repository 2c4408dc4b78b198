//! What does not come, and who is told.

use super::*;
use crate::backend::kubernetes::objects::Obstruction;
use crate::backend::kubernetes::seams::ApiError;

#[tokio::test(start_paused = true)]
async fn what_the_api_server_refuses_is_told_in_its_words_and_tried_again() {
    let scene = Scene::new(0);
    let refused = ApiError::Refused("exceeded quota: gpus".into());
    scene.cluster.0.lock().answers.extend(vec![refused; 3]);
    scene.scale_to(1).await;
    let world = scene.after(Duration::from_millis(100)).await;
    let want = "refused: exceeded quota: gpus";
    let diagnosis = format!("the number of replicas could not be changed: {want}");
    assert_eq!(world.diagnosis, Some(diagnosis));
    let told = scene.cluster.told("ScaleFailed");
    assert_eq!(told, [format!("could not ask for 1 replica: {want}")]);
    sleep(10 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    assert_eq!(scene.cluster.asked(), [1; 4]);
    assert_eq!(scene.cluster.told("ScaleFailed").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again_with_what_is_seen_then() {
    let scene = Scene::new(0);
    scene
        .cluster
        .0
        .lock()
        .answers
        .extend([ApiError::Conflict, ApiError::Conflict]);
    scene.scale_to(2).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(scene.cluster.asked(), [2]);
    scene.cluster.change(|_| {});
    sleep(5 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
    assert!(scene.cluster.told("ScaleFailed").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_scaled_though_it_is_there_is_told() {
    let scene = Scene::new(0);
    let gone = vec![ApiError::Gone; 4];
    scene.cluster.0.lock().answers.extend(gone);
    scene.scale_to(1).await;
    sleep(Duration::from_millis(500)).await;
    assert!(scene.cluster.told("ScaleFailed").is_empty());
    sleep(2 * SECOND).await;
    let why = "the API server knows no scale subresource of it";
    let told = format!("could not ask for 1 replica: {why}");
    assert_eq!(scene.cluster.told("ScaleFailed"), [told]);
    let diagnosis = format!("the number of replicas could not be changed: {why}");
    assert_eq!(scene.world.borrow().diagnosis, Some(diagnosis));
    sleep(10 * SECOND).await;
    assert_eq!(scene.cluster.told("ScaleFailed").len(), 1);
    assert_eq!(scene.cluster.replicas(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_gone_what_serves_serves_and_nothing_is_taken_away() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    scene.cluster.0.lock().up = false;
    sleep(SECOND).await;
    scene.scale_to(1).await;
    let request = scene.request(SECOND);
    sleep(120 * SECOND).await;
    assert!(request.await.unwrap().is_ok());
    assert_eq!(counts(&scene.world.borrow()), (0, 2, 0));
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (2, 2));
    assert_eq!(scene.cluster.asked(), [2]);
    scene.cluster.0.lock().up = true;
    sleep(5 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_reach_the_api_server_goes_on_asking_for_more() {
    let scene = Scene::new(0);
    sleep(SECOND).await;
    scene.cluster.0.lock().up = false;
    scene.scale_to(1).await;
    sleep(20 * SECOND).await;
    let asked = scene.cluster.asked().len();
    assert!((3..25).contains(&asked), "{asked}");
    scene.cluster.0.lock().up = true;
    sleep(20 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    assert_eq!(scene.world.borrow().diagnosis, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_is_asked_for_as_soon_as_the_api_server_is_back() {
    for away in [5, 20, 90] {
        let mut scene = Scene::new(0);
        scene.settled(0).await;
        scene.cluster.change(|inside| inside.up = false);
        sleep(SECOND).await;
        scene.scale_to(2).await;
        sleep(away * SECOND).await;
        let calls = scene.cluster.asked().len();
        assert!(calls <= 3 + away as usize, "{calls} calls in {away} s");
        scene.cluster.change(|inside| inside.up = true);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(scene.cluster.replicas(), 2, "after {away} s");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_not_waited_longer_where_nobody_tells_that_the_api_server_is_back() {
    let mut scene = Scene::new(0);
    scene.settled(0).await;
    let away = ApiError::Unreachable("connection refused".into());
    scene.cluster.0.lock().answers.extend(vec![away; 20]);
    scene.scale_to(1).await;
    sleep(20 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    // That it was away is not held against it when it refuses something later.
    let away = ApiError::Unreachable("connection refused".into());
    let refused = ApiError::Refused("no".into());
    let answers = [vec![away; 20], vec![refused; 3]].concat();
    scene.cluster.0.lock().answers.extend(answers);
    scene.scale_to(2).await;
    sleep(22 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_not_held_up_by_a_status_that_changes_all_the_time() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    let busy = scene.cluster.clone();
    let statuses = tokio::spawn(async move {
        loop {
            busy.change(|_| {});
            sleep(Duration::from_millis(1)).await;
        }
    });
    for wanted in [2, 4, 8] {
        scene.scale_to(wanted).await;
        sleep(Duration::from_millis(50)).await;
        assert_eq!(scene.cluster.replicas(), wanted);
    }
    // Whoever is to go waits for a moment in which nothing changes.
    assert_eq!(scene.cluster.asked(), [1, 2, 4, 8]);
    statuses.abort();
}

#[tokio::test(start_paused = true)]
async fn deletion_costs_are_written_as_soon_as_the_api_server_is_back() {
    let mut scene = Scene::new(0);
    scene.settled(3).await;
    let long = [(); 2].map(|()| scene.request(300 * SECOND));
    sleep(SECOND).await;
    scene.cluster.change(|inside| inside.mute = true);
    scene.scale_to(2).await;
    sleep(100 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 3);
    // Only now its watches notice.
    scene.cluster.change(|inside| inside.up = false);
    sleep(SECOND).await;
    scene
        .cluster
        .change(|inside| (inside.up, inside.mute) = (true, false));
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
    drop(long);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_cost_of_which_nobody_answered_is_written_again_when_it_is_wanted_again() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    let busy = scene.request(30 * SECOND);
    sleep(SECOND).await;
    let no = ApiError::Refused("no".into());
    scene.cluster.0.lock().answers.extend(vec![no; 2]);
    scene.scale_to(1).await;
    sleep(Duration::from_millis(300)).await;
    // The idle one carries the mark. It is wanted after all, and nobody hears of it.
    scene.cluster.change(|inside| inside.mute = true);
    scene.scale_to(2).await;
    sleep(Duration::from_millis(300)).await;
    scene.scale_to(1).await;
    scene.cluster.change(|inside| inside.mute = false);
    sleep(10 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    assert!(busy.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_cost_that_somebody_takes_away_before_it_is_seen_is_written_again() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    let busy = scene.request(30 * SECOND);
    sleep(SECOND).await;
    scene.cluster.0.lock().lost_marks = 1;
    scene.scale_to(1).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
    sleep(5 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    assert!(busy.await.unwrap().is_ok());
    assert!(scene.cluster.0.lock().wronged.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_many_deletion_costs_few_are_written_at_once() {
    let mut scene = Scene::new(0);
    scene.settled(40).await;
    let busy = scene.request(30 * SECOND);
    sleep(SECOND).await;
    scene.scale_to(1).await;
    sleep(10 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    assert_eq!(scene.cluster.0.lock().most_marking, 16);
    assert!(busy.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_controller_from_making_pods_is_told() {
    let scene = Scene::new(0);
    scene.cluster.change(|inside| {
        inside.paused = true;
        let workload = inside.workload.as_mut().unwrap();
        workload.refused = Some(Obstruction {
            reason: "FailedCreate".into(),
            message: "pods \"flowers-7d9-\" is forbidden: exceeded quota: gpus".into(),
        });
    });
    scene.scale_to(2).await;
    let world = scene.after(10 * SECOND).await;
    let want = "its controller has made 0 of 2 pods: exceeded quota: gpus";
    assert_eq!(world.diagnosis.as_deref(), Some(want));
}
