//! The answers of the gate itself: who it turns away, and when to come again.

use holdgate::revision::OverloadStatus;
use serde_json::json;

use crate::support::{
    Answer, Gate, defaults, get, ms, post, post_told, process, revision, secs, settle, telling,
};

#[track_caller]
pub(super) fn check(answer: &Answer, code: u16, reason: &str, retry_after: Option<&str>) {
    assert_eq!(answer.code(), code, "{answer:?}");
    assert_eq!(answer.header("x-holdgate-reason"), Some(reason));
    assert_eq!(answer.header("retry-after"), retry_after);
    let body = answer.json();
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(body["status"], code);
    assert_eq!(body["reason"], reason);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_how_long_it_will_take() {
    let mut spec = revision(1, 1..=1);
    spec.queue.max_requests = 2;
    let mut gate = Gate::warm(spec).await;
    let running: Vec<_> = (0..3).map(|_| gate.asking(get("/?ms=7000"))).collect();
    settle().await;
    // Nothing was measured yet: soon.
    check(&gate.ask(get("/")).await, 429, "queue_full", Some("1"));
    for answer in running {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    let _again: Vec<_> = (0..3).map(|_| gate.asking(get("/?ms=7000"))).collect();
    settle().await;
    // Seven seconds each, three before it.
    check(&gate.ask(get("/")).await, 429, "queue_full", Some("21"));
    gate.rewrite(|spec| spec.overload_status = OverloadStatus::ServiceUnavailable);
    check(&gate.ask(get("/")).await, 503, "queue_full", Some("21"));
    assert_eq!(gate.stats().rejections.read(), [("queue_full", 3)]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_never_beyond_two_minutes() {
    let mut spec = revision(1, 1..=1);
    spec.queue.max_requests = 1;
    let gate = Gate::warm(spec).await;
    gate.ask(get("/?ms=200000")).await;
    let _busy: Vec<_> = (0..2).map(|_| gate.asking(get("/?ms=200000"))).collect();
    settle().await;
    check(&gate.ask(get("/")).await, 429, "queue_full", Some("120"));
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_full_by_bytes_too_announced_or_not() {
    let mut spec = revision(1, 1..=1);
    spec.queue.max_bytes = 100_000;
    let gate = Gate::warm(spec).await;
    let _running = gate.asking(get("/?ms=7000"));
    settle().await;
    let waits = gate.asking(post("/", 60_000));
    settle().await;
    check(
        &gate.ask(post("/", 60_000)).await,
        429,
        "queue_full",
        Some("1"),
    );
    let (teller, told) = telling();
    let told = gate.asking(post_told("/", told));
    for _ in 0..4 {
        teller.say(vec![0; 9_000]).await;
        settle().await;
        assert!(!told.is_finished());
    }
    teller.say(vec![0; 9_000]).await;
    check(&told.await.unwrap(), 429, "queue_full", Some("1"));
    assert_eq!(gate.reading().waiting_bytes, 60_000);
    assert_eq!(waits.await.unwrap().text(), "60000 bytes");
}

#[tokio::test(start_paused = true)]
async fn no_slot_in_time_is_a_queue_timeout() {
    let mut spec = revision(1, 1..=1);
    spec.queue.timeout = secs(5);
    let gate = Gate::warm(spec).await;
    gate.ask(get("/?ms=4000")).await;
    let running = gate.asking(get("/?ms=20000"));
    settle().await;
    let answer = gate.ask(get("/")).await;
    // Four seconds each, one before it.
    check(&answer, 504, "queue_timeout", Some("8"));
    assert_eq!(answer.took, secs(5));
    assert_eq!(answer.json()["detail"], "no replica became free within 5s");
    assert_eq!(gate.reading().waiting, 0);
    assert_eq!(running.await.unwrap().code(), 200);
}

#[tokio::test(start_paused = true)]
async fn no_replica_in_time_is_a_cold_start_timeout_with_a_diagnosis() {
    let mut spec = revision(1, 0..=1);
    spec.scaling.stop_after_idle = Some(secs(5));
    let mut gate = Gate::new(spec, secs(30));
    gate.ask(get("/")).await;
    gate.until(|gate| gate.machine.running().is_empty()).await;
    gate.rewrite(|spec| spec.queue.cold_timeout = secs(10));
    let answer = gate.ask(get("/")).await;
    // It took thirty seconds, of which ten have passed.
    check(&answer, 504, "cold_start_timeout", Some("21"));
    assert_eq!(answer.took, secs(10));
    let detail = "no replica became ready within 10s: nothing listens on port 8080 yet; \
                  does the command use {port} or $PORT?";
    assert_eq!(answer.json()["detail"], detail);
}

#[tokio::test(start_paused = true)]
async fn a_body_larger_than_allowed_is_refused_announced_or_not() {
    let mut spec = revision(1, 1..=1);
    spec.max_body_bytes = Some(10_000);
    let gate = Gate::warm(spec).await;
    let at_limit = gate.ask(post("/", 10_000)).await;
    assert_eq!(at_limit.text(), "10000 bytes");
    let answer = gate.ask(post("/", 10_001)).await;
    check(&answer, 413, "body_too_large", None);
    assert_eq!(gate.machine.seen().len(), 1);

    // While it is sent on, and while it waits.
    for busy in [false, true] {
        let running = busy.then(|| gate.asking(get("/?ms=1000")));
        settle().await;
        let (teller, told) = telling();
        let told = gate.asking(post_told("/", told));
        teller.say(vec![0; 9_000]).await;
        settle().await;
        teller.say(vec![0; 9_000]).await;
        check(&told.await.unwrap(), 413, "body_too_large", None);
        if let Some(running) = running {
            assert_eq!(running.await.unwrap().code(), 200);
        }
        settle().await;
        assert_eq!(gate.reading().running, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_nobody_takes_is_not_found() {
    let mut gate = Gate::empty();
    gate.add(defaults("a"), process(ms(0)));
    gate.add(defaults("b"), process(ms(0)));
    let answer = gate.ask(get("/x/y?ms=1")).await;
    check(&answer, 404, "no_route", None);
    let detail = "no revision takes host \"m.example\" and path \"/x/y\"";
    assert_eq!(answer.json()["detail"], detail);
    assert_eq!(gate.ask(get("/v1/models/b:predict")).await.code(), 200);
    assert_eq!(gate.registry.unrouted.rejections.read(), [("no_route", 1)]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_the_gate_goes_away_is_told_so() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let running = gate.asking(get("/?ms=5000"));
    settle().await;
    let waits = gate.asking(get("/?ms=10"));
    settle().await;
    let supervisor = gate.supervisor().clone();
    let stopped = tokio::spawn(async move {
        supervisor
            .stop(tokio::time::Instant::now() + secs(30))
            .await;
    });
    check(&waits.await.unwrap(), 503, "draining", Some("1"));
    assert_eq!(running.await.unwrap().code(), 200);
    stopped.await.unwrap();
    assert!(gate.machine.running().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusals_have_the_form_that_clients_of_the_path_read() {
    let mut spec = revision(1, 1..=1);
    spec.queue.max_requests = 0;
    let gate = Gate::warm(spec).await;
    let _running = gate.asking(get("/?ms=7000"));
    settle().await;

    let answer = gate.ask(post("/v1/models/m:predict", 10)).await;
    check(&answer, 429, "queue_full", Some("1"));
    let problem = json!({
        "type": "about:blank", "title": "Too Many Requests", "status": 429,
        "reason": "queue_full", "detail": "the queue is full",
    });
    assert_eq!(answer.json(), problem);

    let answer = gate.ask(post("/v1/chat/completions", 10)).await;
    assert_eq!(answer.code(), 429);
    assert_eq!(answer.header("x-holdgate-reason"), Some("queue_full"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let error = json!({ "error": {
        "message": "the queue is full", "type": "rate_limit_error",
        "param": null, "code": "queue_full",
    }});
    assert_eq!(answer.json(), error);
}
