//! The whole gate: who is named is really there.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::{Gate, get, ms, revision, secs, settle};

fn first_line(told: &str) -> &str {
    told.lines().next().expect("there is a sentence")
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_named_as_what_keeps_a_revision_from_zero() {
    let gate = Gate::new(revision(1, 0..=1), secs(9));
    let stream = gate.asking(get("/v1/stream?ms=100&chunks=200&gap=1000&secret=7"));
    sleep(secs(5)).await;

    let told = gate.admin("/revisions/m/explain").await;

    let want = "1 replica, still starting: 1 request in flight on average over 60 s at target 1; \
                kept from zero by GET /v1/stream, waiting for 5 s";
    assert_eq!(first_line(&told), want, "{told}");

    sleep(secs(125)).await;
    let told = gate.admin("/revisions/m/explain").await;
    let want = "1 replica: 1 request in flight on average over 60 s at target 1; \
                kept from zero by GET /v1/stream, answering for 2 min on replica 1";
    assert_eq!(first_line(&told), want, "{told}");
    assert!(!told.contains("secret"), "{told}");

    assert_eq!(stream.await.expect("no panic").code(), 200);
    sleep(secs(10)).await;
    let zero = gate.report("/revisions/m/explain").await["toZeroSeconds"].as_f64();
    let zero = Duration::from_secs_f64(zero.expect("it is idle"));
    let due = Instant::now() + zero;
    sleep_until(due.checked_sub(ms(100)).expect("it is to come")).await;
    assert!(gate.machine.terminated().is_empty());
    sleep(ms(200)).await;
    assert_eq!(gate.machine.terminated().len(), 1);
    let told = gate.admin("/revisions/m/explain").await;
    assert!(told.starts_with("at zero since "), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_slot_kept_for_a_client_that_left_is_told_until_it_is_free() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let asked = gate.asking(get("/?ms=30000"));
    sleep(secs(4)).await;
    drop(asked);
    sleep(secs(12)).await;

    let told = gate.admin("/revisions/m/explain").await;

    let want = "here      replica 1 still works for a client that left 12 s ago (GET /)";
    assert!(told.contains(want), "{told}");
    let report = gate.report("/revisions/m").await;
    let oldest = &report["oldestRequests"][0];
    assert_eq!(oldest["request"], "GET /");
    assert_eq!(oldest["state"], "abandoned");
    assert_eq!(oldest["replica"], 1);
    assert_eq!(oldest["arrivedSecondsAgo"], 16.0);

    sleep(secs(15)).await;
    let told = gate.admin("/revisions/m/explain").await;
    assert!(!told.contains("here"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_left_in_the_book_however_a_request_ends() {
    let gate = Gate::warm(revision(2, 1..=1)).await;
    let refused = gate.ask(get("/?reset")).await;
    assert_eq!(refused.code(), 502);
    let answers: Vec<_> = (0..6)
        .map(|n| gate.asking(get(&format!("/?ms={n}00"))))
        .collect();
    settle().await;
    let oldest = gate.report("/revisions/m").await["oldestRequests"].clone();
    let states: Vec<&str> = (0..5).filter_map(|n| oldest[n]["state"].as_str()).collect();
    assert_eq!(
        states,
        ["answering", "answering", "waiting", "waiting", "waiting"]
    );
    for answer in answers {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
    sleep(ms(10)).await;
    assert_eq!(
        gate.report("/revisions/m").await["oldestRequests"],
        json!([])
    );
}
