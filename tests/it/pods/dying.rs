//! A model server that dies inside a living pod: its container is started again in place, at the same
//! address, and connections are refused meanwhile.

use std::collections::BTreeSet;

use holdgate::ports::{Occupancy as _, ReplicaState};
use holdgate::revision::ReplicaId;

use super::pod::Pod;
use super::{Front, LONG, get};

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_inside_fails_and_everything_else_is_answered_by_the_others() {
    let pods = [Pod::new(), Pod::new(), Pod::new()];
    let front = Front::new(2, &pods.each_ref());
    let asked: Vec<_> = (0..6).map(|n| front.asking(n, "/?hold")).collect();
    front
        .until(|_| pods.iter().all(|pod| pod.at_work() == 2))
        .await;
    let later: Vec<_> = (6..40).map(|n| front.asking(n, "/")).collect();
    front.until(|front| front.waiting() == 34).await;

    pods[1].kill().await;
    let inside: BTreeSet<String> = pods[1].seen().into_iter().collect();
    assert_eq!(inside.len(), 2);
    // Its slots are free now, and lead nowhere; those of the others are still taken.
    front
        .until(|front| front.throttler.suspects() == [ReplicaId(2)])
        .await;
    for pod in [&pods[0], &pods[2]] {
        pod.let_go();
    }
    for (n, answer) in asked.into_iter().enumerate() {
        let answer = answer.await.expect("no panic");
        if inside.contains(&n.to_string()) {
            assert_eq!(answer.told(), (502, Some("upstream_reset")));
        } else {
            assert_eq!(answer.code(), 200);
        }
    }
    for answer in later {
        assert_eq!(answer.await.expect("no panic").told(), (200, None));
    }
    let all: Vec<String> = pods.iter().flat_map(Pod::seen).collect();
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (40, 40), "each once");
    assert!(pods.iter().all(|pod| pod.most() <= 2), "the limit is hard");

    // It is back, though the world has noticed nothing of it.
    pods[1].restart();
    front
        .until(|front| front.throttler.suspects().is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_nobody_listening_waits_in_the_order_of_arrival() {
    let pod = Pod::new();
    let front = Front::new(1, &[&pod]);
    assert_eq!(front.ask("first", "/").await.code(), 200);
    pod.kill().await;
    let mut asked = Vec::new();
    for n in 0..5 {
        asked.push(front.asking(n, "/"));
        front.until(|front| front.waiting() == n + 1).await;
    }
    assert_eq!(front.throttler.suspects(), [ReplicaId(1)]);
    pod.restart();
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").told(), (200, None));
    }
    assert_eq!(pod.seen(), ["first", "0", "1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_dead_server_is_served_by_a_replica_that_comes() {
    let (dead, comes) = (Pod::new(), Pod::new());
    let front = Front::new(1, &[&dead]);
    dead.kill().await;
    let asked = front.asking("a", "/");
    front.until(|front| front.waiting() == 1).await;
    front.show(|world| world.replicas.push(super::view(2, &comes)));
    assert_eq!(asked.await.expect("no panic").told(), (200, None));
    assert_eq!(comes.seen(), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_has_died_costs_no_request() {
    let pod = Pod::new();
    let front = Front::new(4, &[&pod]);
    for round in 0..20 {
        let asked: Vec<_> = (0..4).map(|n| front.asking(n, "/?hold")).collect();
        front.until(|_| pod.at_work() == 4).await;
        pod.let_go();
        for answer in asked {
            assert_eq!(answer.await.expect("no panic").code(), 200);
        }
        assert_eq!(pod.connections(), 4, "they are kept");
        pod.kill().await;
        pod.restart();
        let asked: Vec<_> = (0..4).map(|n| front.asking(n, "/")).collect();
        for answer in asked {
            let answer = answer.await.expect("no panic");
            assert_eq!(answer.told(), (200, None), "round {round}");
        }
    }
    assert_eq!(pod.seen().len(), 20 * 8, "none was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_reached_a_server_is_not_sent_to_another() {
    let (dies, other) = (Pod::new(), Pod::new());
    let front = Front::new(1, &[&dies, &other]);
    let asked = front.asking("a", "/?hold");
    front.until(|_| dies.at_work() == 1).await;
    dies.kill().await;
    let answer = asked.await.expect("no panic");
    assert_eq!(answer.told(), (502, Some("upstream_reset")));
    assert_eq!((dies.seen().len(), other.seen().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_are_dead_the_one_that_lives_answers() {
    let pods: Vec<Pod> = (0..8).map(|_| Pod::new()).collect();
    let front = Front::new(1, &pods.iter().collect::<Vec<_>>());
    for pod in &pods[..7] {
        pod.kill().await;
    }
    // One request meets all seven of them.
    assert_eq!(front.ask("a", "/").await.told(), (200, None));
    assert_eq!(pods[7].seen(), ["a"]);
    assert_eq!(front.throttler.suspects().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_pod_is_ready_again_is_used_at_once() {
    let pod = Pod::new();
    let front = Front::new(2, &[&pod]);
    let inside = front.asking("inside", "/?hold");
    front.until(|_| pod.at_work() == 1).await;
    // As far as the gate can see it works on something still.
    front.dials.silent.lock().insert(pod.address);
    let mut client = front.client().await;
    let asked = tokio::spawn(async move { client.ask(get("a", "/")).await });
    front.dials.silenced.notified().await;

    // The backend has looked at it, and again; the gate's own look would still be silent.
    front.turn(1, ReplicaState::Starting);
    front.until(|front| front.waiting() == 1).await;
    front.dials.silent.lock().clear();
    front.turn(1, ReplicaState::Ready);
    let answer = tokio::time::timeout(LONG, asked).await.expect("in time");
    assert_eq!(answer.expect("no panic").told(), (200, None));
    pod.let_go();
    assert_eq!(inside.await.expect("no panic").code(), 200);
}
