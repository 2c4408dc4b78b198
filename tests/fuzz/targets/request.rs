//! Any bytes on a client's connection to a gate that can only refuse: it has two revisions, one
//! that is cold and one whose line takes nobody. Everything is answered in full or hung up on,
//! whatever pieces it comes in, and nobody is left in line.
#![no_main]

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use holdgate::config::{Config, Overrides, load_text};
use holdgate::proxy::connect::Dial;
use holdgate::proxy::{Client, Proxy, Registry, Revision, Throttler};
use holdgate::revision::Endpoint;
use holdgate::server::Server;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const GATE: &str = "
defaults: { process: { command: [none] } }
revisions:
  - name: cold
    hosts: [cold.example]
    models: [cold, 'llama3:8b']
    maxBodyBytes: 48
    queue: { maxBytes: 40, readAhead: 32, timeout: 1s, coldTimeout: 2s }
  - name: full
    hosts: [full.example]
    models: [full]
    queue: { maxRequests: 1, maxBytes: 0 }
";

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    load_text(Path::new("gate.yaml"), GATE, &Overrides::default()).expect("the gate is sound")
});

/// No answer takes longer, in the gate's own time.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The refusals of this gate.
const REFUSALS: [(u16, &str); 9] = [
    (400, "body_malformed"),
    (400, "request_malformed"),
    (404, "no_route"),
    (408, "body_timeout"),
    (408, "head_timeout"),
    (413, "body_too_large"),
    (429, "queue_full"),
    (504, "cold_start_timeout"),
    (504, "deadline_unmeetable"),
];

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without a driver can be built");
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        return; // Answered in HTTP/2, which another target reads.
    }
    // At once, and in crumbs.
    for piece in [64 * 1024, 7] {
        check(&runtime.block_on(serve(bytes, piece)));
    }
});

/// Everything the gate says to a client that sends `bytes`, so many at once, and stays.
async fn serve(bytes: &[u8], piece: usize) -> Vec<u8> {
    let registry = Arc::new(registry());
    let proxy = Arc::new(Proxy::new(Arc::clone(&registry), Nowhere));
    // The way down is wide: what hyper itself answers to no request at all is cut short where it
    // cannot be written at once.
    let (mut to_gate, up) = tokio::io::duplex(piece);
    let (mut from_gate, down) = tokio::io::duplex(1024 * 1024);
    let peer = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), None);
    let served = Server::new(proxy, 1).serve(tokio::io::join(up, down), peer);
    let served = tokio::spawn(served);
    let mut answers = Vec::new();
    let talk = async {
        let sent = to_gate.write_all(bytes);
        let (_sent, read) = tokio::join!(sent, from_gate.read_to_end(&mut answers));
        read.expect("a pipe can be read");
        served.await.expect("the gate does not panic");
    };
    let ended = tokio::time::timeout(LONGEST, talk).await;
    assert!(ended.is_ok(), "the gate neither answers nor hangs up");
    for revision in registry.all() {
        let reading = revision.throttler.read();
        assert_eq!((reading.waiting, reading.running), (0, 0), "left behind");
        assert_eq!(revision.throttler.peek().in_flight, 0, "left behind");
    }
    answers
}

fn registry() -> Registry {
    let registry = Registry::default();
    for revision in &CONFIG.revisions {
        let spec = revision.spec.clone();
        registry.insert(Revision {
            throttler: Throttler::new(spec.container_concurrency, spec.queue),
            spec,
            stats: Arc::default(),
            tls: None,
        });
    }
    registry
}

/// Every one of these answers is complete, and one of ours or hyper's.
fn check(mut answers: &[u8]) {
    while !answers.is_empty() {
        answers = check_one(answers);
    }
}

/// Checks the first answer; what follows it is returned.
fn check_one(text: &[u8]) -> &[u8] {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = head.parse(text) else {
        panic!("no answer: {}", text.escape_ascii());
    };
    let (status, rest) = (head.code.expect("it is complete"), &text[length..]);
    let header = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.map(|header| str::from_utf8(header.value).expect("our headers are text"))
    };
    if status == 100 {
        return rest;
    }
    let reason = header("x-holdgate-reason");
    let length = header("content-length").map_or(0, |n| n.parse().expect("a length is a number"));
    let Some(reason) = reason else {
        // What is no request at all never comes to us: hyper says so.
        assert!(
            matches!(status, 400 | 414 | 431),
            "{status} without a reason"
        );
        assert_eq!(length, 0);
        return rest;
    };
    assert!(REFUSALS.contains(&(status, reason)), "{status} {reason}");
    if rest.first() != Some(&b'{') {
        return rest; // of a HEAD
    }
    let (body, rest) = rest.split_at_checked(length).expect("the body is complete");
    let body: serde_json::Value = serde_json::from_slice(body).expect("the body is JSON");
    let told = body.get("reason").unwrap_or_else(|| &body["error"]["code"]);
    assert_eq!(told, reason);
    rest
}

/// There is no replica to dial.
#[derive(Clone)]
struct Nowhere;

impl Dial for Nowhere {
    type Io = DuplexStream;

    async fn dial(&self, endpoint: Endpoint) -> io::Result<DuplexStream> {
        unreachable!("{endpoint} is no replica of this gate")
    }
}
