//! Who was to go and stays after all, or is not known to: gets nothing before that is clear, and keeps
//! no mark.

use super::*;
use crate::backend::kubernetes::seams::ApiError;

#[tokio::test(start_paused = true)]
async fn a_draining_pod_comes_back_when_it_is_wanted_after_all() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    let busy = [scene.request(30 * SECOND), scene.request(5 * SECOND)];
    sleep(SECOND).await;
    scene.cluster.0.lock().answers.extend(vec![
        crate::backend::kubernetes::seams::ApiError::Refused(
            "no".into()
        );
        100
    ]);
    scene.scale_to(1).await;
    sleep(6 * SECOND).await;
    // One is vacant and carries the mark; the number could not be lowered.
    let marked = |scene: &Scene| {
        let alive = scene.cluster.alive();
        alive
            .iter()
            .filter(|pod| pod.view.deletion_cost.is_some())
            .count()
    };
    assert_eq!((marked(&scene), idle(&scene)), (1, 0));
    scene.scale_to(2).await;
    sleep(SECOND).await;
    assert_eq!((marked(&scene), idle(&scene)), (0, 1));
    assert_eq!(counts(&scene.world.borrow()), (0, 2, 0));
    for request in busy {
        assert!(request.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_may_be_taken_at_any_moment_gets_nothing_before_it_is_clear_that_it_stays() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    scene.cluster.0.lock().paused = true;
    scene.scale_to(1).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(scene.cluster.replicas(), 1);
    scene.scale_to(2).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (2, 1));
    sleep(5 * SECOND).await;
    assert_eq!(idle(&scene), 2);
    sleep(SECOND).await;
    let costs: Vec<_> = scene
        .cluster
        .alive()
        .iter()
        .map(|p| p.view.deletion_cost)
        .collect();
    assert_eq!(costs, [None, None]);
}

#[tokio::test(start_paused = true)]
async fn one_whose_release_was_not_answered_gets_nothing_before_it_is_clear_that_it_stays() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    let long = scene.request(100 * SECOND);
    scene.cluster.0.lock().slow = Some(SECOND / 2);
    scene.scale_to(1).await;
    sleep(Duration::from_millis(200)).await;
    assert!(scene.cluster.asked().ends_with(&[1]));
    scene.scale_to(2).await;
    scene.cluster.0.lock().slow = None;
    sleep(Duration::from_millis(100)).await;
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (2, 0));
    let next = scene.request(SECOND);
    sleep(20 * SECOND).await;
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (2, 1));
    assert!(scene.cluster.0.lock().wronged.is_empty());
    assert!(next.await.unwrap().is_ok() && long.await.unwrap().is_ok());
    // Nobody else did that.
    assert!(scene.cluster.told("Overruled").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_an_earlier_life_left_is_taken_away() {
    let cluster = Cluster::new(LeavingOrder::DeletionCost, 2);
    sleep(20 * SECOND).await;
    cluster.pod("flowers-1x", |pod| {
        pod.view.deletion_cost = Some(crate::backend::kubernetes::pods::member::MARK);
    });
    cluster.pod("flowers-2x", |pod| pod.view.deletion_cost = Some(7));
    let scene = Scene::on(cluster, 1);
    sleep(SECOND).await;
    let costs: Vec<_> = scene
        .cluster
        .alive()
        .iter()
        .map(|p| p.view.deletion_cost)
        .collect();
    assert_eq!(costs, [None, Some(7)]);
    // What was there before this gate is no news.
    assert!(scene.cluster.told("ReplicaReady").is_empty());
    assert_eq!(idle(&scene), 2);
}

#[tokio::test(start_paused = true)]
async fn who_was_released_stays_so_where_a_later_call_for_fewer_is_refused() {
    let mut scene = Scene::new(0);
    scene.settled(3).await;
    scene.cluster.change(|inside| inside.paused = true);
    scene.scale_to(2).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
    let refused = ApiError::Refused("no".into());
    scene.cluster.0.lock().answers.push_back(refused);
    scene.scale_to(1).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!((scene.cluster.asked(), idle(&scene)), (vec![3, 2, 1], 1));
    // The second is wanted again, and the first may still be taken.
    scene.scale_to(3).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (3, 2));
    sleep(5 * SECOND).await;
    assert_eq!(idle(&scene), 3);
}

#[tokio::test(start_paused = true)]
async fn who_was_released_takes_nothing_because_a_call_for_more_is_refused() {
    let mut scene = Scene::new(0);
    scene.settled(2).await;
    scene.cluster.change(|inside| inside.paused = true);
    scene.scale_to(0).await;
    sleep(5 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 0);
    scene.cluster.0.lock().answers.push_back(ApiError::Conflict);
    let waits = scene.request(30 * SECOND);
    scene.scale_to(1).await;
    let world = scene.after(Duration::from_millis(500)).await;
    assert_eq!((scene.cluster.replicas(), counts(&world)), (0, (0, 0, 2)));
    scene.cluster.change(|inside| inside.paused = false);
    assert!(waits.await.unwrap().is_ok());
    assert!(scene.cluster.0.lock().wronged.is_empty());
}
