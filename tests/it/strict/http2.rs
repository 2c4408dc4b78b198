//! The same in HTTP/2, frame by frame: what cannot be said in HTTP/1.1 without saying something else
//! reaches no replica.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Front, PATIENCE};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Header lines as they are, none of them known before and none compressed.
fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in lines {
        bytes.push(0);
        for word in [name, value] {
            bytes.push(u8::try_from(word.len()).expect("a short word"));
            bytes.extend(word.as_bytes());
        }
    }
    bytes
}

/// How the first stream ended: with an answer, or without.
async fn ends(front: &Front, lines: &[(&str, &str)], body: Option<&str>) -> u8 {
    let mut client = TcpStream::connect(front.address).await.expect("it listens");
    let ended = u8::from(body.is_none());
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    bytes.extend(frame(HEADERS, 4 | ended, 1, &block(lines)));
    if let Some(body) = body {
        bytes.extend(frame(DATA, 1, 1, body.as_bytes()));
    }
    client.write_all(&bytes).await.expect("written");
    let reading = async {
        loop {
            let mut head = [0; 9];
            if client.read_exact(&mut head).await.is_err() {
                return GO_AWAY;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if client.read_exact(&mut payload).await.is_err() {
                return GO_AWAY;
            }
            if matches!(head[3], HEADERS | RESET | GO_AWAY) {
                return head[3];
            }
        }
    };
    timeout(PATIENCE, reading)
        .await
        .expect("it comes to an end")
}

/// A sound request with some lines in place of its own, or behind them.
fn with<'a>(changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let sound = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "m"),
        (":path", "/a"),
    ];
    let is_own = |name: &str| sound.iter().any(|(own, _)| *own == name);
    let in_place = sound.map(|(name, value)| {
        let new = changed.iter().find(|(other, _)| *other == name);
        (name, new.map_or(value, |(_, value)| *value))
    });
    let behind = changed.iter().filter(|(name, _)| !is_own(name));
    in_place.into_iter().chain(behind.copied()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_something_else_in_http_1_reaches_no_replica() {
    let front = Front::new().await;
    for sound in [with(&[]), with(&[("x", "1")]), with(&[("host", "m")])] {
        front.replica.forget();
        assert_eq!(ends(&front, &sound, None).await, HEADERS, "{sound:?}");
        assert_eq!(front.replica.targets(), ["/a"], "{sound:?}");
    }
    front.replica.forget();
    let lines = [
        with(&[("transfer-encoding", "chunked")]),
        with(&[("transfer-encoding", "identity")]),
        with(&[("connection", "close")]),
        with(&[("connection", "transfer-encoding")]),
        with(&[("keep-alive", "timeout=5")]),
        with(&[("proxy-connection", "keep-alive")]),
        with(&[("upgrade", "h2c")]),
        with(&[("te", "gzip")]),
        with(&[("X-Upper", "1")]),
        with(&[("x y", "1")]),
        with(&[("x:y", "1")]),
        with(&[("x\"y", "1")]),
        with(&[("x\r\ny", "1")]),
        with(&[("", "1")]),
        with(&[("x", "1\r\ny: 2")]),
        with(&[("x", "1\ny: 2")]),
        with(&[("x", "1\0")]),
        with(&[("host", "other")]),
        with(&[("host", "m"), ("host", "m")]),
        with(&[(":authority", "u@m")]),
        with(&[(":authority", "m/a")]),
        with(&[(":path", "a")]),
        with(&[(":path", "")]),
        with(&[(":path", "*")]),
        with(&[(":path", "/a HTTP/1.1\r\nx: 1")]),
        with(&[(":path", "/a b")]),
        with(&[(":method", "GET /b HTTP/1.1\r\nhost: m\r\n\r\nGET")]),
        with(&[(":method", "")]),
        with(&[(":method", "CONNECT")]),
        with(&[(":status", "200")]),
        with(&[(":unknown", "1")]),
        [with(&[]), vec![(":path", "/b")]].concat(),
        [with(&[("x", "1")]), vec![(":authority", "m")]].concat(),
        with(&[])[..3].to_vec(),
        with(&[])[1..].to_vec(),
        vec![
            ("x", "1"),
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/a"),
        ],
    ];
    for lines in &lines {
        ends(&front, lines, None).await;
        assert_eq!(front.replica.targets(), [""; 0], "{lines:?}");
    }
    assert_eq!(front.replica.broken(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_another_length_than_announced_is_no_request() {
    let front = Front::new().await;
    let of = |length: &'static str| with(&[("content-length", length)]);
    assert_eq!(ends(&front, &of("5"), Some("hello")).await, HEADERS);
    assert_eq!(front.replica.targets(), ["/a"]);
    front.replica.forget();
    for length in ["4", "6", "+5", "5, 5", "0x5", "-1", "five"] {
        ends(&front, &of(length), Some("hello")).await;
        assert_eq!(front.replica.targets(), [""; 0], "{length}");
    }
    ends(&front, &of("5"), None).await;
    assert_eq!(front.replica.targets(), [""; 0], "none came");
    assert_eq!(front.replica.broken(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_body_that_was_announced_as_none_nothing_is_passed_on() {
    let front = Front::new().await;
    let of = |length: &'static str| with(&[("content-length", length)]);
    // Its head is a whole request, which may be on its way before the body gives it away.
    ends(&front, &of("0"), Some("hello")).await;
    assert_eq!(ends(&front, &of("5"), Some("hello")).await, HEADERS);
    let heads = front.replica.heads();
    let announcing = |length| {
        let line = format!("content-length: {length}\r\n");
        heads.iter().filter(|head| head.contains(&line)).count()
    };
    assert_eq!(announcing(5), 1, "{heads:?}");
    assert_eq!(announcing(0), heads.len() - 1, "{heads:?}");
    assert!(heads.len() <= 2, "{heads:?}");
    assert_eq!(front.replica.broken(), [""; 0]);
}
