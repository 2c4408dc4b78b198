//! Pods that find no node: waited for, given up, kept small, and asked for again.

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
    assert_eq!(outage.detail, format!("no node for flowers-1x: {why}"));
    assert_eq!(held.await.unwrap(), Err(OutageReason::Unschedulable));
    let next = scene.request(SECOND);
    assert_eq!(next.await.unwrap(), Err(OutageReason::Unschedulable));
    assert_eq!(scene.world.borrow().shortage, Some(Shortage::NoNode));
    assert_eq!(
        scene.cluster.told("Unschedulable"),
        [format!(
            "no node for 1 pod, 1 wanted in all: {why}; 1 kept to find one that appears"
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
    let want = format!("no node for flowers-1x: {LACKS}; no node comes ({said})");
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
async fn of_pods_that_do_not_come_few_are_kept() {
    let scene = Scene::with_room(10);
    scene.scale_to(48).await;
    sleep(59 * SECOND).await;
    assert_eq!(scene.number(), (48, 10));
    sleep(2 * SECOND).await;
    assert_eq!(scene.number(), (11, 10));
    assert_eq!(scene.cluster.alive().len(), 11);
    // And they do not come back.
    sleep(10 * MINUTE).await;
    assert_eq!(scene.cluster.asked(), [48, 11]);
    assert_eq!(idle(&scene), 10);
    let why = format!("{LACKS}; no autoscaler has said that a node comes");
    assert_eq!(
        scene.cluster.told("ScaledDown"),
        [format!(
            "from 48 to 11 replicas: no node for 37 of 48: {why}"
        )]
    );
    assert_eq!(scene.cluster.told("Unschedulable").len(), 1);
    assert_eq!(scene.cluster.told("Overruled"), Vec::<String>::new());
    // Nor does a larger wish bring more of them.
    scene.scale_to(60).await;
    sleep(MINUTE).await;
    assert_eq!(scene.number(), (11, 10));
    // A smaller one is a wish like any other.
    scene.scale_to(5).await;
    sleep(10 * SECOND).await;
    assert_eq!(scene.number(), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn busy_pods_stay_when_those_that_do_not_come_are_taken_back() {
    let scene = Scene::with_room(3);
    scene.scale_to(8).await;
    sleep(20 * SECOND).await;
    let busy = [(); 3].map(|()| scene.request(90 * SECOND));
    sleep(5 * MINUTE).await;
    assert_eq!(scene.number(), (4, 3));
    for request in busy {
        assert!(request.await.unwrap().is_ok());
    }
    assert!(scene.cluster.0.lock().wronged.is_empty());
}

#[tokio::test(start_paused = true)]
async fn as_many_are_kept_as_may_be() {
    let scene = Scene::with_room(2);
    scene.change(|settings| settings.max_pending = 3);
    scene.scale_to(20).await;
    sleep(61 * SECOND).await;
    assert_eq!(scene.number(), (5, 2));
    // Another one, where one of those is gone by other means, has its own grace and no company.
    scene.cluster.change(|inside| {
        let now = Instant::now();
        let last = inside.pods.len() - 1;
        inside.delete(last, now);
    });
    sleep(5 * SECOND).await;
    assert_eq!(scene.number(), (5, 2));
    sleep(5 * MINUTE).await;
    assert_eq!(
        (scene.number(), scene.cluster.asked()),
        ((5, 2), vec![20, 5])
    );
}

#[tokio::test(start_paused = true)]
async fn all_that_are_wanted_are_asked_for_as_soon_as_one_finds_a_node() {
    let scene = Scene::with_room(2);
    scene.scale_to(8).await;
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (3, 2));
    scene.room(3);
    sleep(300 * Duration::from_millis(1)).await;
    assert_eq!(scene.cluster.replicas(), 8);
    // Those have a grace of their own.
    sleep(58 * SECOND).await;
    assert_eq!(scene.number(), (8, 3));
    sleep(3 * SECOND).await;
    assert_eq!(scene.number(), (4, 3));
    scene.room(100);
    sleep(20 * SECOND).await;
    assert_eq!(scene.number(), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn all_that_are_wanted_are_asked_for_as_soon_as_a_node_is_promised() {
    let scene = Scene::with_room(1);
    scene.change(|settings| settings.max_pending = 2);
    scene
        .cluster
        .change(|inside| inside.autoscaler = Autoscaler::Refuses);
    scene.scale_to(6).await;
    sleep(10 * SECOND).await;
    assert_eq!(scene.number(), (3, 1));
    scene
        .cluster
        .change(|inside| inside.autoscaler = Autoscaler::Absent);
    let kept = scene.cluster.names().pop().expect("one is kept");
    scene.say(&kept, comes());
    sleep(300 * Duration::from_millis(1)).await;
    // What was said of the other one before is out of date.
    assert_eq!(scene.cluster.replicas(), 6);
    assert_eq!(scene.outage(), None);
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (6, 1));
}

#[tokio::test(start_paused = true)]
async fn the_highest_ordinals_of_those_that_do_not_come_are_taken_back() {
    let scene = Scene::of(LeavingOrder::Ordinal, 0, 1);
    scene.room(2);
    scene.scale_to(6).await;
    sleep(61 * SECOND).await;
    assert_eq!(scene.number(), (3, 2));
    assert_eq!(
        scene.cluster.names(),
        ["flowers-0", "flowers-1", "flowers-2"]
    );
    scene.room(3);
    sleep(20 * SECOND).await;
    assert_eq!(scene.number(), (6, 3));
    // One in the middle that does not come ends none that serves above it.
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (4, 3));
    scene.scale_to(3).await;
    sleep(10 * SECOND).await;
    scene.change(|settings| settings.max_pending = 1);
    scene.cluster.change(|inside| {
        let now = Instant::now();
        inside.room = 1;
        inside.delete(0, now);
        inside.delete(1, now);
    });
    sleep(5 * MINUTE).await;
    assert_eq!(scene.number(), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_taken_back_by_who_does_not_see_or_may_not() {
    let scene = Scene::with_room(1);
    scene.tenure.send_replace(Tenure {
        heard: false,
        ..SOLE
    });
    scene.scale_to(4).await;
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (4, 1));
    scene.tenure.send_replace(SOLE);
    sleep(SECOND).await;
    assert_eq!(scene.number(), (2, 1));
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

#[tokio::test(start_paused = true)]
async fn changed_settings_count_at_once() {
    let scene = Scene::with_room(0);
    scene.scale_to(5).await;
    sleep(20 * SECOND).await;
    assert_eq!(scene.outage(), None);
    scene.change(|settings| settings.pending_grace = 10 * SECOND);
    sleep(SECOND).await;
    assert_eq!(scene.number(), (1, 0));
    assert!(scene.outage().is_some());
    scene.change(|settings| {
        settings.pending_grace = 10 * SECOND;
        settings.max_pending = 3;
    });
    sleep(SECOND).await;
    assert_eq!(scene.number(), (3, 0));
    scene.change(|settings| settings.pending_grace = 300 * SECOND);
    sleep(SECOND).await;
    assert_eq!((scene.outage(), scene.number()), (None, (5, 0)));
}
