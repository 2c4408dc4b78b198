//! Containers that do not come to run, and who is told.

use super::cluster::waiting;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_pod_that_crashes_again_and_again_ends_the_wait() {
    let mut scene = Scene::new(0);
    scene.cluster.0.lock().start.listens = 600 * SECOND;
    let held = scene.request(SECOND);
    scene.scale_to(1).await;
    scene.sees(|world| counts(world).0 == 1).await;
    sleep(SECOND).await;
    for restarts in 0..3 {
        assert!(scene.world.borrow().outage.is_none(), "{restarts}");
        assert_eq!(scene.world.borrow().replicas[0].kept_by, None);
        scene.cluster.pod("flowers-1x", |pod| {
            pod.view.restarts = restarts;
            pod.stuck = Some(waiting(
                "CrashLoopBackOff",
                "back-off 20s restarting failed container=m",
            ));
        });
        sleep(SECOND).await;
    }
    let kept_by = scene.world.borrow().replicas[0].kept_by;
    assert_eq!(kept_by, Some(Hindrance::CrashLoop));
    let outage = scene.world.borrow().outage.clone().unwrap();
    assert_eq!(outage.reason, OutageReason::ColdStartFailed);
    let want = "pod flowers-1x: CrashLoopBackOff: back-off 20s restarting failed container=m \
                (crashed 3 times)";
    assert_eq!(outage.detail, want);
    let next = outage.next_attempt.unwrap() - Instant::now().into_std();
    assert!(next > 15 * SECOND && next <= 20 * SECOND, "{next:?}");
    assert_eq!(held.await.unwrap(), Err(OutageReason::ColdStartFailed));
    let told = scene.cluster.told("ColdStartFailed");
    assert_eq!(told, [format!("no replica can come: {want}")]);
    // Kubelet tries again: whoever comes now waits.
    scene.cluster.pod("flowers-1x", |pod| pod.stuck = None);
    sleep(SECOND).await;
    assert!(scene.world.borrow().outage.is_none());
    assert_eq!(scene.stats.cold_starts[1].get(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_waits_need_not_wait_until_kubelet_calls_it_a_crash_loop() {
    let mut scene = Scene::new(0);
    scene.cluster.0.lock().start.listens = 600 * SECOND;
    let held = scene.request(SECOND);
    scene.scale_to(1).await;
    scene.sees(|world| counts(world).0 == 1).await;
    for restarts in 0..3 {
        assert!(scene.world.borrow().outage.is_none(), "{restarts}");
        scene.cluster.pod("flowers-1x", |pod| {
            pod.view.restarts = restarts;
            pod.stuck = None;
        });
        sleep(SECOND).await;
        let ended = waiting("Error", "it ended with exit code 1");
        scene
            .cluster
            .pod("flowers-1x", |pod| pod.stuck = Some(ended));
        sleep(SECOND).await;
    }
    let outage = scene.world.borrow().outage.clone().unwrap();
    let want = "pod flowers-1x: Error: it ended with exit code 1 (crashed 3 times)";
    assert_eq!(outage.detail, want);
    assert_eq!(held.await.unwrap(), Err(OutageReason::ColdStartFailed));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_told_once_kubelet_has_given_up_for_a_while() {
    let mut scene = Scene::new(0);
    scene.scale_to(1).await;
    scene.sees(|world| counts(world).0 == 1).await;
    sleep(SECOND).await;
    let stage = |reason: &str| Some(waiting(reason, "x:1 not found"));
    let outage = async |scene: &Scene, reason: &str| {
        scene
            .cluster
            .pod("flowers-1x", |pod| pod.stuck = stage(reason));
        scene.after(SECOND).await.outage.is_some()
    };
    assert!(!outage(&scene, "ErrImagePull").await);
    let detail = "on node-1, pulling image (ErrImagePull: x:1 not found)";
    assert_eq!(details(&scene.world.borrow()), [detail]);
    assert!(outage(&scene, "ImagePullBackOff").await);
    assert!(outage(&scene, "ErrImagePull").await);
    scene.cluster.pod("flowers-1x", |pod| pod.stuck = None);
    let world = scene.after(5 * SECOND).await;
    assert_eq!((world.count(ReplicaState::Ready), world.outage), (1, None));
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_killed_at_work_are_no_failed_starts() {
    let mut scene = Scene::new(0);
    scene.settled(3).await;
    let held = scene.request(600 * SECOND);
    sleep(SECOND).await;
    // None is back before the last is gone.
    for name in scene.cluster.names() {
        scene.cluster.pod(&name, |pod| {
            pod.inside = 0;
            pod.stuck = Some(waiting("Error", "it ended with exit code 137"));
        });
        sleep(SECOND).await;
    }
    let waits = scene.request(SECOND);
    assert!(scene.after(5 * SECOND).await.outage.is_none());
    for name in scene.cluster.names() {
        scene.cluster.pod(&name, |pod| {
            pod.view.restarts += 1;
            pod.stuck = None;
        });
    }
    assert!(waits.await.unwrap().is_ok());
    drop(held);
}
