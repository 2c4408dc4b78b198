//! Replicas that hold a request and never answer it.

use super::*;
use crate::revision::ReplicaId;

#[tokio::test(start_paused = true)]
async fn a_stuck_replica_is_replaced_at_once_and_killed_when_it_does_not_stop() {
    let mut scene = Scene::new();
    scene.machine.ignore_term();
    scene.ready(2).await;
    scene.after(10 * SECOND).await;
    let told = Instant::now();

    scene.requests.report_stuck(ReplicaId(1));

    let world = scene.after(millis(1)).await;
    assert_eq!(counts(&world), (1, 1, 0));
    scene.sees(|world| counts(world) == (0, 2, 0)).await;
    assert!(told.elapsed() < 2 * SECOND, "{:?}", told.elapsed());
    scene.after(STOP_TIMEOUT).await;
    let processes = scene.machine.processes();
    assert_eq!(processes[0].terminated, Some(told));
    assert_eq!(processes[0].killed, Some(told + STOP_TIMEOUT));
    assert_eq!(scene.machine.running(), [ReplicaId(2), ReplicaId(3)]);
}

#[tokio::test(start_paused = true)]
async fn replicas_that_get_stuck_soon_after_each_other_pause_as_crashes_do() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.requests.report_stuck(ReplicaId(1));
    scene.sees(|world| counts(world) == (1, 0, 0)).await;
    scene.sees(|world| counts(world) == (0, 1, 0)).await;
    scene.requests.report_stuck(ReplicaId(2));

    assert_eq!(counts(&scene.after(millis(99)).await), (0, 0, 0));
    assert_eq!(counts(&scene.after(millis(2)).await), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stuck_replica_that_is_not_wanted_any_more_is_stopped_and_not_replaced() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.requests.hold(ReplicaId(1), 1);
    scene.scale_to(0).await;
    scene.sees(|world| counts(world) == (0, 0, 1)).await;

    scene.requests.report_stuck(ReplicaId(1));

    assert_eq!(counts(&scene.after(60 * SECOND).await), (0, 0, 0));
    assert_eq!(scene.machine.processes().len(), 1);
    assert_eq!(scene.machine.running(), []);
}
