//! A controller that could not make pods is asked for them anew.

use super::*;
use crate::backend::kubernetes::seams::ApiError;

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
    assert_eq!(asked.len(), 9, "{asked:?}");
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

#[tokio::test(start_paused = true)]
async fn who_was_just_asked_for_another_number_is_not_asked_anew_at_once() {
    let scene = Scene::with_quota(0);
    scene.scale_to(1).await;
    sleep(Duration::from_millis(4500)).await;
    scene.scale_to(2).await;
    sleep(4 * SECOND).await;
    assert_eq!(scene.cluster.asked()[..3], [1, 2, 0]);
    let calls = scene.cluster.0.lock().calls.clone();
    let [_, (raised, _), (lowered, _), ..] = calls[..] else {
        panic!("three at least: {calls:?}");
    };
    assert!(lowered - raised >= 2 * SECOND, "{:?}", lowered - raised);
}

#[tokio::test(start_paused = true)]
async fn that_none_can_be_made_is_told_while_nobody_sees_and_after() {
    let scene = Scene::with_quota(0);
    scene.scale_to(1).await;
    sleep(70 * SECOND).await;
    // The last that is seen is a number that was lowered for a moment.
    while scene.cluster.replicas() > 0 {
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_millis(200)).await;
    for up in [false, true] {
        scene.cluster.change(|inside| inside.up = up);
        for _ in 0..30 {
            sleep(SECOND).await;
            let reason = scene.reason();
            assert_eq!(reason, Some(OutageReason::Unschedulable), "while {up}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_none_any_more_is_told_nothing_though_nobody_may_ask_for_fewer() {
    let scene = Scene::with_quota(0);
    scene.scale_to(1).await;
    sleep(70 * SECOND).await;
    assert_eq!(scene.reason(), Some(OutageReason::Unschedulable));
    let heard = false;
    scene.tenure.send_replace(Tenure { heard, ..SOLE });
    scene.scale_to(0).await;
    sleep(SECOND).await;
    assert_eq!(scene.cluster.replicas(), 1);
    let world = scene.world.borrow();
    assert_eq!((world.outage.clone(), world.unmade.clone()), (None, None));
    assert_eq!(world.shortage, None);
}
