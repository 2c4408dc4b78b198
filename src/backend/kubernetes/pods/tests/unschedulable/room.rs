//! Pods for which others go: the scheduler ends them, or this revision does.

use super::*;

impl Scene {
    fn nominate(&self, pod: &str, node: Option<&str>) {
        let node = node.map(Into::into);
        self.cluster.pod(pod, |pod| pod.view.nominated = node);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_for_which_others_are_ended_is_waited_for() {
    let scene = Scene::with_room(0);
    scene
        .cluster
        .change(|inside| inside.autoscaler = Autoscaler::Refuses);
    scene.scale_to(4).await;
    sleep(Duration::from_millis(310)).await;
    scene.nominate("flowers-2x", Some("node-7"));
    let held = scene.request(SECOND);
    // They take their time. And the room is for nobody else.
    sleep(5 * MINUTE).await;
    assert_eq!((scene.outage(), held.is_finished()), (None, false));
    assert_eq!((scene.number(), scene.cluster.alive().len()), ((2, 0), 2));
    let room = "room is on its way on node-7 (its nominatedNodeName)";
    assert!(details(&scene.world.borrow()).iter().any(|it| it == room));
    assert_eq!(scene.cluster.told("WaitingForNode"), Vec::<String>::new());
    scene.room(2);
    assert!(held.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn room_that_is_not_made_is_waited_for_for_a_quarter_of_an_hour() {
    let scene = Scene::with_room(0);
    scene.scale_to(1).await;
    sleep(SECOND).await;
    scene.nominate("flowers-1x", Some("node-7"));
    sleep(890 * SECOND).await;
    assert_eq!(scene.outage(), None);
    sleep(12 * SECOND).await;
    let outage = scene.outage().expect("it has not come");
    assert_eq!(outage.reason, OutageReason::Unschedulable);
    let room = "room is on its way on node-7 (its nominatedNodeName), but it has not come";
    assert_eq!(outage.detail, format!("pod flowers-1x: {room}"));
    // The scheduler has found others.
    scene.nominate("flowers-1x", Some("node-8"));
    sleep(SECOND).await;
    assert_eq!(scene.outage(), None);
    // And gives that up.
    scene.nominate("flowers-1x", None);
    sleep(SECOND).await;
    assert!(scene.outage().is_some());
}

#[tokio::test(start_paused = true)]
async fn one_that_stays_waits_for_the_node_of_one_that_goes() {
    let scene = Scene::of(LeavingOrder::Ordinal, 0, 1);
    scene.room(1);
    scene.scale_to(1).await;
    sleep(20 * SECOND).await;
    scene.scale_to(2).await;
    sleep(5 * SECOND).await;
    // The first is made anew, and its node is the second's by now.
    let now = Instant::now();
    scene.cluster.change(|inside| inside.delete(0, now));
    sleep(2 * MINUTE).await;
    assert_eq!((scene.number(), idle(&scene)), ((2, 1), 1));
    let last = scene.request(2 * MINUTE);
    sleep(SECOND).await;
    scene.scale_to(1).await;
    let held = scene.request(SECOND);
    sleep(MINUTE).await;
    assert_eq!((scene.outage(), held.is_finished()), (None, false));
    assert!(last.await.unwrap().is_ok());
    assert!(held.await.unwrap().is_ok());
    assert_eq!(scene.cluster.names(), ["flowers-0"]);
}
