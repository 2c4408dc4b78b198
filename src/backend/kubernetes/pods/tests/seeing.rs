//! What is seen of pods that have been ready.

use super::cluster::waiting;
use super::*;
use crate::backend::kubernetes::objects::{Container, ReadinessProbe};

const LONG: Duration = Duration::from_secs(1000);

fn last_told(scene: &Scene) -> String {
    scene.cluster.told("ReplicaReady").pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn where_only_kubelet_can_look_it_is_believed_when_it_says_no_too() {
    let cluster = Cluster::new(LeavingOrder::DeletionCost, 0);
    cluster.change(|inside| {
        inside.workload.as_mut().unwrap().template.containers = vec![Container {
            readiness: Some(ReadinessProbe::Kubelet),
            ..Container::default()
        }];
    });
    let mut scene = Scene::on(cluster, 2);
    scene.settled(1).await;
    // As after the API server was away: that its node is called dead says nothing of the pod.
    scene.cluster.pod("flowers-1x", |pod| pod.silent = true);
    assert_eq!(counts(&scene.after(SECOND).await), (0, 1, 0));
    scene.cluster.pod("flowers-1x", |pod| pod.silent = false);
    sleep(SECOND).await;
    let inside = scene.request(5 * SECOND);
    sleep(SECOND).await;
    scene
        .cluster
        .pod("flowers-1x", |pod| pod.start.ready = LONG);
    let world = scene.after(SECOND).await;
    assert_eq!((counts(&world), idle(&scene)), ((1, 0, 0), 0));
    let want = "on node-1, kubelet does not call it ready yet";
    assert_eq!(details(&world), [want]);
    let held = scene.request(SECOND);
    assert!(inside.await.unwrap().is_ok());
    assert!(!held.is_finished());
    scene
        .cluster
        .pod("flowers-1x", |pod| pod.start.ready = SECOND);
    assert!(held.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_kubelet_says_does_not_count_where_the_pod_is_asked_itself() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    scene
        .cluster
        .pod("flowers-1x", |pod| pod.start.ready = LONG);
    let world = scene.after(SECOND).await;
    assert_eq!((counts(&world), idle(&scene)), ((0, 1, 0), 1));
}

#[tokio::test(start_paused = true)]
async fn how_long_one_could_not_be_reached_is_told_and_not_how_old_it_is() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    sleep(100 * SECOND).await;
    scene
        .cluster
        .pod("flowers-1x", |pod| pod.start.listens = LONG);
    let held = scene.request(SECOND);
    sleep(2 * SECOND).await;
    scene
        .cluster
        .pod("flowers-1x", |pod| pod.start.listens = SECOND);
    assert!(held.await.unwrap().is_ok());
    assert_eq!(last_told(&scene), "flowers-1x is ready again after 2.0 s");
}

#[tokio::test(start_paused = true)]
async fn crashes_before_it_was_ready_are_forgiven() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    for _ in 0..3 {
        scene.cluster.kill("flowers-1x");
        sleep(5 * SECOND).await;
        assert_eq!(idle(&scene), 1);
    }
    let held = scene.request(300 * SECOND);
    for crash in 0..4 {
        assert!(scene.world.borrow().outage.is_none(), "{crash}");
        scene.cluster.pod("flowers-1x", |pod| {
            pod.view.restarts += u32::from(crash > 0);
            pod.inside = 0;
            pod.stuck = Some(waiting("CrashLoopBackOff", ""));
        });
        sleep(SECOND).await;
    }
    let outage = scene.world.borrow().outage.clone().unwrap();
    let want = "pod flowers-1x: CrashLoopBackOff (crashed 3 times)";
    assert_eq!(outage.detail, want);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn who_is_told_another_port_gets_requests_there_once_it_answers_there() {
    let mut scene = Scene::of(LeavingOrder::DeletionCost, 0, 2);
    scene.settled(1).await;
    let port = |scene: &Scene| match scene.throttler.arrive(0) {
        Arrival::Admitted(permit) => permit.replica().endpoint.0.port(),
        other => panic!("not admitted: {other:?}"),
    };
    let inside = scene.request(60 * SECOND);
    scene.cluster.0.lock().shut_port = Some(9090);
    let mut changed = settings(&scene.stats);
    changed.spec.port = Some(9090);
    scene.pods.set(changed);
    let world = scene.after(5 * SECOND).await;
    assert_eq!((counts(&world), port(&scene)), ((0, 1, 0), 8080));
    let want = "gets requests at port 8080 until it is ready at port 9090";
    assert_eq!(details(&world), [want]);
    scene.cluster.0.lock().shut_port = None;
    let world = scene.after(5 * SECOND).await;
    assert_eq!((counts(&world), port(&scene)), ((0, 1, 0), 9090));
    assert_eq!(details(&world), Vec::<String>::new());
    let endpoint = world.replicas[0].endpoint.unwrap();
    assert_eq!(endpoint.0.port(), 9090);
    // It still holds what it holds.
    assert_eq!((scene.throttler.read().running, idle(&scene)), (1, 0));
    assert!(inside.await.unwrap().is_ok());
    assert_eq!(idle(&scene), 1);
}

#[tokio::test(start_paused = true)]
async fn who_has_another_address_is_somebody_else_and_looked_at_anew() {
    let mut scene = Scene::new(0);
    let before = scene.settled(1).await;
    // Its network was made anew, and its model loads again.
    scene.cluster.pod("flowers-1x", |pod| {
        pod.view.ip = Some([10, 0, 0, 99].into());
        pod.start.listens = LONG;
    });
    let held = scene.request(SECOND);
    let world = scene.after(SECOND).await;
    assert_eq!((counts(&world), idle(&scene)), ((1, 0, 0), 0));
    assert_ne!(world.replicas[0].id, before.replicas[0].id);
    scene
        .cluster
        .pod("flowers-1x", |pod| pod.start.listens = SECOND);
    assert_eq!(held.await.unwrap(), Ok("10.0.0.99".to_owned()));
}
