//! What one client may send before it has asked for anything, and what it is told that sends more.

use holdgate::server::{Bounds, Patience, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::timeout;

use crate::support::{Ask, Gate, Http2, Machine, get, revision, secs, with};

fn bounded(gate: &Gate) -> Server<Machine> {
    gate.server.clone().within(Bounds {
        head_bytes: 9 * 1024,
        headers: 10,
        patience: Patience {
            head: secs(7),
            idle: None,
        },
    })
}

/// What a client hears that says just this.
async fn told(gate: &Gate, said: &str) -> String {
    let (mut ours, theirs) = duplex(64 * 1024);
    let peer = holdgate::proxy::Client::new([10, 0, 0, 9].into(), None);
    tokio::spawn(bounded(gate).serve(theirs, peer));
    ours.write_all(said.as_bytes()).await.expect("it is heard");
    let mut heard = String::new();
    let ends = ours.read_to_string(&mut heard);
    timeout(secs(1000), ends)
        .await
        .expect("it is ended")
        .expect("text");
    heard
}

fn lines(count: usize, length: usize) -> String {
    let line = |n| format!("x-{n}: {}\r\n", "y".repeat(length));
    (0..count).map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn a_head_is_as_large_as_it_may_be_and_no_larger() {
    let gate = Gate::warm(revision(0, 1..=1)).await;
    for (lines, code) in [
        (lines(8, 900), "200"),
        (lines(9, 900), "431"),
        (lines(8, 1200), "431"),
        (lines(1, 20_000), "431"),
        (lines(200, 0), "431"),
    ] {
        let head = format!("GET / HTTP/1.1\r\nhost: m\r\nconnection: close\r\n{lines}\r\n");
        let answer = told(&gate, &head).await;
        let want = format!("HTTP/1.1 {code} ");
        assert!(answer.starts_with(&want), "{code}: {answer}");
    }
    assert_eq!(gate.machine.seen().len(), 1);
    let counted = gate.registry.unrouted.rejections.read();
    assert_eq!(counted, [("head_too_large", 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_head_of_http2_is_bounded_alike() {
    let gate = Gate::warm(revision(0, 1..=1)).await;
    let (client, _connection) = Http2::new(bounded(&gate), 1 << 20).await;
    let large = |bytes: usize| -> Ask { with("x-large", &"y".repeat(bytes), get("/")) };
    assert_eq!(client.ask(large(8000)).await.code(), 200);
    let refused = client.try_ask(large(12_000)).await;
    assert!(
        refused.as_ref().is_ok_and(|it| it.code() == 431),
        "{refused:?}"
    );
    assert_eq!(gate.machine.seen().len(), 1);
}
