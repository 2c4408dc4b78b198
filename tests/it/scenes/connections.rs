//! Connections: when one is used again, and when it is not.

use holdgate::revision::Protocol;
use tokio::time::sleep;

use crate::support::{Gate, get, ms, post, post_told, revision, settle, telling};

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_until_the_replica_might_close_it() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    for _ in 0..20 {
        assert_eq!(gate.ask(get("/?ms=10")).await.code(), 200);
    }
    sleep(ms(3900)).await;
    assert_eq!(gate.ask(get("/?ms=10")).await.code(), 200);
    assert_eq!(gate.machine.dialled(), 1);
    // Many servers close what was unused for five seconds.
    sleep(ms(4100)).await;
    assert_eq!(gate.ask(get("/?ms=10")).await.code(), 200);
    assert_eq!(gate.machine.dialled(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_http2_carries_a_hundred_at_once_and_any_number_after_another() {
    let mut spec = revision(0, 1..=1);
    spec.protocol = Protocol::H2c;
    let gate = Gate::warm(spec).await;
    for _ in 0..250 {
        assert_eq!(gate.ask(get("/")).await.code(), 200);
    }
    assert_eq!(gate.machine.dialled(), 1);
    let asked: Vec<_> = (0..150).map(|_| gate.asking(get("/?ms=1000"))).collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    assert_eq!(gate.machine.dialled(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_request_was_not_sent_to_its_end_is_not_used_again() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let (teller, told) = telling();
    let asked = gate.asking(post_told("/?early", told));
    teller.say(vec![0; 1000]).await;
    let answer = asked.await.unwrap();
    assert_eq!((answer.code(), answer.text()), (200, "early"));
    settle().await;
    assert_eq!(gate.reading().running, 0);
    assert_eq!(gate.ask(get("/?ms=10")).await.code(), 200);
    assert_eq!(gate.machine.dialled(), 2);
    drop(teller);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dialled_for_a_request_that_only_waits() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let running = gate.asking(get("/?ms=1000"));
    settle().await;
    let _waiting: Vec<_> = (0..50).map(|_| gate.asking(get("/?ms=10"))).collect();
    settle().await;
    assert_eq!(gate.machine.dialled(), 1);
    assert_eq!(running.await.unwrap().code(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_replica_killed_while_its_connections_are_unused_costs_no_request() {
    let gate = Gate::warm(revision(4, 1..=1)).await;
    let asked: Vec<_> = (0..4).map(|_| gate.asking(get("/?ms=10"))).collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    gate.machine.running()[0].kill();
    let asked: Vec<_> = (0..4).map(|_| gate.asking(get("/?ms=10"))).collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_before_the_body_was_read_says_that_the_connection_ends() {
    let gate = Gate::empty();
    let refused = gate.ask(post("/", 10)).await;
    assert_eq!(
        (refused.code(), refused.header("connection")),
        (404, Some("close"))
    );
    let refused = gate.ask(get("/")).await;
    assert_eq!((refused.code(), refused.header("connection")), (404, None));
}
