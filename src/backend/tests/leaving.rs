//! Changed specs, shared places, shutdown.

use super::*;
use crate::ports::OutageReason;
use crate::revision::ReplicaId;

#[tokio::test(start_paused = true)]
async fn a_process_that_ignores_sigterm_is_killed_after_its_time() {
    let mut scene = Scene::new();
    scene.machine.ignore_term();
    scene.ready(1).await;

    scene.scale_to(0).await;
    scene.after(2 * STOP_TIMEOUT).await;

    let process = &scene.machine.processes()[0];
    assert_eq!(
        process.killed.unwrap() - process.terminated.unwrap(),
        STOP_TIMEOUT
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_spec_starts_new_replicas_at_once_and_lets_old_streams_run_on() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);

    scene.supervisor.replace(spec("serve-v2"));

    scene.sees(|world| counts(world) == (0, 2, 1)).await;
    assert_eq!(
        scene.machine.running(),
        [ReplicaId(1), ReplicaId(3), ReplicaId(4)]
    );
    assert_eq!(scene.machine.processes()[2].spec.command[0], "serve-v2");
    scene.requests.finish(ReplicaId(1));
    scene.sees(|world| counts(world) == (0, 2, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_the_old_spec_is_never_revived() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.requests.hold(ReplicaId(1), 9);
    scene.supervisor.replace(spec("serve-v2"));
    scene.sees(|world| counts(world) == (0, 1, 1)).await;
    scene.requests.hold(ReplicaId(2), 1);
    scene.scale_to(0).await;
    scene.sees(|world| counts(world) == (0, 0, 2)).await;

    scene.scale_to(1).await;

    let world = scene.sees(|world| counts(world) == (0, 1, 1)).await;
    assert_eq!(world.replicas[1].id, ReplicaId(2));
    assert_eq!(world.replicas[1].state, ReplicaState::Ready);
    assert_eq!(scene.machine.processes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_spec_again_changes_nothing() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.supervisor.replace(spec("serve"));
    scene.after(SECOND).await;
    assert_eq!(scene.machine.running(), [ReplicaId(1)]);
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_busy_ones_until_the_deadline() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    let begun = Instant::now();

    scene.supervisor.stop(begun + 20 * SECOND).await;

    assert_eq!(begun.elapsed(), 20 * SECOND);
    let processes = scene.machine.processes();
    assert_eq!(processes[0].terminated, Some(begun + 20 * SECOND));
    assert!(processes[1].terminated.unwrap() < begun + SECOND);
    let reason = scene.world.borrow().outage.clone().unwrap().reason;
    assert_eq!(reason, OutageReason::Draining);
    assert!(scene.supervisor.scale_to(1, "a test").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn killing_ends_everything_at_once_even_while_stopping() {
    let mut scene = Scene::new();
    scene.machine.ignore_term();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    let begun = Instant::now();
    let stopping = tokio::spawn({
        let supervisor = scene.supervisor.clone();
        async move { supervisor.stop(begun + 3600 * SECOND).await }
    });
    scene.after(SECOND).await;

    scene.supervisor.kill().await;

    assert_eq!(begun.elapsed(), SECOND);
    assert_eq!(scene.machine.running(), []);
    stopping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_supervisor_drains_without_cutting_a_stream() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    let Scene {
        machine,
        requests,
        supervisor,
        ..
    } = scene;

    drop(supervisor);
    sleep(3600 * SECOND).await;
    assert_eq!(machine.running(), [ReplicaId(1)]);

    requests.finish(ReplicaId(1));
    sleep(SECOND).await;
    assert_eq!(machine.running(), []);
}

#[tokio::test(start_paused = true)]
async fn no_more_processes_than_places_and_the_wait_for_one_is_explained() {
    let places = Places::new(3);
    let mut first = Scene::on(Machine::default(), places.clone());
    let mut second = Scene::on(Machine::default(), places);
    first.ready(2).await;

    second.scale_to(2).await;
    let world = second.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(
        world.diagnosis.unwrap(),
        "3 processes are the most --max-processes allows"
    );

    first.scale_to(1).await;
    let world = second.sees(|world| counts(world) == (0, 2, 0)).await;
    assert_eq!(world.diagnosis, None);
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_is_taken_back_leaves_the_place_to_others() {
    let places = Places::new(1);
    let mut first = Scene::on(Machine::default(), places.clone());
    let mut second = Scene::on(Machine::default(), places.clone());
    let mut third = Scene::on(Machine::default(), places);
    first.ready(1).await;
    second.scale_to(1).await;
    second.sees(|world| world.diagnosis.is_some()).await;
    third.scale_to(1).await;

    second.scale_to(0).await;
    first.scale_to(0).await;

    third.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(second.machine.processes().len(), 0);
}
