//! Clients that read too little, send too much, or can only tell a cut from an end by a reset.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::client::{Connection, get, predict};
use super::support::*;

/// More than the kernel holds for a client that does not read.
const LARGE: &str = "--response-bytes 200000000";

/// A gate in front of one ready model server that takes one request at a time.
async fn warm(settings: &str, flags: &str) -> (Settings, Gate) {
    let settings = format!("minReplicas: 1, containerConcurrency: 1, {settings}");
    let settings = Settings::new(&[revision("m", &settings, flags)]);
    let gate = settings.run(&[]).await;
    gate.log().next_ready("m").await;
    (settings, gate)
}

/// Sends a whole request and then reads, as the plainest of clients do.
async fn send(to: SocketAddr, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.expect("the gate is open");
    stream.write_all(head.as_bytes()).await.expect("sent");
    sleep(Duration::from_millis(1)).await;
    stream.write_all(body).await.expect("sent to the end");
    stream
}

fn post(path: &str, version: &str, bytes: usize) -> String {
    format!("POST {path} HTTP/{version}\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n")
}

const PREDICT: &str = "/v1/models/m:predict";

#[tokio::test]
async fn a_client_that_stops_reading_loses_its_slot() {
    let (_settings, gate) = warm("idleTimeout: 1s", LARGE).await;
    let mut stalled = send(gate.address, &post(PREDICT, "1.1", 2), b"{}").await;
    stalled.read_exact(&mut [0; 300]).await.expect("it begins");

    let mut next = Connection::open(gate.address).await.expect("it is open");
    let begun = Instant::now();
    let answer = next.begin(predict("m")).await.expect("an answer");

    assert_eq!(answer.status(), 200);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let rest = timeout(PATIENCE, stalled.read_to_end(&mut Vec::new())).await;
    let cut = rest.expect("it ends").expect_err("it is cut");
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_reads_too_slowly_loses_its_slot_when_the_time_is_up() {
    let (_settings, gate) = warm("timeout: 1s, idleTimeout: 60s", LARGE).await;
    let mut slow = send(gate.address, &post(PREDICT, "1.1", 2), b"{}").await;
    slow.read_exact(&mut [0; 300]).await.expect("it begins");
    let reading = tokio::spawn(async move {
        let mut piece = vec![0; 256 * 1024];
        while slow.read_exact(&mut piece).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    });

    let mut next = Connection::open(gate.address).await.expect("it is open");
    let begun = Instant::now();
    let answer = next.begin(predict("m")).await.expect("an answer");

    assert_eq!(answer.status(), 200);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    timeout(PATIENCE, reading)
        .await
        .expect("it is cut")
        .expect("no panic");
}

#[tokio::test]
async fn a_client_that_reads_again_in_time_gets_the_whole_answer() {
    let (_settings, gate) = warm("timeout: 60s, idleTimeout: 1s", LARGE).await;
    let head = post(PREDICT, "1.0", 2);
    let mut client = send(gate.address, &head, b"{}").await;
    let mut read = 0;
    for _ in 0..3 {
        let mut piece = vec![0; 8_000_000];
        client.read_exact(&mut piece).await.expect("it goes on");
        read += piece.len();
        sleep(Duration::from_millis(600)).await;
    }

    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("a clean end");

    assert!(read + rest.len() > 200_000_000);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let picky = |name| revision(name, "minReplicas: 0, maxBodyBytes: 1000", "");
    let gate = Settings::new(&[picky("m"), picky("n")]).run(&[]).await;
    let body = vec![b' '; 4_000_000];
    for _ in 0..10 {
        for (path, want) in [(PREDICT, "413"), ("/v1/models/none:predict", "404")] {
            let mut client = send(gate.address, &post(path, "1.1", body.len()), &body).await;
            let mut answer = String::new();
            let read = timeout(PATIENCE, client.read_to_string(&mut answer)).await;
            read.expect("it ends").expect("a whole answer");
            assert!(answer.starts_with(&format!("HTTP/1.1 {want} ")), "{answer}");
        }
    }
}

#[tokio::test]
async fn who_never_ends_to_send_is_not_listened_to_for_ever() {
    let (_settings, gate) = warm("maxBodyBytes: 1000", "").await;
    let mut client = TcpStream::connect(gate.address).await.expect("it is open");
    let head = post(PREDICT, "1.1", usize::MAX / 2);
    client.write_all(head.as_bytes()).await.expect("sent");

    let piece = vec![b' '; 64 * 1024];
    let sending = async { while client.write_all(&piece).await.is_ok() {} };
    timeout(PATIENCE, sending).await.expect("it is cut off");
}

#[tokio::test]
async fn a_cut_stream_looks_cut_whatever_the_client_speaks() {
    let (_settings, gate) = warm("streamTimeout: 500ms", "--token-time 50ms --tokens 1000").await;
    let body = br#"{"model": "m", "prompt": "a", "stream": true}"#;
    for version in ["1.0", "1.1"] {
        let head = post("/v1/completions", version, body.len());
        let mut client = send(gate.address, &head, body).await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, client.read_to_end(&mut answer)).await;

        let cut = read.expect("it ends").expect_err("it is cut");
        assert_eq!(cut.kind(), ErrorKind::ConnectionReset, "HTTP/{version}");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains("data: "), "HTTP/{version}: {answer}");
    }
    let mut healthy = Connection::open(gate.address).await.expect("it is open");
    let next = healthy.begin(get("/v1/models/m")).await.expect("an answer");
    assert_eq!(next.status(), 200);
}
