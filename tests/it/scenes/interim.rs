//! `Expect: 100-continue`: a client that asks before it sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{sleep, timeout};

use crate::support::{Gate, get, ms, revision, secs};

/// A client that has sent the head of a request with a body of ten bytes, and asked whether to go on.
async fn asks(gate: &Gate) -> DuplexStream {
    let (mut client, theirs) = duplex(64 * 1024);
    let peer = holdgate::proxy::Client::new([10, 0, 0, 9].into(), None);
    tokio::spawn(gate.server.clone().serve(theirs, peer));
    let head =
        b"POST / HTTP/1.1\r\nhost: m.example\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head).await.expect("it is heard");
    client
}

/// What the client has been told within so long.
async fn told(client: &mut DuplexStream, within: Duration) -> String {
    let mut told = [0; 4096];
    match timeout(within, client.read(&mut told)).await {
        Ok(read) => String::from_utf8_lossy(&told[..read.expect("a pipe")]).into_owned(),
        Err(_) => String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_so_at_once_and_not_to_go_on() {
    let nobody = Gate::empty();
    let mut client = asks(&nobody).await;
    let answer = told(&mut client, secs(1)).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");

    let mut spec = revision(1, 1..=1);
    spec.queue.max_requests = 0;
    let gate = Gate::warm(spec).await;
    let _running = gate.asking(get("/?ms=10000"));
    sleep(ms(10)).await;
    let answer = told(&mut asks(&gate).await, secs(1)).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");

    let mut spec = revision(1, 1..=1);
    spec.max_body_bytes = Some(9);
    let gate = Gate::warm(spec).await;
    let answer = told(&mut asks(&gate).await, secs(1)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_is_served_or_waits_in_line_is_told_to_go_on_once() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    for waits in [false, true] {
        let _running = waits.then(|| gate.asking(get("/?ms=10000")));
        sleep(ms(10)).await;
        let mut client = asks(&gate).await;
        let interim = told(&mut client, secs(1)).await;
        assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"0123456789").await.expect("it is heard");
        if waits {
            assert_eq!(told(&mut client, secs(1)).await, "", "it is held");
            assert_eq!(gate.reading().waiting_bytes, 10);
        }
        let answer = told(&mut client, secs(60)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("10 bytes"), "{answer}");
    }
    let seen = gate.machine.seen();
    let posts = seen.iter().filter(|seen| seen.target == "/");
    assert_eq!(posts.count(), 2);
}
