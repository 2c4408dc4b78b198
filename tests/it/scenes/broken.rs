//! The answers of the gate where a replica fails.

use holdgate::ports::ReplicaState;
use tokio::time::sleep;

use super::refusals::check;
use crate::support::{Gate, Start, get, ms, post, revision, secs, settle};

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_listed_but_refuses_is_waited_for_and_then_named() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    gate.machine.refuse(true);
    let answer = gate.ask(get("/")).await;
    check(&answer, 502, "connect_failed", Some("1"));
    assert_eq!(answer.took, secs(60), "as long as it may wait");
    assert!(gate.machine.seen().is_empty());

    // It can be reached again while somebody waits for it.
    let waits = gate.asking(get("/?ms=10"));
    sleep(secs(2)).await;
    gate.machine.refuse(false);
    let answer = waits.await.unwrap();
    assert_eq!(answer.code(), 200);
    assert!(answer.took < secs(4), "{:?}", answer.took);
    assert_eq!(gate.reading().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_accepts_and_closes_at_once_is_not_dialled_without_end() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    gate.machine.slam(true);
    let answer = gate.ask(post("/", 10)).await;
    check(&answer, 502, "connect_failed", Some("1"));
    assert_eq!(answer.took, secs(60), "as long as it may wait");
    // Twice a second at most: a look, and the request.
    assert!(gate.machine.dialled() < 140, "{}", gate.machine.dialled());
    gate.machine.slam(false);
    sleep(secs(2)).await;
    assert_eq!(gate.ask(get("/?ms=10")).await.code(), 200);
    assert_eq!(gate.reading().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_breaks_off_is_named_and_the_request_not_sent_again() {
    let gate = Gate::warm(revision(1, 2..=2)).await;
    let answer = gate.ask(post("/?reset", 10)).await;
    check(&answer, 502, "upstream_reset", None);
    assert_eq!(gate.machine.seen().len(), 1);
    assert_eq!(gate.reading().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_replica_is_given_up_and_its_slot_kept_until_it_is_done() {
    for (total, first_byte) in [(Some(2), None), (None, Some(2)), (Some(60), Some(2))] {
        let mut spec = revision(1, 1..=1);
        spec.timeouts.total = total.map(secs);
        spec.timeouts.first_byte = first_byte.map(secs);
        let gate = Gate::warm(spec).await;
        let silent = gate.asking(post("/?ms=10000&stubborn", 10));
        settle().await;
        let waits = gate.asking(get("/?ms=10"));
        let answer = silent.await.unwrap();
        check(&answer, 504, "upstream_timeout", None);
        assert_eq!(answer.took, secs(2));
        assert_eq!((gate.reading().running, gate.reading().waiting), (1, 1));
        let answer = waits.await.unwrap();
        assert_eq!((answer.code(), answer.took), (200, ms(10_010)));
        assert_eq!(gate.machine.most_inside(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_never_answers_is_replaced_and_the_next_request_served() {
    let mut spec = revision(1, 1..=1);
    spec.timeouts.total = Some(secs(2));
    spec.queue.timeout = secs(300);
    let gate = Gate::warm(spec).await;
    let silent = gate.asking(post("/?ms=100000000&stubborn", 10));
    settle().await;
    let waits = gate.asking(get("/?ms=10"));
    check(&silent.await.unwrap(), 504, "upstream_timeout", None);
    let answer = waits.await.unwrap();
    assert_eq!(answer.code(), 200);
    assert!(
        answer.took >= secs(62) && answer.took < secs(90),
        "{:?}",
        answer.took
    );
    assert_eq!(
        (gate.machine.most_inside(), gate.machine.seen().len()),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_told_with_the_last_words_and_ends_when_the_server_is_mended() {
    let gate = Gate::new(revision(1, 0..=2), secs(1));
    gate.machine.next([Start::CrashAfter(ms(300)); 5]);
    let waiting: Vec<_> = (0..4).map(|_| gate.asking(get("/?ms=10"))).collect();
    for answer in waiting {
        let answer = answer.await.unwrap();
        check(&answer, 503, "cold_start_failed", Some("1"));
        let detail = "the process ended with exit status: 1\nloading\nValueError: no such model";
        assert_eq!(answer.json()["detail"], detail);
    }
    // Newcomers are told at once during the pause, without being made to wait.
    let answer = gate.ask(get("/")).await;
    check(&answer, 503, "cold_start_failed", Some("1"));
    assert_eq!(answer.took, ms(0));
    gate.until(|gate| gate.count(ReplicaState::Ready) == 1)
        .await;
    assert_eq!(gate.ask(get("/")).await.code(), 200);
}
