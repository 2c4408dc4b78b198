//! Streams of HTTP/2 that end before their end: each looks cut, and to a caller of gRPC in words of its own.

use bytes::Bytes;
use h2::Reason;
use holdgate::proxy::Client as Peer;
use holdgate::revision::Protocol;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

use super::grpc::call;
use crate::support::{Ask, Gate, Http2, get, ms, post, revision, secs, settle};

/// A replica that resets each stream with the code in its path: after some of an answer, or before it.
async fn resets(io: DuplexStream) {
    let mut connection = h2::server::handshake(io).await.expect("a pipe");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let mut path = request.uri().path().split('/').skip(1);
        let when = path.next().expect("as the scene has it");
        let code = path.next().and_then(|code| code.parse::<u32>().ok());
        let code = Reason::from(code.expect("as the scene has it"));
        if when == "before" {
            respond.send_reset(code);
            continue;
        }
        let head = Response::builder().header("content-type", "application/grpc");
        let head = head.body(()).expect("valid");
        let mut body = respond.send_response(head, false).expect("it listens");
        let some = Bytes::from_static(b"some");
        body.send_data(some, false).expect("it listens");
        tokio::spawn(async move {
            sleep(ms(100)).await;
            body.send_reset(code);
        });
    }
}

async fn to_resets() -> (Gate, Http2) {
    let mut spec = revision(0, 1..=1);
    spec.protocol = Protocol::H2c;
    let gate = Gate::warm(spec).await;
    gate.machine.meddle(|io, _| drop(tokio::spawn(resets(io))));
    let client = Http2::to(&gate).await;
    (gate, client)
}

/// What a caller hears: how much of the answer, its status and its reason.
async fn heard(client: &Http2, request: Ask) -> (usize, String, String) {
    let body = client.send(call(request)).await.into_body().collect().await;
    let body = body.expect("it ends in words");
    let trailers = body.trailers().cloned().unwrap_or_default();
    let said = |name| {
        let said = trailers.get(name).map(http::HeaderValue::as_bytes);
        String::from_utf8_lossy(said.unwrap_or_default()).into_owned()
    };
    assert_ne!(said("grpc-message"), "");
    let (status, reason) = (said("grpc-status"), said("x-holdgate-reason"));
    (body.to_bytes().len(), status, reason)
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_told_the_code_with_which_a_replica_resets_its_answer() {
    let (gate, client) = to_resets().await;
    for (code, status) in [
        (Reason::NO_ERROR, "13"),
        (Reason::PROTOCOL_ERROR, "13"),
        (Reason::INTERNAL_ERROR, "13"),
        (Reason::REFUSED_STREAM, "14"),
        (Reason::CANCEL, "1"),
        (Reason::ENHANCE_YOUR_CALM, "8"),
        (Reason::INADEQUATE_SECURITY, "7"),
    ] {
        let asked = get(&format!("/after/{}", u32::from(code)));
        let told = heard(&client, asked).await;
        assert_eq!(
            told,
            (4, status.into(), "upstream_reset".into()),
            "{code:?}"
        );
        if code == Reason::REFUSED_STREAM {
            continue;
        }
        let asked = call(get(&format!("/before/{}", u32::from(code))));
        let answer = client.ask(asked).await;
        assert_eq!(answer.header("grpc-status"), Some(status), "{code:?}");
        assert_eq!(answer.header("x-holdgate-reason"), Some("upstream_reset"));
    }
    settle().await;
    assert_eq!(gate.reading().running, 0);
    assert_eq!(gate.machine.dialled(), 1, "the connection lives on");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_call_looks_cut_whatever_the_code() {
    let (gate, client) = to_resets().await;
    for code in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let asked = || get(&format!("/after/{}", u32::from(code)));
        for answer in [client.ask(asked()).await, gate.ask(asked()).await] {
            assert_eq!(answer.code(), 200);
            answer.body.expect_err("it looks cut");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_within_an_answer_is_told_as_one() {
    for protocol in [Protocol::H2c, Protocol::Http1] {
        let mut spec = revision(1, 1..=1);
        spec.protocol = protocol;
        let gate = Gate::warm(spec).await;
        let client = Http2::to(&gate).await;
        let mut asked = post("/?chunks=1000&gap=1000", 1);
        let headers = asked.headers_mut();
        headers.insert(
            "grpc-timeout",
            "4500m".parse().expect("as the scene has it"),
        );
        let began = Instant::now();
        let (bytes, status, reason) = heard(&client, asked).await;
        assert_eq!(bytes, 5 * "data: 0\n\n".len());
        assert_eq!((&*status, &*reason), ("4", "upstream_timeout"));
        assert_eq!(began.elapsed().as_millis() / 100, 45);
        settle().await;
        assert_eq!((gate.reading().running, gate.machine.at_work()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_within_an_answer_is_told_as_unavailable() {
    for protocol in [Protocol::H2c, Protocol::Http1] {
        let mut spec = revision(1, 1..=1);
        spec.protocol = protocol;
        let gate = Gate::warm(spec).await;
        let client = Http2::to(&gate).await;
        let replica = gate.machine.running().remove(0);
        let asked = post("/?chunks=1000&gap=1000", 1);
        let told = tokio::spawn(async move { heard(&client, asked).await });
        sleep(ms(1_500)).await;
        replica.kill();
        let (bytes, status, reason) = told.await.expect("no panic");
        assert_eq!(bytes, 2 * "data: 0\n\n".len());
        assert_eq!((&*status, &*reason), ("14", "upstream_reset"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_its_client_resets_without_an_error_does_not_look_whole() {
    for waits in [false, true] {
        let gate = Gate::new(revision(1, 0..=1), secs(if waits { 9 } else { 0 }));
        let (tell, told) = tokio::sync::oneshot::channel();
        gate.machine.meddle(|mut io, _| {
            drop(tokio::spawn(async move {
                let mut heard = Vec::new();
                let _ = io.read_to_end(&mut heard).await;
                let _ = tell.send(heard);
            }));
        });
        let (ours, theirs) = duplex(64 * 1024);
        let peer = Peer::new([10, 0, 0, 9].into(), None);
        tokio::spawn(gate.server.clone().serve(theirs, peer));
        let (client, connection) = h2::client::handshake(ours).await.expect("a pipe");
        tokio::spawn(connection);
        let asked = Request::post("http://m.example/").body(()).expect("valid");
        let mut client = client.ready().await.expect("a pipe");
        let (answer, mut body) = client.send_request(asked, false).expect("a pipe");
        let some = Bytes::from_static(b"some");
        body.send_data(some, false).expect("a pipe");
        sleep(ms(if waits { 8_990 } else { 500 })).await;
        body.send_reset(Reason::NO_ERROR);
        answer.await.expect_err("it is reset");
        sleep(secs(10)).await;
        assert_eq!(gate.reading().running, 0);
        drop(gate);
        let heard = told.await.unwrap_or_default();
        assert!(waits || !heard.is_empty(), "it is sent on as it comes");
        let heard = String::from_utf8(heard).expect("text");
        assert!(!heard.ends_with("0\r\n\r\n"), "{heard}");
    }
}
