//! Pods that find no node: waited for and given up.

mod kept;
mod room;
mod seen;
mod told;

use super::cluster::{Autoscaler, comes, none_comes, waiting};
use super::*;
use crate::autoscale::Shortage;
use crate::backend::kubernetes::objects::NodeWord;
use crate::ports::Outage;

const MINUTE: Duration = Duration::from_secs(60);
const LACKS: &str = "no node fits: 3 of 3 nodes lack free nvidia.com/gpu";

impl Scene {
    /// A revision of which so many pods find a node.
    fn with_room(room: u32) -> Self {
        let scene = Self::new(0);
        scene.cluster.change(|inside| inside.room = room);
        scene
    }

    fn room(&self, room: u32) {
        self.cluster.change(|inside| inside.room = room);
    }

    fn say(&self, pod: &str, word: NodeWord) {
        self.cluster.pod(pod, |pod| pod.view.node_word = Some(word));
    }

    fn outage(&self) -> Option<Outage> {
        let outage = self.world.borrow().outage.clone();
        outage.map(|outage| Outage::clone(&outage))
    }

    /// The number, and how many of them are ready.
    fn number(&self) -> (u32, u32) {
        let ready = self.world.borrow().count(ReplicaState::Ready);
        (self.cluster.replicas(), ready)
    }

    fn change(&self, change: impl FnOnce(&mut PodSettings)) {
        let mut changed = settings(&self.stats);
        change(&mut changed);
        self.pods.set(changed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_finds_no_node_is_waited_for_until_its_grace_is_over() {
    let scene = Scene::with_room(0);
    let held = scene.request(SECOND);
    scene.scale_to(1).await;
    sleep(59 * SECOND).await;
    assert_eq!((scene.outage(), held.is_finished()), (None, false));
    assert_eq!(scene.world.borrow().shortage, None);
    sleep(2 * SECOND).await;
    let outage = scene.outage().expect("nobody waits any longer");
    assert_eq!(outage.reason, OutageReason::Unschedulable);
    let why = format!("{LACKS}; no autoscaler has said that a node comes");
    assert_eq!(outage.detail, format!("pod flowers-1x: {why}"));
    assert_eq!(held.await.unwrap(), Err(OutageReason::Unschedulable));
    let next = scene.request(SECOND);
    assert_eq!(next.await.unwrap(), Err(OutageReason::Unschedulable));
    assert_eq!(scene.world.borrow().shortage, Some(Shortage::NoNode));
    assert_eq!(
        scene.cluster.told("Unschedulable"),
        [format!(
            "1 pod cannot be placed, 1 wanted in all: {why}; 1 kept to find a node that appears"
        )]
    );
    // It is still there, and its node is its own.
    scene.room(1);
    sleep(SECOND).await;
    assert_eq!((scene.outage(), scene.cluster.asked()), (None, vec![1]));
    assert!(scene.request(SECOND).await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn that_no_node_comes_counts_at_once() {
    let scene = Scene::with_room(0);
    scene
        .cluster
        .change(|inside| inside.autoscaler = Autoscaler::Refuses);
    let held = scene.request(SECOND);
    scene.scale_to(1).await;
    sleep(SECOND).await;
    let detail = scene.outage().expect("none comes").detail;
    let said = "NotTriggerScaleUp: pod didn't trigger scale-up: 1 max node group size reached";
    let want = format!("pod flowers-1x: {LACKS}; no node comes ({said})");
    assert_eq!(detail, want);
    assert_eq!(held.await.unwrap(), Err(OutageReason::Unschedulable));
}

#[tokio::test(start_paused = true)]
async fn a_promised_node_is_waited_for_for_a_quarter_of_an_hour() {
    let scene = Scene::with_room(0);
    let brings = Autoscaler::Brings(100 * MINUTE);
    scene.cluster.change(|inside| inside.autoscaler = brings);
    scene.scale_to(2).await;
    sleep(890 * SECOND).await;
    assert_eq!((scene.outage(), scene.number()), (None, (2, 0)));
    assert_eq!(
        scene.cluster.told("WaitingForNode"),
        [
            "a node is on its way for 2 pods: TriggeredScaleUp: pod triggered scale-up: [{gpus 1->2 (max: 4)}]"
        ]
    );
    sleep(12 * SECOND).await;
    let outage = scene.outage().expect("it has not come");
    assert_eq!(outage.reason, OutageReason::Unschedulable);
    assert!(outage.detail.ends_with("but it has not come"), "{outage:?}");
    sleep(SECOND).await;
    assert_eq!(scene.number(), (1, 0));
    assert_eq!(scene.cluster.told("WaitingForNode").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_pod_counts_when_the_gate_starts() {
    let cluster = Cluster::new(LeavingOrder::DeletionCost, 1);
    cluster.change(|inside| inside.room = 0);
    sleep(40 * SECOND).await;
    let scene = Scene::on(cluster, 1);
    sleep(19 * SECOND).await;
    assert_eq!(scene.outage(), None);
    sleep(2 * SECOND).await;
    assert!(scene.outage().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_which_nobody_speaks_shares_the_hope_of_another() {
    let scene = Scene::with_room(0);
    scene.scale_to(4).await;
    sleep(SECOND).await;
    scene.say("flowers-2x", comes());
    sleep(5 * MINUTE).await;
    assert_eq!((scene.outage(), scene.number()), (None, (4, 0)));
    // What is said of them themselves counts more.
    scene.say("flowers-1x", none_comes());
    scene.say("flowers-3x", none_comes());
    sleep(SECOND).await;
    assert_eq!((scene.outage(), scene.number()), (None, (3, 0)));
    assert_eq!(
        scene.cluster.names(),
        ["flowers-1x", "flowers-2x", "flowers-4x"]
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_may_still_come_is_waited_for_beside_one_that_does_not() {
    let scene = Scene::with_room(1);
    scene
        .cluster
        .change(|inside| inside.start.listens = 300 * SECOND);
    let held = scene.request(SECOND);
    scene.scale_to(2).await;
    sleep(2 * MINUTE).await;
    assert_eq!((scene.outage(), scene.number()), (None, (2, 0)));
    assert_eq!(scene.world.borrow().shortage, Some(Shortage::NoNode));
    // When the other fails too, that is what its owner has to see to.
    scene.cluster.pod("flowers-1x", |pod| {
        pod.stuck = Some(waiting("ImagePullBackOff", "no such image"));
    });
    sleep(SECOND).await;
    let outage = scene.outage().expect("none can come");
    assert_eq!(outage.reason, OutageReason::ColdStartFailed);
    assert_eq!(held.await.unwrap(), Err(OutageReason::ColdStartFailed));
}

#[tokio::test(start_paused = true)]
async fn the_outage_is_over_with_the_first_word_of_hope() {
    let scene = Scene::with_room(0);
    scene.scale_to(1).await;
    sleep(2 * MINUTE).await;
    assert!(scene.outage().is_some());
    scene.say("flowers-1x", comes());
    sleep(100 * Duration::from_millis(1)).await;
    assert_eq!(scene.outage(), None);
    let held = scene.request(SECOND);
    sleep(5 * MINUTE).await;
    assert!(!held.is_finished());
    scene.room(1);
    assert!(held.await.unwrap().is_ok());
}
