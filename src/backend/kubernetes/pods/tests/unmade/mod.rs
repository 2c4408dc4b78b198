//! Pods that cannot even be made, and rollouts that do not go on.

mod anew;

use super::cluster::{Autoscaler, none_comes, waiting};
use super::*;
use crate::autoscale::Shortage;
use crate::backend::kubernetes::objects::Obstruction;
use crate::ports::{Hindrance, Unmade};

const MINUTE: Duration = Duration::from_secs(60);
const EXCEEDED: &str = "exceeded quota: gpus, requested: pods=1, used: pods=0, limited: pods=0";

impl Scene {
    fn with_quota(quota: u32) -> Self {
        let scene = Self::new(0);
        scene.quota(quota);
        scene
    }

    fn quota(&self, quota: u32) {
        self.cluster.0.lock().quota = quota;
    }

    fn unmade(&self) -> Option<(u32, Hindrance)> {
        let unmade = self.world.borrow().unmade.clone();
        unmade.map(|Unmade { count, kept_by, .. }| (count, kept_by))
    }

    fn reason(&self) -> Option<OutageReason> {
        let outage = self.world.borrow().outage.clone();
        outage.map(|outage| outage.reason)
    }
}

#[tokio::test(start_paused = true)]
async fn requests_for_what_a_quota_does_not_allow_are_told_after_the_grace() {
    let scene = Scene::with_quota(0);
    let held = scene.request(SECOND);
    scene.scale_to(3).await;
    sleep(SECOND).await;
    assert_eq!(scene.unmade(), Some((3, Hindrance::Quota)));
    assert_eq!(scene.world.borrow().shortage, Some(Shortage::Quota));
    assert_eq!(scene.reason(), None);
    sleep(60 * SECOND).await;
    assert_eq!(held.await.unwrap(), Err(OutageReason::Unschedulable));
    let next = scene.request(SECOND);
    assert_eq!(next.await.unwrap(), Err(OutageReason::Unschedulable));
    let outage = scene.world.borrow().outage.clone().expect("none can come");
    let detail = format!("its controller cannot make a pod: {EXCEEDED}");
    assert_eq!(outage.detail, detail);
    // It is told without a gap, though the controller is asked anew, and once.
    for _ in 0..600 {
        sleep(Duration::from_millis(100)).await;
        assert_eq!(scene.reason(), Some(OutageReason::Unschedulable));
    }
    let told = scene.cluster.told("QuotaExceeded");
    assert_eq!(told, [format!("3 pods cannot be made: {EXCEEDED}")]);
    assert_eq!(scene.cluster.told("ScaledUp").len(), 1);
    assert_eq!(scene.cluster.told("ScaledDown").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_refuses_is_a_failed_start() {
    let scene = Scene::new(0);
    let denied = "admission webhook \"images.example.com\" denied the request: not signed";
    scene.cluster.0.lock().policy = Some(denied);
    let held = scene.request(SECOND);
    scene.scale_to(1).await;
    sleep(61 * SECOND).await;
    assert_eq!(held.await.unwrap(), Err(OutageReason::ColdStartFailed));
    assert_eq!(scene.unmade(), Some((1, Hindrance::Refused)));
    assert_eq!(scene.world.borrow().shortage, Some(Shortage::Refused));
    let told = scene.cluster.told("PodsRefused");
    assert_eq!(told, [format!("1 pod cannot be made: {denied}")]);
    // Who wants none any more is not told of it.
    scene.scale_to(0).await;
    sleep(SECOND).await;
    assert_eq!((scene.reason(), scene.unmade()), (None, None));
}

impl Scene {
    /// A rollout begins: one more pod, of another template, without room for it.
    fn roll(&self) {
        self.cluster.change(|inside| {
            inside.workload.as_mut().unwrap().rolling = true;
            inside.surge = 1;
        });
    }

    fn overdue(&self) {
        self.cluster.change(|inside| {
            inside.workload.as_mut().unwrap().overdue = Some(Obstruction {
                reason: "ProgressDeadlineExceeded".into(),
                message: "ReplicaSet \"flowers-7d4b9\" has timed out progressing.".into(),
            });
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_without_a_spare_node_ends_nobody_and_is_told() {
    let mut scene = Scene::new(0);
    scene.cluster.change(|inside| inside.room = 2);
    scene.settled(2).await;
    let before = scene.cluster.names();
    scene.roll();
    sleep(5 * MINUTE).await;
    assert_eq!(scene.cluster.alive().len(), 3);
    assert_eq!(scene.cluster.names()[..2], before);
    assert_eq!((scene.reason(), scene.cluster.asked()), (None, vec![2]));
    assert!(scene.request(SECOND).await.unwrap().is_ok());
    scene.overdue();
    sleep(SECOND).await;
    let why = "the rollout does not go on (ProgressDeadlineExceeded: ReplicaSet \"flowers-7d4b9\" has timed out progressing.); pod flowers-3x: no node fits: 3 of 3 nodes lack free nvidia.com/gpu; no autoscaler has said that a node comes";
    assert_eq!(scene.cluster.told("RolloutStuck"), [why]);
    assert_eq!(scene.world.borrow().diagnosis.as_deref(), Some(why));
    // More of them would find no node either.
    scene.scale_to(6).await;
    sleep(5 * MINUTE).await;
    assert_eq!(scene.cluster.names()[..2], before);
    assert_eq!(scene.cluster.replicas(), 2);
    assert_eq!(scene.cluster.told("RolloutStuck").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_is_waited_for_whose_node_the_old_one_is_leaving() {
    let mut scene = Scene::new(0);
    scene.cluster.change(|inside| {
        inside.room = 1;
        inside.autoscaler = Autoscaler::Refuses;
    });
    scene.settled(1).await;
    let running = scene.request(20 * SECOND);
    sleep(SECOND).await;
    scene.cluster.change(|inside| {
        inside.workload.as_mut().unwrap().rolling = true;
        inside.delete(0, Instant::now());
    });
    sleep(SECOND).await;
    let word = scene.cluster.alive()[0].view.node_word.clone();
    assert_eq!(word.map(|word| word.said), Some(none_comes().said));
    let held = scene.request(SECOND);
    sleep(10 * SECOND).await;
    assert_eq!((scene.reason(), held.is_finished()), (None, false));
    assert!(running.await.unwrap().is_ok());
    assert!(held.await.unwrap().is_ok());
    assert_eq!(scene.cluster.told("ColdStartFailed").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_what_fails_and_what_finds_no_node_the_failure_is_told() {
    let scene = Scene::new(0);
    scene.cluster.change(|inside| inside.room = 1);
    scene.scale_to(2).await;
    sleep(SECOND).await;
    scene.cluster.pod("flowers-1x", |pod| {
        pod.stuck = Some(waiting("ImagePullBackOff", "no such image"));
    });
    sleep(10 * SECOND).await;
    assert_eq!(scene.reason(), None);
    sleep(MINUTE).await;
    assert_eq!(scene.reason(), Some(OutageReason::ColdStartFailed));
}
