//! Of pods that do not come few are kept, until they come after all: then all are asked for again.

use super::*;

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
            "from 48 to 11 replicas: 37 of 48 cannot be placed: {why}"
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
    assert_eq!(
        (scene.outage(), scene.world.borrow().shortage),
        (None, None)
    );
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

#[tokio::test(start_paused = true)]
async fn what_is_to_go_is_kept_by_nothing() {
    let scene = Scene::with_room(0);
    scene.scale_to(2).await;
    sleep(SECOND).await;
    let kept = || {
        let world = scene.world.borrow();
        let all = world.replicas.iter();
        all.map(|it| (it.state, it.kept_by)).collect::<Vec<_>>()
    };
    let waits = (ReplicaState::Pending, Some(Hindrance::Unschedulable));
    assert_eq!(kept(), [waits; 2]);
    // Nobody takes it away yet.
    scene.cluster.change(|inside| inside.paused = true);
    scene.scale_to(1).await;
    sleep(SECOND).await;
    let mut now = kept();
    now.sort_by_key(|(_, by)| by.is_none());
    assert_eq!(now, [waits, (ReplicaState::Draining, None)]);
}
