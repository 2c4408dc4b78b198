//! From zero to the first answer.

use super::cluster::waiting;
use super::*;
use crate::backend::kubernetes::objects::Stage;
use crate::backend::kubernetes::objects::{NodeWord, Obstruction};
use crate::sync::wall;

#[tokio::test(start_paused = true)]
async fn a_wish_becomes_a_call_within_a_millisecond() {
    let scene = Scene::new(0);
    sleep(SECOND).await;
    let wished = Instant::now();
    scene.scale_to(5).await;
    sleep(SECOND).await;
    let (called, replicas) = scene.cluster.0.lock().calls[0];
    assert_eq!(replicas, 5);
    assert!(
        called - wished <= Duration::from_millis(1),
        "{:?}",
        called - wished
    );
    assert_eq!(scene.cluster.asked(), [5]);
    assert_eq!(
        scene.cluster.told("ScaledUp"),
        ["from 0 to 5 replicas: 5 are right"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_held_request_is_there_milliseconds_after_the_model_listens() {
    let mut scene = Scene::new(0);
    let held = scene.request(SECOND);
    scene.scale_to(1).await;
    scene.sees(|world| counts(world) == (1, 0, 0)).await;
    let seen = Instant::now();
    scene.sees(|world| counts(world).1 == 1).await;
    // The model listens 1305 ms after the pod was made, kubelet calls it ready after 10 s.
    let took = seen.elapsed();
    assert!(took < Duration::from_millis(1330), "{took:?}");
    assert_eq!(held.await.unwrap(), Ok("10.0.0.1".into()));
    let told = scene.cluster.told("ReplicaReady");
    assert_eq!(told, ["flowers-1x is ready 1.3 s after it was made"]);
    let typical = scene.world.borrow().typical_start.unwrap();
    assert!(typical.as_millis().abs_diff(1305) < 30, "{typical:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_for_which_nobody_waits_is_looked_at_more_seldom() {
    let looks = async |held: bool| {
        let mut scene = Scene::new(0);
        scene.cluster.0.lock().start.listens = 600 * SECOND;
        let request = held.then(|| scene.request(SECOND));
        scene.scale_to(1).await;
        scene.sees(|world| counts(world).0 == 1).await;
        sleep(300 * SECOND).await;
        drop(request);
        scene.cluster.0.lock().looks
    };
    let (eager, calm) = (looks(true).await, looks(false).await);
    assert!(eager < 12_000, "{eager}");
    assert!(calm < 300, "{calm}");
}

#[tokio::test(start_paused = true)]
async fn what_a_pod_waits_for_is_told() {
    let mut scene = Scene::new(0);
    scene.cluster.change(|inside| {
        inside.start.network = 60 * SECOND;
        inside.start.listens = 600 * SECOND;
    });
    scene.scale_to(1).await;
    let world = scene
        .sees(|world| world.count(ReplicaState::Pending) == 1)
        .await;
    assert_eq!(details(&world), ["no node yet"]);
    assert_eq!(world.replicas[0].kept_by, None);
    let message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.";
    scene.cluster.pod("flowers-1x", |pod| {
        pod.view.stage = Stage::Unscheduled(Some(Obstruction {
            reason: "Unschedulable".into(),
            message: message.into(),
        }));
    });
    let world = scene.after(SECOND).await;
    let want = "no node fits: 3 of 3 nodes lack free nvidia.com/gpu".to_owned();
    assert_eq!(details(&world), std::slice::from_ref(&want));
    assert_eq!(world.diagnosis, Some(want));
    let kept_by = world.replicas[0].kept_by;
    assert_eq!(kept_by, Some(Hindrance::Unschedulable));
    let world = scene.after(60 * SECOND).await;
    assert_eq!(world.replicas[0].kept_by, None);
    assert_eq!(
        details(&world),
        ["on node-1, nothing listens on port 8080 yet"]
    );
    assert_eq!(world.count(ReplicaState::Starting), 1);
}

#[tokio::test(start_paused = true)]
async fn what_others_say_of_a_pod_is_told() {
    let mut scene = Scene::new(0);
    scene.cluster.change(|inside| {
        inside.start.network = 60 * SECOND;
        inside.start.listens = 600 * SECOND;
    });
    scene.scale_to(1).await;
    scene
        .sees(|world| world.count(ReplicaState::Pending) == 1)
        .await;
    let said = |reason: &str| Obstruction {
        reason: reason.into(),
        message: "it is so".into(),
    };
    scene.cluster.pod("flowers-1x", |pod| {
        pod.view.node_word = Some(NodeWord {
            coming: true,
            said: said("Nominated"),
            at: wall(),
        });
    });
    let world = scene.after(SECOND).await;
    let want = "a node is on its way (Nominated: it is so)";
    assert_eq!(details(&world), [want]);
    assert_eq!(world.replicas[0].kept_by, Some(Hindrance::NodeComing));
    scene.cluster.pod("flowers-1x", |pod| {
        pod.view.node = Some("node-1".into());
        pod.view.volume_word = Some(said("FailedMount"));
        pod.stuck = Some(waiting("ContainerCreating", ""));
    });
    let world = scene.after(65 * SECOND).await;
    let want = "on node-1, waits for a volume (FailedMount: it is so)";
    assert_eq!(details(&world), [want]);
    assert_eq!(world.replicas[0].kept_by, Some(Hindrance::Volume));
}

#[tokio::test(start_paused = true)]
async fn a_pod_begins_again_with_its_containers() {
    let mut scene = Scene::new(0);
    let before = scene.settled(1).await.replicas[0].id;
    assert_eq!(idle(&scene), 1);
    scene.cluster.kill("flowers-1x");
    let world = scene.after(Duration::from_millis(100)).await;
    assert_eq!(counts(&world), (1, 0, 0));
    assert_eq!(idle(&scene), 0);
    let held = scene.request(SECOND);
    let world = scene.sees(|world| counts(world) == (0, 1, 0)).await;
    assert_eq!(world.replicas[0].id, before);
    assert!(held.await.unwrap().is_ok());
    let told = scene.cluster.told("ReplicaReady");
    assert_eq!(told[1..], ["flowers-1x is ready again after 1.3 s"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_being_deleted_takes_nothing_new_and_finishes_what_it_has() {
    let mut scene = Scene::of(LeavingOrder::DeletionCost, 0, 2);
    scene.settled(2).await;
    let three: Vec<_> = (0..3).map(|_| scene.request(20 * SECOND)).collect();
    sleep(SECOND).await;
    let now = Instant::now();
    scene.cluster.change(|inside| {
        let has_room = inside.pods.iter().position(|pod| pod.inside == 1);
        inside.delete(has_room.expect("one of them has room"), now);
    });
    let world = scene.after(Duration::from_millis(50)).await;
    assert_eq!(counts(&world).2, 1);
    // Another is made in its place, and takes what comes now.
    let next = scene.request(SECOND);
    assert_eq!(next.await.unwrap(), Ok("10.0.0.3".into()));
    for request in three {
        assert!(request.await.unwrap().is_ok());
    }
    let world = scene.after(SECOND).await;
    assert_eq!(counts(&world), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_start_at_once_than_may() {
    let scene = Scene::new(0);
    let mut changed = settings(&scene.stats);
    changed.max_starting = Some(2);
    scene.pods.set(changed);
    scene.scale_to(5).await;
    sleep(20 * SECOND).await;
    assert_eq!(scene.cluster.asked(), [2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_which_the_api_tells_in_whole_seconds_is_as_new_as_it_is() {
    let learned = async |rounding| {
        let mut scene = Scene::new(0);
        scene.settled(0).await;
        scene.cluster.0.lock().rounding = rounding;
        let world = scene.settled(1).await;
        (scene.cluster.told("ReplicaReady"), world.typical_start)
    };
    let young = Duration::from_millis(1900);
    let (told, typical) = learned(young).await;
    assert_eq!((told.len(), typical.is_some()), (1, true));
    assert_eq!((told, typical), learned(Duration::ZERO).await);
    // It may have begun before anybody looked.
    let older = Duration::from_millis(2100);
    assert_eq!(learned(older).await, (Vec::new(), None));
}

#[tokio::test(start_paused = true)]
async fn a_young_pod_is_looked_at_before_one_that_may_never_come() {
    let scene = Scene::new(0);
    scene.cluster.0.lock().start.listens = 600 * SECOND;
    scene.scale_to(1).await;
    let looks = async |after| {
        sleep(after).await;
        let inside = scene.cluster.0.lock();
        (inside.looks, inside.hurried)
    };
    let (young, hurried) = looks(30 * SECOND).await;
    assert_eq!((young > 10, young), (true, hurried));
    let (all, last) = looks(SECOND).await;
    let (later, hurried) = looks(60 * SECOND).await;
    assert_eq!((later > all, hurried), (true, last));
    // Unless somebody waits for it.
    let _held = scene.request(SECOND);
    let (_, hurried) = looks(60 * SECOND).await;
    assert!(hurried > last);
}
