//! Crashes and commands that cannot be run: when the next attempt is, and when it is an outage.

use prometheus_client::metrics::counter::Counter;

use super::machine::Script;
use super::*;
use crate::ports::OutageReason;
use crate::revision::ReplicaId;

#[tokio::test(start_paused = true)]
async fn a_crashed_replica_leaves_the_world_at_once_and_is_replaced_without_being_asked() {
    let mut scene = Scene::new();
    scene.ready(3).await;

    scene.machine.crash(ReplicaId(2));

    let world = scene.after(millis(1)).await;
    assert_eq!(counts(&world), (1, 2, 0));
    assert!(
        world
            .replicas
            .iter()
            .all(|replica| replica.id != ReplicaId(2))
    );
    scene.sees(|world| counts(world) == (0, 3, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn restarts_pause_longer_and_longer_until_a_replica_has_stayed() {
    let mut scene = Scene::new();
    scene.scale_to(1).await;
    for crashes in 1..=4 {
        scene.sees(|world| counts(world) == (0, 1, 0)).await;
        scene.machine.crash(ReplicaId(crashes));
        scene.sees(|world| counts(world) == (1, 0, 0)).await;
    }
    let launches: Vec<Instant> = scene
        .machine
        .processes()
        .iter()
        .map(|p| p.launched)
        .collect();
    let between: Vec<Duration> = launches.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Each lived for the same time; what grew is the pause.
    for (at, pause) in [(1, 100), (2, 200), (3, 400)] {
        let grown = between[at].saturating_sub(between[0]);
        assert!(
            grown.abs_diff(millis(pause)) <= millis(30),
            "{at}: {grown:?}"
        );
    }

    scene.sees(|world| counts(world) == (0, 1, 0)).await;
    sleep(10 * SECOND).await;
    scene.machine.crash(ReplicaId(5));
    assert_eq!(counts(&scene.after(millis(1)).await), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn crashes_in_a_row_become_an_outage_that_names_the_reason() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 3]);

    scene.scale_to(1).await;
    let world = scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap()
        .clone();

    let outage = world.outage.unwrap();
    assert_eq!(outage.reason, OutageReason::ColdStartFailed);
    assert_eq!(
        outage.detail,
        "the process ended with exit status: 1\nno such model"
    );
    let next = outage.next_attempt.unwrap() - Instant::now().into_std();
    assert_eq!(next, millis(200));
    assert_eq!(scene.machine.processes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_next_attempt_and_its_success_ends_the_outage() {
    let mut scene = Scene::new();
    let crash = Script::CrashAfter(millis(50));
    scene
        .machine
        .next([crash.clone(), crash.clone(), crash.clone(), crash]);
    scene.scale_to(1).await;
    scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap();

    let world = scene
        .world
        .wait_for(|world| counts(world).0 == 1)
        .await
        .unwrap()
        .clone();
    assert_eq!(world.outage, None);
    // The count goes on: one crash more is enough.
    scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap();
    assert_eq!(scene.machine.processes().len(), 4);

    let world = scene.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(world.outage, None);
}

#[tokio::test(start_paused = true)]
async fn without_a_wish_the_outage_ends_with_its_pause_and_the_next_request_tries_again() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 3]);
    scene.scale_to(1).await;
    scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap();

    scene.scale_to(0).await;
    assert!(scene.after(millis(190)).await.outage.is_some());
    assert_eq!(scene.after(millis(20)).await.outage, None);

    assert_eq!(scene.machine.processes().len(), 3);
    scene.ready(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_ready_replica_means_no_outage_however_often_others_crash() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 6]);

    scene.scale_to(2).await;

    for _ in 0..60 {
        assert_eq!(scene.after(millis(50)).await.outage, None);
    }
    assert!(scene.machine.processes().len() >= 6);
}

#[tokio::test(start_paused = true)]
async fn a_good_replica_is_back_at_once_though_another_keeps_crashing() {
    let mut scene = Scene::new();
    scene.ready(1).await;
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 9]);
    scene.scale_to(2).await;
    scene.after(12 * SECOND).await;
    let launched = scene.machine.processes().len();

    scene.machine.crash(ReplicaId(1));

    let world = scene.after(millis(5)).await;
    assert_eq!((counts(&world), world.outage), ((1, 0, 0), None));
    assert_eq!(scene.machine.processes().len(), launched + 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_run_is_an_outage_at_once() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::NotRunnable; 10]);
    scene.scale_to(1).await;

    let world = scene
        .world
        .wait_for(|world| world.outage.is_some())
        .await
        .unwrap()
        .clone();

    assert_eq!(
        world.outage.unwrap().detail,
        "could not run 'foo': No such file or directory"
    );
    assert_eq!(scene.machine.processes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nine_hundred_cold_starts_with_random_kills_all_come_to_a_ready_replica() {
    let mut scene = Scene::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..900 {
        // xorshift64: the same kills in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        scene.scale_to(1).await;
        sleep(millis(state % 1500)).await;
        for replica in scene.machine.running() {
            scene.machine.crash(replica);
        }
        scene.sees(|world| counts(world) == (0, 1, 0)).await;
        assert_eq!(scene.machine.running().len(), 1, "round {round}");
        scene.scale_to(0).await;
        scene.sees(|world| world.replicas.is_empty()).await;
        assert_eq!(scene.machine.running(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn every_start_is_counted_as_ready_or_failed() {
    let mut scene = Scene::new();
    scene.machine.next(vec![Script::CrashAfter(millis(50)); 2]);
    scene.ready(1).await;
    scene.scale_to(2).await;
    scene.after(millis(500)).await;
    // One that is taken back while it starts is neither.
    scene.scale_to(1).await;
    scene.after(SECOND).await;

    let counts = scene.stats.cold_starts.each_ref().map(Counter::get);
    assert_eq!(counts, [1, 2]);
}
