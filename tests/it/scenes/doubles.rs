//! Replicas that accept a request and die before they have answered it, at every point of the exchange:
//! nothing that may have reached one of them is sent to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use holdgate::revision::Protocol;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex,
};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::time::sleep;

use super::grpc::call;
use crate::support::{Behind, Gate, Http2, get, ms, named, post, revision, settle};

/// Where a connection dies: after so many bytes of what was asked, or of what was answered.
#[derive(Clone, Copy, Debug)]
struct Death {
    asked: usize,
    answered: usize,
}

/// What a body of ours is made of; no head holds so many of it.
const MARK: &[u8] = b"xxxx";

/// Passes bytes on until there were so many, and looks for the mark in them.
async fn pass(
    mut from: ReadHalf<impl AsyncRead>,
    mut to: WriteHalf<impl AsyncWrite>,
    most: usize,
    marked: Option<Arc<AtomicUsize>>,
) {
    let (mut passed, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    while passed.len() < most {
        let room = piece.len().min(most - passed.len());
        let Ok(read @ 1..) = from.read(&mut piece[..room]).await else {
            // It has ended by itself, which kills nobody.
            return std::future::pending().await;
        };
        passed.extend_from_slice(&piece[..read]);
        let found = passed.windows(MARK.len()).any(|bytes| bytes == MARK);
        if let Some(marked) = &marked
            && found
        {
            marked.store(1, Relaxed);
        }
        if to.write_all(&piece[..read]).await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The next connection dies so; `marked` is whether a byte of the body was on it.
fn die(gate: &Gate, death: Death, marked: Arc<AtomicUsize>) {
    gate.machine
        .meddle(move |outside: DuplexStream, behind: Behind| {
            let (near, inside) = duplex(64 * 1024);
            behind(inside);
            tokio::spawn(async move {
                let ((asks, answers), (answered, asked)) = (split(outside), split(near));
                tokio::select! {
                    () = pass(asks, asked, death.asked, Some(marked)) => {}
                    () = pass(answered, answers, death.answered, None) => {}
                }
            });
        });
}

/// One request, where the first replica to be reached dies.
async fn one(gate: &Gate, n: usize, death: Death, http2: bool) {
    let marks: Vec<_> = (0..2).map(|_| Arc::default()).collect();
    die(gate, death, Arc::clone(&marks[0]));
    // And whoever would get it then is looked at as well; a look at a replica takes one of them.
    for _ in 0..4 {
        let long_lived = Death {
            asked: usize::MAX,
            answered: usize::MAX,
        };
        die(gate, long_lived, Arc::clone(&marks[1]));
    }
    let request = named(n, post("/", 500));
    let answer = if http2 {
        Http2::to(gate).await.try_ask(call(request)).await
    } else {
        gate.client().await.try_ask(request).await
    };
    let reached: usize = marks.iter().map(|mark| mark.load(Relaxed)).sum();
    assert!(reached <= 1, "{n}, {death:?}: two replicas saw the body");
    let order = gate.machine.order();
    let seen = order.iter().filter(|id| **id == n.to_string()).count();
    assert!(seen <= 1, "{n}, {death:?}: it was sent {seen} times");
    match answer {
        // What cuts an answer may overtake its head.
        Err(_) => assert!(death.answered < 1000, "{n}, {death:?}"),
        Ok(answer) => match answer.header("x-holdgate-reason") {
            None if answer.body.is_ok() => {
                assert_eq!(answer.text(), "500 bytes", "{n}, {death:?}");
            }
            None => assert!(death.answered < 1000, "{n}, {death:?}: {answer:?}"),
            Some("upstream_reset") => assert_eq!(marks[1].load(Relaxed), 0),
            Some(other) => panic!("{n}, {death:?}: {other}"),
        },
    }
    // Whoever was thought dead is back, and what was opened is closed.
    gate.machine.unmeddle();
    sleep(ms(3000)).await;
    assert_eq!(gate.reading().running, 0, "{n}, {death:?}: a slot was lost");
}

async fn deaths(http2: bool) {
    for n in 0..1000 {
        // Half of them wait, so that their bodies are held and could be sent again.
        let held = n % 4 < 2;
        let mut spec = revision(1, if held { 0..=1 } else { 2..=2 });
        spec.protocol = if http2 {
            Protocol::H2c
        } else {
            Protocol::Http1
        };
        let gate = if held {
            Gate::new(spec, ms(500))
        } else {
            Gate::warm(spec).await
        };
        // Through all that is said, what HTTP/2 says before it included.
        let at = n / 4;
        let death = if n % 2 == 0 {
            Death {
                asked: at * 3,
                answered: usize::MAX,
            }
        } else {
            Death {
                asked: usize::MAX,
                answered: at,
            }
        };
        one(&gate, n, death, http2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_at_any_point_gets_a_body_that_no_other_gets() {
    deaths(false).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_http2_that_dies_at_any_point_gets_a_body_that_no_other_gets() {
    deaths(true).await;
}

/// A server of HTTP/2 that refuses its first stream, or goes away before it.
async fn refuse(io: DuplexStream, goes_away: bool) {
    let mut connection = h2::server::handshake(io).await.expect("a pipe");
    if goes_away {
        // No stream has been accepted, so whatever comes now is beyond the last.
        let mut first = connection
            .accept()
            .await
            .expect("one comes")
            .expect("whole");
        first.1.send_reset(h2::Reason::REFUSED_STREAM);
        connection.graceful_shutdown();
    } else {
        let (_, mut stream) = connection
            .accept()
            .await
            .expect("one comes")
            .expect("whole");
        stream.send_reset(h2::Reason::REFUSED_STREAM);
    }
    while connection.accept().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_is_sent_to_another_replica_if_its_body_is_whole() {
    for goes_away in [false, true] {
        let mut spec = revision(1, 2..=2);
        spec.protocol = Protocol::H2c;
        let gate = Gate::warm(spec).await;
        gate.machine
            .meddle(move |io, _| drop(tokio::spawn(refuse(io, goes_away))));
        let answer = gate.ask(get("/")).await;
        assert_eq!((answer.code(), gate.machine.seen().len()), (200, 1));
        assert_eq!(gate.stats().retries.get(), 1);
        assert_eq!(gate.reading().running, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_whose_body_has_gone_is_not_sent_again_but_one_that_was_held_is() {
    let mut spec = revision(1, 1..=1);
    spec.protocol = Protocol::H2c;
    let gate = Gate::warm(spec.clone()).await;
    gate.machine
        .meddle(|io, _| drop(tokio::spawn(refuse(io, false))));
    let answer = gate.ask(post("/", 10)).await;
    assert_eq!(answer.header("x-holdgate-reason"), Some("upstream_reset"));
    assert_eq!(
        (gate.machine.seen().len(), gate.stats().retries.get()),
        (0, 0)
    );

    // This one waits, so its body is read ahead.
    spec.scaling.min_replicas = 0;
    let gate = Gate::new(spec, ms(1000));
    gate.machine
        .meddle(|io, _| drop(tokio::spawn(refuse(io, false))));
    let answer = gate.ask(post("/", 10)).await;
    assert_eq!(answer.text(), "10 bytes");
    assert_eq!(
        (gate.machine.seen().len(), gate.stats().retries.get()),
        (1, 1)
    );
    settle().await;
    assert_eq!((gate.machine.at_work(), gate.reading().running), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_away_takes_nothing_new_and_ends_what_it_has() {
    let mut spec = revision(0, 1..=1);
    spec.protocol = Protocol::H2c;
    let gate = Gate::warm(spec).await;
    // Goes away after its first request, and answers that one.
    gate.machine.meddle(|io, _| {
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|_| async {
                sleep(ms(1000)).await;
                let body = Full::new(bytes::Bytes::from("the last"));
                Ok::<_, std::convert::Infallible>(http::Response::new(body.boxed()))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(io), service));
            tokio::select! {
                _ = connection.as_mut() => return,
                () = sleep(ms(500)) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        });
    });
    let last = gate.asking(get("/"));
    sleep(ms(600)).await;
    let next = gate.ask(get("/?ms=10")).await;
    assert_eq!(next.text(), "0 bytes");
    assert_eq!(last.await.unwrap().text(), "the last");
    assert_eq!(gate.machine.dialled(), 2);
    assert_eq!(gate.stats().retries.get(), 0);
}
