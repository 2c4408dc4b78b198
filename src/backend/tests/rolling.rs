//! A changed spec while requests come: what runs serves until what replaces it is ready.

use super::machine::Script;
use super::*;
use crate::revision::ReplicaId;

fn states(world: &World) -> Vec<(u64, ReplicaState)> {
    let replicas = world.replicas.iter();
    replicas.map(|r| (r.id.0, r.state)).collect()
}

impl Scene {
    /// From now on, how few were ready at any time.
    fn watch_fewest_ready(&self) -> watch::Receiver<u32> {
        let mut world = self.supervisor.world();
        let fewest = watch::Sender::new(world.borrow().count(ReplicaState::Ready));
        let told = fewest.subscribe();
        tokio::spawn(async move {
            while world.changed().await.is_ok() {
                let ready = world.borrow_and_update().count(ReplicaState::Ready);
                fewest.send_modify(|fewest| *fewest = ready.min(*fewest));
            }
        });
        told
    }
}

#[tokio::test(start_paused = true)]
async fn old_replicas_serve_until_new_ones_are_ready_and_go_one_for_one() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene
        .machine
        .next([Script::ReadyAfter(SECOND), Script::ReadyAfter(5 * SECOND)]);
    scene.requests.hold(ReplicaId(1), 1);
    let fewest = scene.watch_fewest_ready();

    scene.supervisor.replace(spec("serve-v2"));

    assert_eq!(counts(&scene.after(millis(500)).await), (2, 2, 0));
    let world = scene.after(2 * SECOND).await;
    let (starting, ready, draining) = (
        ReplicaState::Starting,
        ReplicaState::Ready,
        ReplicaState::Draining,
    );
    // The vacant one went first.
    assert_eq!(states(&world), [(1, ready), (3, ready), (4, starting)]);
    let world = scene.after(5 * SECOND).await;
    assert_eq!(states(&world), [(1, draining), (3, ready), (4, ready)]);
    assert_eq!(*fewest.borrow(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_replica_goes_only_when_the_throttler_can_know_the_new_one() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.supervisor.replace(spec("serve-v2"));

    let both = |world: &World| counts(world) == (0, 2, 0);
    scene.world.wait_for(both).await.unwrap();

    assert_eq!(counts(&scene.after(millis(49)).await), (0, 2, 0));
    assert_eq!(counts(&scene.after(millis(2)).await), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_changed_process_that_cannot_start_leaves_the_old_one_in_service() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 6]);
    let fewest = scene.watch_fewest_ready();

    scene.supervisor.replace(spec("serve-v2"));
    for _ in 0..100 {
        let world = scene.after(millis(20)).await;
        assert_eq!(world.outage, None);
    }
    assert!(scene.machine.processes().len() > 4);
    assert_eq!(*fewest.borrow(), 1);

    // The old one dies: now nothing serves, and why is told.
    scene.machine.crash(ReplicaId(1));
    let world = scene.sees(|world| world.outage.is_some()).await;
    assert_eq!(world.count(ReplicaState::Ready), 0);
    // It starts at last.
    scene.sees(|world| counts(world) == (0, 1, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_change_takes_over_from_a_first_that_cannot_start() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 3]);
    scene.supervisor.replace(spec("serve-v2"));
    scene.after(millis(300)).await;

    scene.supervisor.replace(spec("serve-v3"));

    scene.sees(|world| counts(world) == (0, 2, 0)).await;
    let running = scene.machine.running();
    let world = scene.after(SECOND).await;
    assert_eq!(counts(&world), (0, 1, 0));
    let newest = scene.machine.processes().pop().unwrap();
    assert_eq!(newest.spec.command[0], "serve-v3");
    assert_eq!(scene.machine.running(), running[running.len() - 1..]);
}

#[tokio::test(start_paused = true)]
async fn without_a_free_place_one_old_replica_makes_room_the_idle_one_first() {
    let mut scene = Scene::on(Machine::default(), Places::new(2));
    scene.ready(2).await;
    scene.requests.hold(ReplicaId(1), 1);
    let fewest = scene.watch_fewest_ready();

    scene.supervisor.replace(spec("serve-v2"));

    let world = scene.after(millis(500)).await;
    let [starting, ready] = [ReplicaState::Starting, ReplicaState::Ready];
    assert_eq!(states(&world), [(1, ready), (3, starting)]);
    scene.after(2 * SECOND).await;
    scene.requests.finish(ReplicaId(1));
    let world = scene.after(2 * SECOND).await;
    assert_eq!(states(&world), [(3, ready), (4, ready)]);
    assert_eq!(*fewest.borrow(), 1);
    let most = |at: &Instant| {
        let runs = |p: &&super::machine::Process| {
            p.launched <= *at && p.terminated.is_none_or(|end| end > *at)
        };
        scene.machine.processes().iter().filter(runs).count()
    };
    let launches = scene.machine.processes();
    assert!(launches.iter().all(|p| most(&p.launched) <= 2));
}

#[tokio::test(start_paused = true)]
async fn a_lone_place_changes_hands_when_the_stream_has_ended() {
    let mut scene = Scene::on(Machine::default(), Places::new(1));
    scene.ready(1).await;
    scene.requests.hold(ReplicaId(1), 1);

    scene.supervisor.replace(spec("serve-v2"));

    assert_eq!(counts(&scene.after(60 * SECOND).await), (0, 0, 1));
    scene.requests.finish(ReplicaId(1));
    scene.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(scene.machine.running(), [ReplicaId(2)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_any_more_goes_though_nothing_new_is_ready() {
    let mut scene = Scene::new();
    scene.ready(2).await;
    scene.machine.next(vec![Script::NotFound; 2]);
    scene.supervisor.replace(spec("serve-v2"));
    assert_eq!(counts(&scene.after(SECOND).await), (2, 2, 0));

    scene.scale_to(1).await;
    assert_eq!(counts(&scene.after(SECOND).await), (1, 1, 0));
    scene.scale_to(0).await;
    assert_eq!(counts(&scene.after(SECOND).await), (0, 0, 0));
    assert_eq!(scene.machine.running(), []);
}
