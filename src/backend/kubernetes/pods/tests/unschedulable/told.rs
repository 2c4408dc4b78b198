//! What is told of pods that find no node, by whom, and of which of them.

use super::*;
use crate::backend::kubernetes::objects::Obstruction;

type Happens = fn(&Scene);

impl Scene {
    fn shortage(&self) -> Option<Shortage> {
        self.world.borrow().shortage
    }

    fn leads(&self, steers: bool) {
        self.tenure.send_replace(Tenure { steers, ..SOLE });
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_to_go_lacks_nothing() {
    let scene = Scene::with_room(1);
    scene.scale_to(2).await;
    sleep(2 * MINUTE).await;
    assert_eq!(scene.shortage(), Some(Shortage::NoNode));
    // Nobody takes it away yet.
    scene.cluster.change(|inside| inside.paused = true);
    scene.scale_to(1).await;
    sleep(SECOND).await;
    assert_eq!((scene.shortage(), scene.cluster.alive().len()), (None, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_lacks_nothing() {
    let causes: [Happens; 2] = [
        |scene| scene.room(0),
        |scene| scene.cluster.0.lock().quota = 0,
    ];
    for cause in causes {
        let scene = Scene::new(0);
        cause(&scene);
        scene.scale_to(1).await;
        sleep(2 * MINUTE).await;
        assert!(scene.shortage().is_some());
        scene.change(|settings| settings.stopped = true);
        sleep(SECOND).await;
        let outage = scene.outage().map(|outage| outage.reason);
        assert_eq!(
            (scene.shortage(), outage),
            (None, Some(OutageReason::Stopped))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_steer_tells_nothing_of_pods_that_do_not_come() {
    //      what happens, and what is told of it
    let cases: [(Happens, &str); 5] = [
        (|scene| scene.room(0), "Unschedulable"),
        (
            |scene| {
                scene.cluster.change(|inside| {
                    inside.room = 0;
                    inside.autoscaler = Autoscaler::Brings(100 * MINUTE);
                });
            },
            "WaitingForNode",
        ),
        (|scene| scene.cluster.0.lock().quota = 0, "QuotaExceeded"),
        (
            |scene| scene.cluster.0.lock().policy = Some("denied"),
            "PodsRefused",
        ),
        (
            |scene| {
                scene.cluster.change(|inside| {
                    inside.workload.as_mut().unwrap().overdue = Some(Obstruction {
                        reason: "ProgressDeadlineExceeded".into(),
                        message: String::new(),
                    });
                });
            },
            "RolloutStuck",
        ),
    ];
    for (happens, reason) in cases {
        let scene = Scene::new(0);
        scene.leads(false);
        happens(&scene);
        scene.cluster.set_replicas(2);
        sleep(5 * MINUTE).await;
        assert_eq!(scene.cluster.told(reason), Vec::<String>::new());
        scene.leads(true);
        sleep(SECOND).await;
        assert_eq!(scene.cluster.told(reason).len(), 1, "{reason}");
        // It lasts.
        scene.leads(false);
        sleep(SECOND).await;
        scene.leads(true);
        sleep(SECOND).await;
        assert_eq!(scene.cluster.told(reason).len(), 1, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_for_what_is_to_go_is_no_news() {
    let scene = Scene::with_room(0);
    scene.scale_to(3).await;
    sleep(SECOND).await;
    scene.cluster.change(|inside| inside.paused = true);
    scene.scale_to(1).await;
    sleep(SECOND).await;
    for pod in ["flowers-1x", "flowers-2x", "flowers-3x"] {
        scene.say(pod, comes());
    }
    sleep(SECOND).await;
    let told = scene.cluster.told("WaitingForNode");
    assert_eq!(told.len(), 1);
    let want = "a node is on its way for 1 pod: ";
    assert!(told[0].starts_with(want), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_as_many_as_come_is_not_overruled() {
    let scene = Scene::with_room(2);
    let heard = false;
    scene.tenure.send_replace(Tenure { heard, ..SOLE });
    scene.scale_to(8).await;
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (8, 2));
    // Somebody takes back those that do not come.
    scene.cluster.set_replicas(3);
    sleep(30 * SECOND).await;
    assert_eq!(scene.cluster.told("Overruled"), Vec::<String>::new());
    assert_eq!((scene.number(), scene.cluster.asked()), ((3, 2), vec![8]));
}
