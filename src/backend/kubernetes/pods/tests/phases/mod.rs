//! How long each phase of a start takes, and when the next pod is expected by that.

mod scene;

use super::cluster::waiting;
use super::*;
use crate::autoscale::StartPhase::{FirstAnswer, Init, Load, Pull, Schedule};
use crate::backend::kubernetes::objects::{NodeWord, Obstruction, Stage};
use crate::sync::wall;

#[track_caller]
fn near(seen: f64, want: f64) {
    assert!((seen - want).abs() < 0.8, "{seen} is not {want}");
}

fn word(coming: bool) -> NodeWord {
    let said = Obstruction {
        reason: "TriggeredScaleUp".into(),
        message: "pool 0->1".into(),
    };
    let at = wall();
    NodeWord { coming, said, at }
}

fn lacks_node() -> Stage {
    Stage::Unscheduled(Some(Obstruction {
        reason: "Unschedulable".into(),
        message: "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.".into(),
    }))
}

#[tokio::test(start_paused = true)]
async fn each_phase_of_a_cold_start_is_measured_and_the_second_pull_with_the_first() {
    let mut scene = Scene::step_by_step();
    scene.starts(1, [4, 10, 20, 5, 30]).await;
    for (phase, took) in [(Schedule, 4.0), (Pull, 15.0), (Init, 20.0), (Load, 30.0)] {
        let (count, sum) = scene.observed(phase);
        assert_eq!(count, 1, "{phase:?}");
        near(sum, took);
    }
    // That is for the data path to say.
    assert_eq!(scene.observed(FirstAnswer).0, 0);
    assert_eq!(scene.phase(0), Some(FirstAnswer));
    // Another without a container that goes first.
    scene.starts(2, [1, 10, 0, 0, 30]).await;
    let counts = [Schedule, Pull, Init, Load].map(|phase| scene.observed(phase).0);
    assert_eq!(counts, [2, 2, 1, 2]);
    assert_eq!(scene.stats.cold_starts[0].get(), 2);
    let typical = scene.world.borrow().typical_phases;
    assert_eq!(typical.node, None);
    let [schedule, pull, init, load] =
        [typical.schedule, typical.pull, typical.init, typical.load].map(|it| it.unwrap());
    near(schedule.as_secs_f64(), 3.1);
    near(pull.as_secs_f64(), 13.5);
    near(init.as_secs_f64(), 14.0);
    near(load.as_secs_f64(), 30.0);
}

#[tokio::test(start_paused = true)]
async fn the_second_start_is_expected_by_what_is_left_of_its_phase_and_those_to_come() {
    let mut scene = Scene::step_by_step();
    scene.starts(1, [4, 10, 20, 5, 30]).await;
    assert_eq!(scene.expected(), None);
    scene
        .cluster
        .change(|inside| inside.pods[0].view.terminating = true);
    let pod = scene.made(1).await.replace("1x", "2x");
    let check = |scene: &Scene, phase, left: f64| {
        let at = scene.world.borrow().replicas.len() - 1;
        assert_eq!(scene.phase(at), Some(phase));
        near(scene.expected().unwrap(), left);
    };
    sleep(SECOND).await;
    check(&scene, Schedule, 3.0 + 15.0 + 20.0 + 30.0);
    scene.pulls(&pod);
    sleep(4 * SECOND).await;
    check(&scene, Pull, 11.0 + 20.0 + 30.0);
    sleep(6 * SECOND).await;
    scene.fetches(&pod);
    sleep(SECOND).await;
    check(&scene, Init, 19.0 + 5.0 + 30.0);
    // Done sooner than usual: what is left of it is not waited for.
    sleep(SECOND).await;
    scene.pulls(&pod);
    sleep(SECOND).await;
    check(&scene, Pull, 4.0 + 30.0);
    scene.loads(&pod);
    sleep(SECOND).await;
    check(&scene, Load, 29.0);
    // Who waits is told the same.
    near(scene.estimate().unwrap(), 29.0);
    // It takes longer: a tenth more each time, and the world says so by itself.
    sleep(28 * SECOND).await;
    near(scene.estimate().unwrap(), 1.0);
    sleep(2 * SECOND).await;
    check(&scene, Load, 2.0);
    sleep(300 * SECOND).await;
    let late = scene.expected().unwrap();
    assert!(late > 0.0 && late < 40.0, "{late}");
    scene.listens(&pod);
    scene
        .sees(|world| world.count(ReplicaState::Ready) == 1)
        .await;
    assert_eq!(scene.expected(), None);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_comes_first_is_expected_and_not_the_newest_nor_one_that_cannot_come() {
    let mut scene = Scene::step_by_step();
    scene.starts(1, [0, 10, 0, 0, 30]).await;
    let second = scene.made(2).await;
    scene.pulls(&second);
    sleep(10 * SECOND).await;
    scene.loads(&second);
    sleep(5 * SECOND).await;
    let third = scene.made(3).await;
    scene.pulls(&third);
    sleep(SECOND).await;
    near(scene.expected().unwrap(), 24.0);
    let stage = waiting("ImagePullBackOff", "x:1 not found");
    scene
        .cluster
        .pod(&second, |pod| pod.stuck = Some(stage.clone()));
    sleep(SECOND).await;
    near(scene.expected().unwrap(), 38.0);
    scene.cluster.pod(&third, |pod| pod.stuck = Some(stage));
    sleep(SECOND).await;
    assert_eq!(scene.expected(), None);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_node_that_is_on_its_way_is_known_apart_and_without_one_nothing_is() {
    let mut scene = Scene::step_by_step();
    scene.starts(1, [2, 10, 0, 0, 30]).await;
    // The second waits for a node that is brought.
    let second = scene.made(2).await;
    scene
        .cluster
        .pod(&second, |pod| pod.view.stage = lacks_node());
    sleep(10 * SECOND).await;
    assert_eq!(scene.expected(), None);
    let said = Some(word(true));
    scene.cluster.pod(&second, |pod| pod.view.node_word = said);
    sleep(90 * SECOND).await;
    // None has come before.
    assert_eq!(scene.expected(), None);
    scene.cluster.pod(&second, |pod| pod.view.node_word = None);
    scene.pulls(&second);
    sleep(10 * SECOND).await;
    scene.loads(&second);
    sleep(30 * SECOND).await;
    scene.listens(&second);
    scene
        .sees(|world| world.count(ReplicaState::Ready) == 2)
        .await;
    let typical = scene.world.borrow().typical_phases;
    near(typical.schedule.unwrap().as_secs_f64(), 2.0);
    near(typical.node.unwrap().as_secs_f64(), 100.0);
    near(scene.observed(Schedule).1, 102.0);
    // The third waits for one as well.
    let third = scene.made(3).await;
    sleep(SECOND).await;
    near(scene.expected().unwrap(), 1.0 + 10.0 + 30.0);
    scene
        .cluster
        .pod(&third, |pod| pod.view.stage = lacks_node());
    sleep(SECOND).await;
    assert_eq!(scene.expected(), None);
    scene
        .cluster
        .pod(&third, |pod| pod.view.node_word = Some(word(true)));
    sleep(8 * SECOND).await;
    near(scene.expected().unwrap(), 90.0 + 10.0 + 30.0);
    scene
        .cluster
        .pod(&third, |pod| pod.view.node_word = Some(word(false)));
    sleep(SECOND).await;
    assert_eq!(scene.expected(), None);
    // It gets one that somebody else gave up: that says nothing about others.
    scene.pulls(&third);
    let before = scene.world.borrow().typical_phases;
    scene.loads(&third);
    scene.listens(&third);
    scene
        .sees(|world| world.count(ReplicaState::Ready) == 3)
        .await;
    let after = scene.world.borrow().typical_phases;
    assert_eq!(after.schedule, before.schedule);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_life_learned_of_phases_counts_for_the_first_start() {
    let mut scene = Scene::step_by_step();
    let mut learned = settings(&scene.stats);
    learned.typical_phases = TypicalPhases {
        pull: Some(40 * SECOND),
        load: Some(20 * SECOND),
        ..TypicalPhases::default()
    };
    let cluster = &scene.cluster;
    scene.pods = Pods::start(
        learned,
        cluster::at(),
        cluster.present(),
        scene.tenure.subscribe(),
        (cluster.clone(), cluster.clone(), cluster.clone()),
        Arc::clone(&scene.throttler),
    );
    scene.world = scene.pods.world();
    let pod = scene.made(1).await;
    scene.pulls(&pod);
    sleep(10 * SECOND).await;
    near(scene.expected().unwrap(), 30.0 + 20.0);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_comes_back_is_no_cold_start_that_was_seen() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    let typical = scene.world.borrow().typical_phases;
    let counts = [Schedule, Pull, Init, Load].map(|phase| scene.observed(phase).0);
    scene.cluster.kill("flowers-1x");
    sleep(Duration::from_millis(100)).await;
    // Until then it is expected like any other.
    near(scene.expected().unwrap(), 1.0);
    scene.sees(|world| counts_ready(world) == 1).await;
    assert_eq!(scene.phase(0), None);
    assert_eq!(scene.world.borrow().typical_phases, typical);
    let after = [Schedule, Pull, Init, Load].map(|phase| scene.observed(phase).0);
    assert_eq!(after, counts);
}

#[tokio::test(start_paused = true)]
async fn one_that_could_not_be_reached_for_a_moment_does_not_start_again() {
    let mut scene = Scene::new(0);
    scene.settled(1).await;
    scene
        .cluster
        .pod("flowers-1x", |pod| pod.start.listens = 1000 * SECOND);
    let held = scene.request(SECOND);
    let world = scene.after(2 * SECOND).await;
    assert_eq!(counts(&world), (1, 0, 0));
    assert_eq!((scene.phase(0), scene.expected()), (None, None));
    drop(held);
}

fn counts_ready(world: &World) -> u32 {
    world.count(ReplicaState::Ready)
}
