//! Fewer: who goes, and when.

use super::cluster::waiting;
use super::*;

fn ip(n: u32) -> String {
    format!("10.0.0.{n}")
}

#[tokio::test(start_paused = true)]
async fn idle_pods_go_first_and_busy_ones_when_they_are_done() {
    let mut scene = Scene::new(0);
    scene.settled(3).await;
    let busy = [scene.request(30 * SECOND), scene.request(60 * SECOND)];
    sleep(SECOND).await;
    scene.scale_to(0).await;
    sleep(5 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
    assert_eq!(counts(&scene.world.borrow()), (0, 0, 2));
    sleep(30 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    sleep(30 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 0);
    for request in busy {
        assert!(request.await.unwrap().is_ok());
    }
    assert!(scene.cluster.0.lock().wronged.is_empty());
    assert_eq!(scene.cluster.asked(), [3, 2, 1, 0]);
    // Where all go nobody needs a mark.
    let marks = scene.cluster.0.lock().marks.clone();
    assert_eq!(marks.len(), 2, "{marks:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_one_goes_without_a_mark() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    scene.scale_to(0).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 0);
    assert!(scene.cluster.0.lock().marks.is_empty());
    let told = scene.cluster.told("ScaledDown");
    assert_eq!(told, ["from 1 to 0 replicas: 0 are right"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_while_one_that_serves_would_be_taken_first() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    // The second serves, and kubelet has not looked yet.
    scene.cluster.0.lock().start.ready = 60 * SECOND;
    scene.scale_to(2).await;
    scene.sees(|world| counts(world).1 == 2).await;
    let busy = scene.request(5 * SECOND);
    let other = scene.request(100 * SECOND);
    sleep(6 * SECOND).await;
    let (first, _) = (busy.await.unwrap(), other);
    assert_eq!(first, Ok(ip(1)));
    scene.scale_to(1).await;
    let world = scene.after(5 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 2);
    let want = "may go, and stays until kubelet calls flowers-2x ready: \
                its controller would take that one first";
    assert_eq!(details(&world), [want]);
    sleep(60 * SECOND).await;
    assert_eq!(scene.cluster.names(), ["flowers-2x"]);
    assert!(scene.cluster.0.lock().wronged.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pods_that_never_were_ready_go_first_the_newest_first() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    scene.cluster.0.lock().start.listens = 600 * SECOND;
    scene.scale_to(4).await;
    scene.sees(|world| counts(world) == (3, 1, 0)).await;
    scene.scale_to(2).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.names(), ["flowers-1x", "flowers-2x"]);
    scene.scale_to(1).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.names(), ["flowers-1x"]);
}

#[tokio::test(start_paused = true)]
async fn the_highest_ordinals_drain_whatever_they_hold() {
    let mut scene = Scene::of(LeavingOrder::Ordinal, 0, 1);
    scene.settled(3).await;
    let all: Vec<_> = (0..3).map(|_| scene.request(30 * SECOND)).collect();
    sleep(SECOND).await;
    scene.scale_to(1).await;
    sleep(5 * SECOND).await;
    assert_eq!(
        (scene.cluster.replicas(), counts(&scene.world.borrow())),
        (3, (0, 1, 2))
    );
    let next = scene.request(SECOND);
    sleep(40 * SECOND).await;
    assert_eq!(scene.cluster.names(), ["flowers-0"]);
    assert_eq!(next.await.unwrap(), Ok(ip(1)));
    for request in all {
        assert!(request.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn ordinals_that_do_not_begin_at_zero_are_counted_from_where_they_do() {
    let cluster = Cluster::new(LeavingOrder::Ordinal, 0);
    cluster.change(|inside| inside.workload.as_mut().unwrap().first_ordinal = 5);
    let mut scene = Scene::on(cluster, 1);
    scene.settled(3).await;
    let all: Vec<_> = (0..3).map(|_| scene.request(30 * SECOND)).collect();
    sleep(SECOND).await;
    scene.scale_to(2).await;
    let world = scene.after(5 * SECOND).await;
    assert_eq!((scene.cluster.replicas(), counts(&world)), (3, (0, 2, 1)));
    sleep(40 * SECOND).await;
    assert_eq!(scene.cluster.names(), ["flowers-5", "flowers-6"]);
    for request in all {
        assert!(request.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_crashes_goes_before_a_busy_one_only_where_it_is_marked() {
    let mut scene = Scene::new(0);
    scene.cluster.0.lock().start.ready = 600 * SECOND;
    scene.settled(1).await;
    scene.settled(2).await;
    let (short, long) = (scene.request(5 * SECOND), scene.request(100 * SECOND));
    assert_eq!(short.await.unwrap(), Ok(ip(1)));
    scene.cluster.pod("flowers-1x", |pod| {
        pod.view.restarts += 1;
        pod.stuck = Some(waiting("CrashLoopBackOff", ""));
    });
    sleep(SECOND).await;
    scene.scale_to(1).await;
    sleep(5 * SECOND).await;
    assert_eq!(scene.cluster.names(), ["flowers-2x"]);
    assert!(scene.cluster.0.lock().wronged.is_empty());
    assert!(long.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_during_a_rollout_unless_all_do() {
    let mut scene = Scene::new(0);
    scene.settled(3).await;
    scene
        .cluster
        .change(|inside| inside.workload.as_mut().unwrap().rolling = true);
    scene.scale_to(1).await;
    sleep(10 * SECOND).await;
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (3, 3));
    scene.scale_to(0).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_goes_where_nobody_knows_the_order_is_everybody_or_nobody() {
    let mut scene = Scene::of(LeavingOrder::Unknown, 0, 1);
    scene.settled(3).await;
    scene.scale_to(1).await;
    sleep(10 * SECOND).await;
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (3, 3));
    let busy = scene.request(20 * SECOND);
    scene.scale_to(0).await;
    sleep(10 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 3);
    sleep(11 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 0);
    assert!(busy.await.unwrap().is_ok());
}
