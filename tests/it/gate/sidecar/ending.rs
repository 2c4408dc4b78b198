//! How a sidecar ends: on signals, and with the hook of its model server.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{Model, beside, readyz, until_ready};
use crate::gate::client::{ask, get, predict, predict_for};
use crate::gate::support::*;

/// What a prober is told at the door.
async fn probed(gate: &Gate) -> (u16, String) {
    let mut probe = get("/");
    let says = http::HeaderValue::from_static("1");
    probe.headers_mut().insert("x-holdgate-probe", says);
    let answer = ask(gate.address, probe).await.expect("it answers");
    let (status, reason) = answer.outcome();
    (status, reason.to_owned())
}

/// How long an idle one takes to end, told to serve on for a second.
async fn ends_idle(port: u16) -> Duration {
    let mut gate = beside(port, &["--shutdown-delay", "1s"]).await;
    until_ready(&gate).await;
    let _kept = tokio::net::TcpStream::connect(gate.address)
        .await
        .expect("it listens");
    let begun = Instant::now();
    gate.signal(Signal::TERM);
    let begins = gate
        .log()
        .next(|line| line.says("not ready any more"))
        .await;
    assert_eq!(begins.text("shutdown_delay"), "1s");
    until("it is not ready", async || readyz(&gate).await != 200).await;
    assert_eq!(probed(&gate).await, (503, "draining".to_owned()));
    let answer = ask(gate.address, predict("m"))
        .await
        .expect("it still serves");
    assert_eq!(answer.status, 200);
    assert!(answer.is_last());
    assert_eq!(gate.ended().await.code(), Some(0));
    begun.elapsed()
}

#[tokio::test]
async fn an_idle_one_is_gone_within_its_shutdown_delay_and_a_second() {
    let model = Model::start(&["--port", "0"]).await;
    let mut least = Duration::MAX;
    // A machine that is busy with something else can hold up one of them.
    for _ in 0..4 {
        least = least.min(ends_idle(model.address.port()).await);
        assert!(least >= Duration::from_secs(1), "{least:?}");
        if least < Duration::from_secs(2) {
            return;
        }
    }
    panic!("{least:?}");
}

#[tokio::test]
async fn six_requests_one_after_the_other_and_then_sigterm_are_all_answered() {
    let model = Model::start(&["--port", "0"]).await;
    let mut gate = beside(model.address.port(), &["--container-concurrency", "2"]).await;
    until_ready(&gate).await;
    let mut asked = Vec::new();
    for _ in 0..6 {
        let question = predict_for("m", Duration::from_millis(1200));
        asked.push(tokio::spawn(ask(gate.address, question)));
        sleep(Duration::from_millis(100)).await;
    }
    gate.until("m", |m| m["inFlight"] == 2 && m["queue"]["depth"] == 4)
        .await;
    gate.signal(Signal::TERM);
    for answer in asked {
        let answer = answer.await.expect("no panic").expect("an answer");
        assert_eq!(answer.outcome(), (200, ""));
    }
    assert_eq!(gate.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_hook_of_the_model_server_waits_for_the_drain() {
    let model = Model::start(&["--port", "0"]).await;
    let mut gate = beside(model.address.port(), &[]).await;
    until_ready(&gate).await;
    let hook = tokio::spawn(ask(gate.admin, get("/wait-for-drain")));
    // Who sends requests here hears of it first.
    let mut probe = get("/");
    let says = http::HeaderValue::from_static("1");
    probe.headers_mut().insert("x-holdgate-probe", says);
    while !hook.is_finished() {
        let told = ask(gate.address, probe.clone()).await.expect("an answer");
        if told.status == 503 {
            assert_eq!(told.text(), "draining\n");
            break;
        }
    }
    assert!(!hook.is_finished(), "nobody was told");
    let hook = hook.await.expect("no panic").expect("it answers");
    assert_eq!(hook.text(), "nothing drains\n");
    assert_eq!(readyz(&gate).await, 200);
    assert_eq!(probed(&gate).await, (200, String::new()));
    let running = tokio::spawn(ask(gate.address, predict_for("m", Duration::from_secs(3))));
    gate.until("m", |m| m["inFlight"] == 1).await;
    let hook = tokio::spawn(ask(gate.admin, get("/wait-for-drain")));
    until("it is not ready", async || readyz(&gate).await != 200).await;
    assert_eq!(probed(&gate).await, (503, "draining".to_owned()));
    gate.signal(Signal::TERM);
    let hook = hook.await.expect("no panic").expect("it is told");
    assert_eq!(hook.text(), "drained\n");
    let answer = running.await.expect("no panic").expect("an answer");
    assert_eq!(answer.outcome(), (200, ""));
    assert_eq!(gate.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let model = Model::start(&["--port", "0"]).await;
    let mut gate = beside(model.address.port(), &["--shutdown-delay", "1h"]).await;
    until_ready(&gate).await;
    gate.signal(Signal::TERM);
    gate.log()
        .next(|line| line.says("not ready any more"))
        .await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.ended().await.code(), Some(1));
}

#[tokio::test]
async fn who_still_waits_when_the_time_for_its_end_is_over_is_told_so() {
    let model = Model::start(&["--port", "0"]).await;
    let words = ["--container-concurrency", "1", "--drain-timeout", "1s"];
    let mut gate = beside(model.address.port(), &words).await;
    until_ready(&gate).await;
    let running = tokio::spawn(ask(gate.address, predict_for("m", PATIENCE)));
    gate.until("m", |m| m["inFlight"] == 1).await;
    let waiting = tokio::spawn(ask(gate.address, predict("m")));
    gate.until("m", |m| m["queue"]["depth"] == 1).await;
    gate.signal(Signal::TERM);
    let waiting = waiting.await.expect("no panic").expect("an answer");
    assert_eq!(waiting.outcome(), (503, "draining"));
    assert_eq!(gate.ended().await.code(), Some(1));
    let cut = running.await.expect("no panic");
    cut.expect_err("there was no time for it");
}
