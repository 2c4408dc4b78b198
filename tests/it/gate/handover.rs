//! A new process takes over before the old one ends: nobody who asks meanwhile notices.

use rustix::process::Signal;

use super::client::{ask, predict};
use super::support::*;
use crate::support::Workers;

const CLIENTS: usize = 8;

/// A gate on an address that it shares, before model servers of its own.
async fn gate(settings: &Settings, listen: &str, shares: &str) -> Gate {
    let words = [
        "run",
        "--listen",
        listen,
        "--admin",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--state",
        "off",
        "--reuse-port",
        shares,
        "-f",
        settings.path(),
    ];
    Gate::spawn(holdgate(&words)).await
}

/// Waits until a gate has answered so many.
async fn until_answers(gate: &Gate, many: u64) {
    until("clients are led to it", async || {
        gate.counted("m", 200).await >= many
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_when_one_process_takes_over_from_another() {
    let settings = Settings::new(&[revision("m", "minReplicas: 1", "--service-time 5ms")]);
    let mut old = gate(&settings, "127.0.0.1:0", "true").await;
    let at = old.address;
    old.until("m", |m| m["replicas"][0]["state"] == "ready")
        .await;
    // Each time on a connection of its own: the kernel decides anew.
    let mut clients = Workers::start(CLIENTS, move || async move {
        let answer = ask(at, predict("m")).await.expect("nothing is lost");
        assert_eq!(answer.outcome(), (200, ""));
    });
    for _ in 0..3 {
        let new = gate(&settings, &at.to_string(), "true").await;
        new.until("m", |m| m["replicas"][0]["state"] == "ready")
            .await;
        // The kernel leads some to each of them.
        until_answers(&new, 20).await;
        old.signal(Signal::TERM);
        assert_eq!(old.ended().await.code(), Some(0));
        clients.are_served().await;
        old = new;
    }
    let before = old.counted("m", 200).await;
    until_answers(&old, before + 100).await;
    clients.end().await;
}

#[tokio::test]
async fn without_the_flag_an_address_is_not_shared() {
    let settings = Settings::new(&[revision("m", "minReplicas: 0", "")]);
    let first = gate(&settings, "127.0.0.1:0", "false").await;
    let at = first.address.to_string();
    let words = [
        "run",
        "--listen",
        &at,
        "--admin",
        "off",
        "--reuse-port",
        "true",
    ];
    let second = holdgate(&[&words[..], &["-f", settings.path()]].concat()).output();
    let second = second.await.expect("it starts");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("could not listen on"), "{said}");
}
