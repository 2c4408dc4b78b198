//! What is seen late, or not at all, or of others in the place of those that were there.

use super::*;
use crate::backend::kubernetes::objects::Obstruction;
use crate::ports::ReplicaView;

/// A gateway that begins beside three pods which nobody has placed for five minutes.
async fn begun_late() -> Scene {
    let cluster = Cluster::new(LeavingOrder::DeletionCost, 3);
    cluster.change(|inside| inside.room = 0);
    sleep(5 * MINUTE).await;
    let scene = Scene::on(cluster, 1);
    scene.scale_to(3).await;
    scene
}

impl Scene {
    fn sees_all(&self, up: bool) {
        self.cluster.change(|inside| inside.up = up);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_pod_is_not_given_up_before_others_could_tell_of_its_node() {
    let scene = begun_late().await;
    let held = scene.request(SECOND);
    sleep(5 * SECOND).await;
    scene.say("flowers-1x", comes());
    sleep(5 * MINUTE).await;
    assert_eq!((scene.outage(), scene.number()), (None, (3, 0)));
    assert!(!held.is_finished());
    scene.room(1);
    assert!(held.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_old_pod_of_whose_node_nobody_tells_is_given_up_soon() {
    let scene = begun_late().await;
    let held = scene.request(SECOND);
    sleep(9 * SECOND).await;
    assert_eq!((scene.outage(), scene.number()), (None, (3, 0)));
    sleep(2 * SECOND).await;
    assert_eq!(held.await.unwrap(), Err(OutageReason::Unschedulable));
    sleep(SECOND).await;
    assert_eq!(scene.number(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_given_up_while_nobody_sees_what_becomes_of_pods() {
    let scene = Scene::with_room(0);
    scene.scale_to(2).await;
    sleep(30 * SECOND).await;
    scene.sees_all(false);
    let held = scene.request(SECOND);
    sleep(3 * MINUTE).await;
    assert_eq!((scene.outage(), held.is_finished()), (None, false));
    scene.sees_all(true);
    sleep(5 * SECOND).await;
    // What others say is heard a moment after what pods do.
    assert_eq!((scene.outage(), scene.number()), (None, (2, 0)));
    sleep(6 * SECOND).await;
    assert_eq!(held.await.unwrap(), Err(OutageReason::Unschedulable));
}

#[tokio::test(start_paused = true)]
async fn who_was_given_up_stays_so_while_nobody_sees_and_after() {
    let scene = Scene::with_room(0);
    scene.scale_to(4).await;
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (1, 0));
    for up in [false, true] {
        scene.sees_all(up);
        for _ in 0..30 {
            sleep(SECOND).await;
            assert!(scene.outage().is_some(), "while {up}");
        }
    }
    assert_eq!(scene.cluster.asked(), [4, 1]);
}

#[tokio::test(start_paused = true)]
async fn one_made_in_the_place_of_one_that_does_not_come_is_no_reason_to_ask_for_all() {
    let scene = Scene::with_room(2);
    scene.scale_to(8).await;
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (3, 2));
    for _ in 0..2 {
        scene.cluster.change(|inside| {
            let last = inside.pods.len() - 1;
            inside.delete(last, Instant::now());
        });
        sleep(2 * MINUTE).await;
        assert_eq!((scene.number(), scene.cluster.alive().len()), ((3, 2), 3));
    }
    assert_eq!(scene.cluster.asked(), [8, 3]);
    scene.room(3);
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 8);
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_more_than_come_may_ask_for_all_again_later() {
    let scene = Scene::with_room(2);
    scene.scale_to(8).await;
    sleep(2 * MINUTE).await;
    scene.scale_to(2).await;
    sleep(MINUTE).await;
    assert_eq!(scene.number(), (2, 2));
    scene.scale_to(8).await;
    sleep(10 * SECOND).await;
    assert_eq!(scene.number(), (8, 2));
}

#[tokio::test(start_paused = true)]
async fn what_the_scheduler_says_again_in_other_words_changes_nothing() {
    let scene = Scene::with_room(0);
    scene.scale_to(4).await;
    let says = |reason: &str, message: String| {
        let why = Obstruction {
            reason: reason.into(),
            message,
        };
        scene.cluster.change(|inside| inside.refusal = why);
    };
    for second in 0..58 {
        says("Unschedulable", format!("0/{second} nodes are available"));
        sleep(SECOND).await;
        assert_eq!((scene.outage(), scene.number()), (None, (4, 0)));
    }
    sleep(4 * SECOND).await;
    assert_eq!(scene.number(), (1, 0));
    for second in 0..10 {
        says("SchedulerError", format!("try {second}"));
        sleep(SECOND).await;
        assert!(scene.outage().is_some());
    }
    assert_eq!(scene.cluster.asked(), [4, 1]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_expected_whose_node_has_not_come_in_time() {
    let scene = Scene::with_room(0);
    let brings = |within| {
        scene
            .cluster
            .change(|inside| inside.autoscaler = Autoscaler::Brings(within));
    };
    brings(MINUTE);
    scene.scale_to(1).await;
    sleep(2 * MINUTE).await;
    assert_eq!(scene.number(), (1, 1));
    brings(100 * MINUTE);
    scene.scale_to(2).await;
    let expected = || scene.world.borrow().expected;
    sleep(890 * SECOND).await;
    assert!(expected() > Some(Instant::now().into_std()));
    sleep(20 * SECOND).await;
    assert_eq!((expected(), scene.number()), (None, (2, 1)));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_pod_is_worked_out_once_for_as_long_as_it_stays_so() {
    let scene = Scene::with_room(0);
    scene.scale_to(2).await;
    sleep(SECOND).await;
    let detail = || {
        let world = scene.world.borrow();
        let first = |it: &&ReplicaView| it.name.as_deref() == Some("flowers-1x");
        let first = world.replicas.iter().find(first).expect("it is there");
        first.detail.clone().expect("it has no node")
    };
    let before = detail();
    scene.say("flowers-2x", comes());
    sleep(SECOND).await;
    assert!(Arc::ptr_eq(&before, &detail()));
    scene.say("flowers-1x", comes());
    sleep(SECOND).await;
    assert_ne!(before, detail());
}

/// The same, said so long ago.
fn before(word: NodeWord, ago: Duration) -> NodeWord {
    NodeWord {
        at: word.at - ago,
        ..word
    }
}

#[tokio::test(start_paused = true)]
async fn a_promise_makes_nothing_out_of_date_that_was_said_after_it() {
    let scene = Scene::with_room(0);
    scene.scale_to(2).await;
    sleep(SECOND).await;
    scene.say("flowers-1x", none_comes());
    sleep(5 * SECOND).await;
    // It is heard late.
    scene.say("flowers-2x", before(comes(), 30 * SECOND));
    sleep(SECOND).await;
    let shortage = || scene.world.borrow().shortage;
    assert_eq!(shortage(), Some(Shortage::NoNode));
    sleep(5 * SECOND).await;
    scene.say("flowers-2x", comes());
    sleep(SECOND).await;
    assert_eq!(shortage(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_date_stays_so_when_older_news_is_heard() {
    let scene = Scene::with_room(0);
    scene.scale_to(3).await;
    sleep(SECOND).await;
    scene.say("flowers-2x", none_comes());
    sleep(5 * SECOND).await;
    let shortage = || scene.world.borrow().shortage;
    assert_eq!(shortage(), Some(Shortage::NoNode));
    scene.room(1);
    sleep(SECOND).await;
    assert_eq!((scene.number().1, shortage()), (0, None));
    scene.say("flowers-3x", before(comes(), 30 * SECOND));
    sleep(SECOND).await;
    assert_eq!(shortage(), None);
}

#[tokio::test(start_paused = true)]
async fn a_promise_that_is_heard_late_holds_no_longer() {
    let scene = Scene::with_room(0);
    scene.scale_to(1).await;
    sleep(2 * MINUTE).await;
    assert!(scene.outage().is_some());
    scene.say("flowers-1x", before(comes(), 10 * MINUTE));
    sleep(290 * SECOND).await;
    assert_eq!(scene.outage(), None);
    sleep(12 * SECOND).await;
    assert!(scene.outage().is_some());
}

#[tokio::test(start_paused = true)]
async fn those_of_whom_nobody_knows_are_kept_beside_one_that_does_not_come() {
    let scene = Scene::with_room(0);
    scene.scale_to(4).await;
    sleep(SECOND).await;
    scene.say("flowers-1x", none_comes());
    sleep(50 * SECOND).await;
    assert_eq!((scene.number(), scene.cluster.alive().len()), ((4, 0), 4));
    sleep(12 * SECOND).await;
    assert_eq!(scene.number(), (1, 0));
}
