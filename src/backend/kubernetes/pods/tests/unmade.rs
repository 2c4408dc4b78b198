//! Pods that cannot even be made, and rollouts that do not go on.

use super::cluster::{Autoscaler, none_comes, waiting};
use super::*;
use crate::autoscale::Shortage;
use crate::backend::kubernetes::objects::Obstruction;
use crate::backend::kubernetes::seams::ApiError;
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
async fn a_controller_is_asked_anew_for_what_it_could_not_make() {
    let mut scene = Scene::with_quota(0);
    scene.scale_to(1).await;
    // By itself it would try again after a quarter of an hour.
    sleep(20 * MINUTE).await;
    let asked = scene.cluster.asked();
    assert_eq!(asked[..5], [1, 0, 1, 0, 1]);
    assert!((75..=85).contains(&asked.len()), "{}", asked.len());
    scene.quota(5);
    let held = scene.request(SECOND);
    assert_eq!(held.await.unwrap(), Err(OutageReason::Unschedulable));
    let raised = Instant::now();
    scene.sees(|world| counts(world).1 == 1).await;
    assert!(raised.elapsed() < 35 * SECOND, "{:?}", raised.elapsed());
    assert_eq!((scene.reason(), scene.unmade()), (None, None));
    assert!(scene.request(SECOND).await.unwrap().is_ok());
    sleep(5 * MINUTE).await;
    assert_eq!(scene.cluster.replicas(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_serves_is_left_alone_when_a_controller_is_asked_anew() {
    let mut scene = Scene::with_quota(2);
    scene.scale_to(4).await;
    scene.sees(|world| counts(world).1 == 2).await;
    let before = scene.cluster.names();
    let long = [(); 2].map(|()| scene.request(5 * MINUTE));
    sleep(2 * MINUTE).await;
    assert_eq!(scene.unmade(), Some((2, Hindrance::Quota)));
    assert_eq!(scene.reason(), None);
    let asked = scene.cluster.asked();
    assert_eq!(asked[..3], [4, 2, 4]);
    assert!(asked.len() <= 11, "{asked:?}");
    assert_eq!(scene.cluster.names(), before);
    scene.quota(3);
    sleep(32 * SECOND).await;
    assert_eq!(scene.cluster.names()[..2], before);
    assert_eq!(scene.unmade(), Some((1, Hindrance::Quota)));
    for request in long {
        assert!(request.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_is_not_asked_anew_where_a_pod_could_go() {
    // The first of them is missing: the last would be taken.
    let mut scene = Scene::of(LeavingOrder::Ordinal, 0, 1);
    scene.settled(3).await;
    scene.cluster.change(|inside| {
        inside.quota = 2;
        inside.delete(0, Instant::now());
    });
    sleep(5 * MINUTE).await;
    assert_eq!(scene.cluster.names(), ["flowers-1", "flowers-2"]);
    assert_eq!(scene.cluster.asked(), [3]);
    // Nor by who does not hear all gateways, or while pods of two templates are there.
    let keepers: [fn(&Scene); 2] = [
        |scene| {
            let heard = false;
            scene.tenure.send_replace(Tenure { heard, ..SOLE });
        },
        |scene| {
            scene
                .cluster
                .change(|inside| inside.workload.as_mut().unwrap().rolling = true);
        },
    ];
    for keep in keepers {
        let scene = Scene::with_quota(0);
        keep(&scene);
        scene.scale_to(2).await;
        sleep(5 * MINUTE).await;
        assert_eq!(scene.cluster.asked(), [2]);
        assert_eq!(scene.reason(), Some(OutageReason::Unschedulable));
    }
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

#[tokio::test(start_paused = true)]
async fn who_does_not_steer_knows_no_next_attempt() {
    let scene = Scene::with_quota(0);
    scene.scale_to(1).await;
    sleep(2 * MINUTE).await;
    let next = || {
        let world = scene.world.borrow();
        let outage = world.outage.clone().expect("none can be made");
        outage.next_attempt
    };
    assert!(next() > Some(Instant::now().into_std()));
    scene.tenure.send_replace(Tenure {
        steers: false,
        ..SOLE
    });
    sleep(2 * MINUTE).await;
    assert_eq!(next(), None);
}

#[tokio::test(start_paused = true)]
async fn the_number_stays_low_long_enough_for_a_controller_to_see_it() {
    let scene = Scene::with_quota(0);
    scene.scale_to(1).await;
    sleep(MINUTE).await;
    let calls = scene.cluster.0.lock().calls.clone();
    let dips = calls[1..].chunks_exact(2);
    for dip in dips {
        let [(low, 0), (high, 1)] = dip else {
            panic!("down and up again: {calls:?}");
        };
        assert!(*high - *low >= SECOND, "{:?}", *high - *low);
    }
    assert!(calls.len() > 5);
}

#[tokio::test(start_paused = true)]
async fn a_larger_wish_is_told_after_a_number_that_could_not_be_lowered() {
    let scene = Scene::with_quota(0);
    scene.scale_to(1).await;
    sleep(2 * SECOND).await;
    let no = ApiError::Refused("no".into());
    scene.cluster.0.lock().answers.push_back(no);
    sleep(4 * SECOND).await;
    scene.scale_to(3).await;
    sleep(2 * SECOND).await;
    assert_eq!(scene.cluster.asked()[..3], [1, 0, 3]);
    assert_eq!(scene.cluster.told("ScaledUp").len(), 2);
}
