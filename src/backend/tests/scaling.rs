//! More and fewer replicas.

use super::machine::Script;
use super::*;
use crate::revision::ReplicaId;

#[tokio::test(start_paused = true)]
async fn starting_replicas_are_in_the_world_before_they_are_ready() {
    let mut scene = Scene::new();
    scene.scale_to(2).await;
    assert_eq!(counts(&scene.after(millis(500)).await), (2, 0, 0));

    let world = scene.sees(|world| counts(world) == (0, 2, 0)).await;

    let start = world.typical_start.unwrap();
    assert!(start >= SECOND && start <= SECOND + millis(30), "{start:?}");
    assert_eq!(scene.machine.processes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_seen_ready_within_one_look() {
    let mut scene = Scene::new();
    scene.machine.next([Script::ReadyAfter(millis(400))]);
    let asked = Instant::now();
    scene.scale_to(1).await;
    scene
        .world
        .wait_for(|world| counts(world) == (0, 1, 0))
        .await
        .unwrap();
    assert!(asked.elapsed() <= millis(402 + 25), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_typical_start_follows_the_newest_slowly() {
    let mut scene = Scene::new();
    scene.machine.next([
        Script::ReadyAfter(millis(998)),
        Script::ReadyAfter(millis(1998)),
    ]);
    scene.ready(1).await;

    let typical = scene.ready(2).await.typical_start.unwrap();

    assert!(
        typical >= millis(1300) && typical <= millis(1350),
        "{typical:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_life_learned_of_its_starts_is_known_before_the_first() {
    let learned = Some(10 * SECOND);
    let mut scene = Scene::knowing(learned, Machine::default(), Places::new(16));
    let world = scene.sees(|world| world.typical_start.is_some()).await;
    assert_eq!(world.typical_start, learned);
    scene.machine.next([Script::ReadyAfter(millis(998))]);

    let typical = scene.ready(1).await.typical_start.unwrap();

    assert!(
        typical >= millis(7300) && typical <= millis(7320),
        "the newest weighs in: {typical:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lower_wish_takes_back_the_newest_start_first() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.scale_to(3).await;
    scene.after(millis(500)).await;

    scene.scale_to(2).await;

    scene.sees(|world| counts(world) == (0, 2, 0)).await;
    assert_eq!(scene.machine.running(), [ReplicaId(1), ReplicaId(2)]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_replica_goes_before_a_busy_one() {
    let mut scene = Scene::new();
    scene.ready(3).await;
    scene.requests.hold(ReplicaId(1), 1);
    scene.requests.hold(ReplicaId(3), 1);

    scene.scale_to(2).await;

    scene.sees(|world| counts(world) == (0, 2, 0)).await;
    assert_eq!(scene.machine.running(), [ReplicaId(1), ReplicaId(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_replica_is_never_stopped_however_long_its_stream_runs() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.requests.hold(ReplicaId(1), 1);

    scene.scale_to(0).await;
    assert_eq!(counts(&scene.after(24 * 3600 * SECOND).await), (0, 0, 1));
    assert_eq!(scene.machine.running(), [ReplicaId(1)]);

    scene.requests.finish(ReplicaId(1));
    scene.sees(|world| world.replicas.is_empty()).await;
    assert_eq!(scene.machine.running(), []);
    assert!(scene.machine.processes()[0].terminated.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_higher_wish_revives_before_it_starts() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    scene.requests.hold(ReplicaId(2), 2);
    scene.scale_to(0).await;
    scene.sees(|world| counts(world) == (0, 0, 2)).await;

    scene.scale_to(3).await;

    scene.sees(|world| counts(world) == (0, 3, 0)).await;
    assert_eq!(scene.machine.processes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_has_just_gone_is_not_revived() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(2), 1);
    scene.scale_to(0).await;
    scene
        .world
        .wait_for(|world| counts(world) == (0, 0, 1))
        .await
        .unwrap();

    scene.scale_to(2).await;

    let world = scene.sees(|world| counts(world) == (0, 2, 0)).await;
    let ids: Vec<_> = world.replicas.iter().map(|r| r.id).collect();
    assert_eq!(ids, [ReplicaId(2), ReplicaId(3)]);
}
