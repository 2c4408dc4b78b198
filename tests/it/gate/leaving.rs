//! Clients that leave before their answer.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::{Connection, ask, knock, predict, predict_for, stats};
use super::support::*;

const LEAVERS: u64 = 100;

/// A gate in front of one ready model server.
async fn warm(settings: &str, flags: &str) -> (Settings, Gate, std::net::SocketAddr) {
    let settings = Settings::new(&[revision("m", &format!("minReplicas: 1, {settings}"), flags)]);
    let gate = settings.run(&[]).await;
    let (_, replica) = gate.log().next_ready("m").await;
    (settings, gate, replica)
}

#[tokio::test]
async fn a_client_that_leaves_the_line_frees_its_place_whatever_it_had_sent() {
    let kib = 1024;
    // Bodies that are read ahead whole, and one that stays in the socket.
    for (bytes, read_ahead) in [
        (2, kib),
        (16 * kib, 16 * kib),
        (kib * kib, kib * kib),
        (48 * kib, kib),
    ] {
        let queue = format!("queue: {{ maxRequests: 1, readAhead: {read_ahead} }}");
        let settings = format!("containerConcurrency: 1, {queue}");
        let (_settings, gate, replica) = warm(&settings, "").await;
        let busy = tokio::spawn(ask(gate.address, predict_for("m", Duration::from_secs(2))));
        gate.until("m", |m| m["inFlight"] == 1).await;
        let leaver = knock(gate.address, "m", usize::try_from(bytes).expect("few")).await;
        gate.until("m", |m| {
            m["queue"]["depth"] == 1 && m["queue"]["bytes"].as_u64() >= Some(read_ahead.min(bytes))
        })
        .await;
        let full = ask(gate.address, predict("m")).await.expect("an answer");
        assert_eq!(full.outcome(), (429, "queue_full"));

        let left = Instant::now();
        drop(leaver);
        let line = gate.until("m", |m| m["queue"]["depth"] == 0).await;

        println!(
            "{bytes} bytes: its place was free after {:?}",
            left.elapsed()
        );
        assert_eq!(line["queue"]["bytes"], 0);
        assert!(!busy.is_finished(), "freed by leaving, not by its turn");
        let next = ask(gate.address, predict("m")).await.expect("an answer");
        assert_eq!(next.outcome(), (200, ""));
        let first = busy.await.expect("no panic").expect("an answer");
        assert_eq!(first.outcome(), (200, ""), "the rest is unaffected");
        assert_eq!(
            stats(replica).await["requests"],
            2,
            "who left was never sent"
        );
        assert_eq!(gate.counted("m", 499).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_cannot_be_stopped_never_works_on_more_than_its_limit() {
    let (_settings, gate, replica) = warm("containerConcurrency: 10", "--service-time 100ms").await;

    let mut leavers = JoinSet::new();
    for _ in 0..LEAVERS {
        let address = gate.address;
        leavers.spawn(async move {
            let client = knock(address, "m", 2).await;
            sleep(Duration::from_millis(60)).await;
            drop(client);
        });
        sleep(Duration::from_millis(2)).await;
    }
    leavers.join_all().await;
    until("each of them is counted", async || {
        gate.counted("m", 499).await + gate.counted("m", 200).await >= LEAVERS
    })
    .await;
    gate.until("m", |m| m["inFlight"] == 0).await;

    let seen = stats(replica).await;
    println!("{seen}");
    assert_eq!(
        seen["concurrency"], 0,
        "a slot is free only when the replica is"
    );
    let most = seen["max_concurrency"].as_u64();
    assert_eq!(most, Some(10), "the limit is reached and not passed");
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_frees_its_slot_and_closes_the_connection() {
    let (_settings, gate, replica) = warm(
        "containerConcurrency: 1",
        "--tokens 1000 --token-time 100ms --cancel-on-disconnect",
    )
    .await;
    let wish = json!({ "model": "m", "stream": true }).to_string();
    let mut question = predict("m");
    *question.uri_mut() = "/v1/chat/completions".parse().expect("a path");
    *question.body_mut() = Full::from(wish);
    let mut connection = Connection::open(gate.address).await.expect("open");
    let mut stream = connection.begin(question).await.expect("it begins");
    let first = stream.frame().await.expect("a token").expect("a token");
    assert!(first.is_data());
    assert_eq!(stats(replica).await["concurrency"], 1);

    drop((stream, connection));

    let next = ask(gate.address, predict("m")).await.expect("an answer");
    assert_eq!(
        next.outcome(),
        (200, ""),
        "the slot is free long before the stream's end"
    );
    until("the replica notices", async || {
        stats(replica).await["concurrency"] == 0
    })
    .await;
}
