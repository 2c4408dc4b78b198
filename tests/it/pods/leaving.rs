//! A pod that is deleted: it gets nothing more, finishes what it has, and nobody waits for an address
//! that is silent.

use holdgate::ports::ReplicaState;

use super::Front;
use super::pod::Pod;

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_with_a_deletion_timestamp_gets_nothing_more_and_finishes_what_it_has() {
    let (goes, stays) = (Pod::new(), Pod::new());
    let front = Front::new(0, &[&goes, &stays]);
    let inside: Vec<_> = (0..8).map(|n| front.asking(n, "/?hold")).collect();
    front.until(|_| goes.at_work() + stays.at_work() == 8).await;
    assert_eq!(goes.at_work(), 4, "they take turns");

    front.turn(1, ReplicaState::Draining);
    for n in 8..20 {
        assert_eq!(front.ask(n, "/").await.code(), 200);
    }
    assert_eq!((goes.seen().len(), stays.seen().len()), (4, 16));
    goes.let_go();
    stays.let_go();
    for answer in inside {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
    // What was kept for it is closed at once, long before it would be for its age.
    front.until(|_| goes.connections() == 0).await;
    assert!(stays.connections() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_connections_to_a_pod_that_goes_are_closed() {
    for gone in [false, true] {
        let pod = Pod::new();
        let front = Front::new(0, &[&pod]);
        assert_eq!(front.ask("a", "/").await.code(), 200);
        front.until(|_| pod.connections() == 1).await;
        if gone {
            front.show(|world| world.replicas.clear());
        } else {
            front.turn(1, ReplicaState::Draining);
        }
        front.until(|_| pod.connections() == 0).await;
        // It stays after all, or flapped.
        front.show(|world| world.replicas = vec![super::view(1, &pod)]);
        assert_eq!(front.ask("b", "/").await.code(), 200);
        assert_eq!(front.ask("c", "/").await.code(), 200);
        assert_eq!(pod.connections(), 1, "one is kept again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_silent_is_given_up_as_soon_as_its_pod_is_known_to_go() {
    for gone in [false, true] {
        let (goes, stays) = (Pod::new(), Pod::new());
        let front = Front::new(1, &[&goes, &stays]);
        front.dials.silent.lock().insert(goes.address);
        // It would try for a minute.
        let asked = front.asking("a", "/");
        front.dials.silenced.notified().await;
        if gone {
            front.show(|world| world.replicas.retain(|view| view.id.0 == 2));
        } else {
            front.turn(1, ReplicaState::Draining);
        }
        let asked = tokio::time::timeout(super::LONG / 4, asked).await;
        let answer = asked.expect("at once").expect("no panic");
        assert_eq!(answer.told(), (200, None));
        assert_eq!((goes.seen().len(), stays.seen().len()), (0, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_silent_is_given_up_after_the_connect_timeout_and_another_asked() {
    let (silent, other) = (Pod::new(), Pod::new());
    let mut spec = Front::new(1, &[]).spec;
    spec.timeouts.connect = std::time::Duration::from_millis(50);
    let front = Front::of(spec, &[&silent, &other]);
    front.dials.silent.lock().insert(silent.address);
    for n in 0..3 {
        assert_eq!(front.ask(n, "/").await.told(), (200, None));
    }
    assert_eq!((silent.seen().len(), other.seen().len()), (0, 3));
}
