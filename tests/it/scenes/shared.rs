//! Connections of HTTP/2 to replicas: when an unused one is closed, and when a silent one is given up.

use holdgate::revision::Protocol;
use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Gate, get, revision, secs};

async fn by_http2() -> Gate {
    let mut spec = revision(0, 1..=1);
    spec.protocol = Protocol::H2c;
    (spec.timeouts.total, spec.timeouts.idle) = (None, None);
    Gate::warm(spec).await
}

/// So long, with the looks that the gate takes meanwhile at what is unused.
async fn goes_by(gate: &Gate, seconds: u64) {
    for _ in 0..seconds / 5 {
        sleep(secs(5)).await;
        for revision in gate.registry.all() {
            for replica in revision.throttler.replicas() {
                replica.connections.retire(Instant::now().into_std());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_is_closed_after_a_minute_and_one_that_works_is_not() {
    let gate = by_http2().await;
    let dials = async || {
        assert_eq!(gate.ask(get("/")).await.code(), 200);
        gate.machine.dialled()
    };
    assert_eq!(dials().await, 1);
    goes_by(&gate, 55).await;
    assert_eq!(dials().await, 1);
    goes_by(&gate, 70).await;
    assert_eq!(dials().await, 2);
    let long = gate.asking(get("/?ms=200000"));
    goes_by(&gate, 150).await;
    assert_eq!(dials().await, 2);
    assert_eq!(long.await.expect("no panic").code(), 200);
}

/// A replica that takes a request and then says no word of HTTP/2 any more.
async fn fall_silent(io: DuplexStream) {
    let mut connection = h2::server::handshake(io).await.expect("a pipe");
    let _taken = connection.accept().await;
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_falls_silent_is_given_up_where_nothing_else_would_end_the_wait() {
    let gate = by_http2().await;
    gate.machine
        .meddle(|io, _| drop(tokio::spawn(fall_silent(io))));
    let answer = timeout(secs(3600), gate.ask(get("/"))).await;
    let answer = answer.expect("it is given up");
    assert_eq!(answer.header("x-holdgate-reason"), Some("upstream_reset"));
    assert!(
        answer.took > secs(310) && answer.took < secs(340),
        "{:?}",
        answer.took
    );
    assert_eq!(gate.reading().running, 0);
    assert_eq!(gate.ask(get("/")).await.code(), 200);
    assert_eq!(gate.machine.dialled(), 2);
}
