//! Loading, stopping, crashing, and flags.

use std::net::SocketAddr;

use clap::{CommandFactory, Parser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use super::super::{Args, SampleModel, load_and_serve, run};
use super::{MS, PREDICT, args, ask, model, reply, request, settle};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<anyhow::Result<()>>,
}

/// Over a socket, as `run` does it.
async fn start(model: &SampleModel) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel();
    let serving = model.clone();
    let ended = tokio::spawn(async move {
        serving
            .serve(listener, async { stopped.await.expect("told to stop") })
            .await
    });
    Running {
        address,
        stop,
        ended,
    }
}

async fn dial(running: &Running, line: &str) -> TcpStream {
    let mut client = TcpStream::connect(running.address)
        .await
        .expect("it listens");
    client
        .write_all(request(line, "", "{}").as_bytes())
        .await
        .expect("sent");
    client
}

#[tokio::test]
async fn stopping_finishes_what_has_begun_and_takes_nothing_new() {
    let model = model(&["--service-time", "30ms"]);
    let running = start(&model).await;
    let client = dial(&running, PREDICT).await;
    let leaves = dial(&running, PREDICT).await;
    while model.seen().concurrency < 2 {
        tokio::task::yield_now().await;
    }
    drop(leaves);
    running.stop.send(()).expect("it runs");
    assert_eq!(reply(client).await.status, 200);
    running.ended.await.expect("no panic").expect("a clean end");
    assert_eq!(
        model.seen().concurrency,
        0,
        "the one without a client was finished too"
    );
    TcpStream::connect(running.address)
        .await
        .expect_err("nobody listens");
}

#[tokio::test(start_paused = true)]
async fn the_first_request_is_dated_by_the_clock_that_dates_the_port() {
    let model = model(&[]);
    assert_eq!(model.seen().listening_at_ms, None);
    let running = start(&model).await;
    settle().await;
    advance(1234 * MS).await;
    ask(&model, "GET /v1/models/flowers-sample", "").await;
    assert_eq!(model.seen().first_request_at_ms, None, "a probe is none");
    for _ in 0..2 {
        ask(&model, PREDICT, "{}").await;
        let seen = model.seen();
        let first = seen.first_request_at_ms.expect("it was here");
        let waited = first - seen.listening_at_ms.expect("the port is open");
        assert!((1234.0..1334.0).contains(&waited), "{waited} ms");
        advance(1000 * MS).await;
    }
    running.stop.send(()).expect("it runs");
    running.ended.await.expect("no panic").expect("a clean end");
}

#[test]
fn what_kserve_writes_into_arguments_is_understood() {
    let theirs = ["--model_name", "mnist", "--http_port", "8080"];
    let added = ["--predictor_host", "p.ns", "--workers", "2"];
    let words = ["sample-model"].into_iter().chain(theirs).chain(added);
    let args = Args::try_parse_from(words).expect("they are known");
    assert_eq!((args.model.as_str(), args.wanted_port()), ("mnist", 8080));
}

#[tokio::test]
async fn a_crash_by_count_takes_the_next_request_and_all_the_others_with_it() {
    let model = model(&["--crash-after-requests", "2", "--service-time", "1h"]);
    let running = start(&model).await;
    let mut at_work = [dial(&running, PREDICT).await, dial(&running, PREDICT).await];
    while model.seen().requests < 2 {
        tokio::task::yield_now().await;
    }
    let mut fatal = dial(&running, PREDICT).await;
    running
        .ended
        .await
        .expect("no panic")
        .expect_err("it crashed");
    for client in at_work.iter_mut().chain([&mut fatal]) {
        // Closed or reset, but never answered.
        assert_eq!(client.read(&mut [0; 16]).await.unwrap_or(0), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_port_opens_when_the_load_time_is_over() {
    let args = args(&["--load-time", "9s"]);
    let model = SampleModel::new(&args).expect("the flags fit together");
    let loading = model.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(async move {
        let stopped = async { stopped.await.expect("told to stop") };
        load_and_serve(&loading, &args, stopped).await
    });
    sleep(8999 * MS).await;
    assert_eq!(model.seen().port, 0);
    advance(2 * MS).await;
    settle().await;
    assert_ne!(model.seen().port, 0);
    stop.send(()).expect("it runs");
    ended.await.expect("no panic").expect("a clean end");
}

#[tokio::test(start_paused = true)]
async fn a_crash_by_time_does_not_wait_for_the_load() {
    let begun = Instant::now();
    let crashed = run(args(&["--load-time", "9s", "--crash-after", "3s"])).await;
    assert!(
        crashed
            .expect_err("it crashed")
            .to_string()
            .contains("--crash-after")
    );
    assert_eq!(begun.elapsed().as_millis() / 50 * 50, 3000);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    Args::command().debug_assert();
    for flags in [
        &["--service-time-p99", "60ms"][..],
        &["--service-time", "90ms", "--service-time-p99", "60ms"][..],
    ] {
        let refused = SampleModel::new(&args(flags)).expect_err("it makes no sense");
        assert!(
            refused.to_string().contains("--service-time-p99 60ms"),
            "{refused}"
        );
    }
}

#[test]
fn a_server_that_ignores_its_port_takes_another() {
    let parse = |flags: &[&str]| Args::try_parse_from(flags).expect("right").wanted_port();
    assert_eq!(parse(&["sample-model", "--port", "8081"]), 8081);
    assert_eq!(
        parse(&["sample-model", "--port", "8081", "--ignore-port"]),
        0
    );
}

#[tokio::test]
async fn a_transformer_answers_what_its_predictor_says() {
    let predictor = model(&["--response-bytes", "99"]);
    let running = start(&predictor).await;
    let host = running.address.to_string();
    let transformer = model(&["--predictor_host", &host]);
    let answer = ask(&transformer, PREDICT, r#"{"instances":[]}"#).await;
    assert_eq!((answer.status, answer.body.len()), (200, 99));
    assert_eq!(
        (predictor.seen().requests, transformer.seen().requests),
        (1, 1)
    );
    running.stop.send(()).expect("it runs");
    running.ended.await.expect("no panic").expect("a clean end");
    let answer = ask(&transformer, PREDICT, "{}").await;
    assert_eq!(answer.status, 502, "{}", answer.body);
}
