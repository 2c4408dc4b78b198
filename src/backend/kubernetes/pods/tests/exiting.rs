//! The last pod of a revision whose Services lead past the gate while it is ready: it stays until callers
//! find a gateway.

use super::*;
use crate::backend::kubernetes::doors::{Exit, Word};

/// With a way out that is closed.
fn guarded(scene: &Scene) -> Exit {
    let exit = Exit::new(Arc::default());
    scene.pods.set(PodSettings {
        exit: Some(exit.clone()),
        ..settings(&scene.stats)
    });
    exit
}

const fn word(ready: bool, leaving: bool) -> Word {
    Word { ready, leaving }
}

#[tokio::test(start_paused = true)]
async fn the_last_pod_stays_until_callers_are_led_to_the_gateways() {
    let mut scene = Scene::new(0);
    let exit = guarded(&scene);
    scene.settled(2).await;
    assert_eq!(exit.word(), Some(word(true, false)));
    scene.scale_to(0).await;
    sleep(30 * SECOND).await;
    assert_eq!(exit.word(), Some(word(true, true)));
    assert_eq!(scene.cluster.replicas(), 2);
    exit.lead(true);
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 0);
    sleep(10 * SECOND).await;
    assert_eq!(exit.word(), Some(word(false, true)));
}

#[tokio::test(start_paused = true)]
async fn while_one_stays_nobody_has_to_be_led_elsewhere() {
    let mut scene = Scene::new(0);
    let exit = guarded(&scene);
    scene.settled(3).await;
    scene.scale_to(1).await;
    sleep(10 * SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    assert_eq!(exit.word(), Some(word(true, false)));
}

#[tokio::test(start_paused = true)]
async fn who_is_wanted_after_all_is_led_elsewhere_no_more() {
    let mut scene = Scene::new(0);
    let exit = guarded(&scene);
    scene.settled(1).await;
    scene.scale_to(0).await;
    sleep(SECOND).await;
    assert_eq!(exit.word(), Some(word(true, true)));
    scene.scale_to(1).await;
    sleep(SECOND).await;
    assert_eq!(exit.word(), Some(word(true, false)));
    assert_eq!((scene.cluster.replicas(), idle(&scene)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn from_zero_on_callers_stay_with_the_gateways_until_a_pod_is_ready_for_kubelet() {
    let scene = Scene::new(0);
    let exit = guarded(&scene);
    scene.scale_to(1).await;
    sleep(SECOND / 2).await;
    assert_eq!(exit.word(), Some(word(false, false)));
    sleep(60 * SECOND).await;
    assert_eq!(exit.word(), Some(word(true, false)));
}

#[tokio::test(start_paused = true)]
async fn the_highest_ordinals_go_only_while_a_lower_one_is_ready() {
    let mut scene = Scene::of(LeavingOrder::Ordinal, 0, 1);
    let exit = guarded(&scene);
    scene.settled(2).await;
    let lowest = |pods: &[super::cluster::Pod]| {
        let lowest = pods.iter().position(|pod| pod.view.name.ends_with("-0"));
        lowest.expect("it is there")
    };
    {
        let mut inside = scene.cluster.0.lock();
        let at = lowest(&inside.pods);
        inside.pods[at].silent = true;
    }
    sleep(SECOND).await;
    scene.scale_to(1).await;
    sleep(10 * SECOND).await;
    assert_eq!(
        (scene.cluster.replicas(), exit.word()),
        (2, Some(word(true, true)))
    );
    exit.lead(true);
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
}

#[tokio::test(start_paused = true)]
async fn to_a_pod_that_is_being_deleted_nobody_is_led() {
    let mut scene = Scene::new(0);
    let exit = guarded(&scene);
    scene.settled(1).await;
    let inside = scene.request(20 * SECOND);
    sleep(SECOND).await;
    let now = Instant::now();
    scene.cluster.change(|inside| inside.delete(0, now));
    sleep(SECOND / 2).await;
    // It answers what it holds, and the one in its place is not there yet.
    assert_eq!(exit.word(), Some(word(false, false)));
    sleep(30 * SECOND).await;
    assert_eq!(exit.word(), Some(word(true, false)));
    assert!(inside.await.unwrap().is_ok());
}
