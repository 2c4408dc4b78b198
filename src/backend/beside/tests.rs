//! What a sidecar sees of its model server, under a clock that jumps.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::*;
use crate::admission::{Back, Terms};
use crate::ports::{ReplicaState, World};
use crate::revision::{ContainerConcurrency, Endpoint, QueueLimits, QueueOrder};
use crate::sync::now;
use crate::throttler::{Arrival, Throttler};

/// Tells what it is told to see, the last thing for ever, and counts the looks.
#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<(VecDeque<bool>, u32)>>);

impl Script {
    fn seeing(seen: impl IntoIterator<Item = bool>) -> Self {
        let script = Self::default();
        script.0.lock().0.extend(seen);
        script
    }

    fn sees(&self, ready: bool) {
        self.0.lock().0 = [ready].into();
    }

    fn looks(&self) -> u32 {
        self.0.lock().1
    }
}

impl Looker for Script {
    async fn look(&self, check: &Check) -> Verdict {
        sleep(Duration::from_millis(1)).await;
        let mut inside = self.0.lock();
        inside.1 += 1;
        let seen = match inside.0.len() {
            0 => check.at.port() == 1,
            1 => inside.0[0],
            _ => inside.0.pop_front().unwrap_or_default(),
        };
        if seen { Ok(()) } else { Err("not yet".into()) }
    }
}

const MS: fn(u64) -> Duration = Duration::from_millis;

fn check(period: Duration, successes: u32) -> Check {
    Check {
        how: How::Tcp,
        at: ([127, 0, 0, 1], 1).into(),
        period,
        timeout: MS(100),
        successes,
        failures: 3,
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggressive_probe_wants_so_many_passes_in_a_row() {
    let table: [(&[bool], u32, u32); 4] = [
        (&[true], 1, 1),
        (&[false, false, true], 1, 3),
        (&[true], 3, 3),
        (&[true, true, false, true], 3, 6),
    ];
    for (seen, successes, looks) in table {
        let script = Script::seeing(seen.iter().copied());
        let questions = Questions::new(script.clone(), vec![check(Duration::ZERO, successes)]);
        assert_eq!(questions.ask().await, Ok(()));
        assert_eq!(script.looks(), looks, "{seen:?} {successes}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggressive_probe_gives_up_after_ten_seconds_and_another_after_one_look() {
    let begun = Instant::now();
    let script = Script::seeing([false]);
    let aggressive = Questions::new(script.clone(), vec![check(Duration::ZERO, 1)]);
    assert_eq!(aggressive.ask().await, Err("not yet".into()));
    assert_eq!(begun.elapsed(), LONGEST);
    assert!((190..=200).contains(&script.looks()), "{}", script.looks());
    let script = Script::seeing([false]);
    let plain = Questions::new(script.clone(), vec![check(MS(10_000), 1)]);
    assert_eq!(plain.ask().await, Err("not yet".into()));
    assert_eq!(script.looks(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_somebody_does_shares_the_answer() {
    let script = Script::seeing([true]);
    let questions = Questions::new(script.clone(), vec![check(Duration::ZERO, 3)]);
    let asks = (0..100).map(|_| {
        let questions = Arc::clone(&questions);
        async move { questions.ask().await }
    });
    let all: JoinSet<Verdict> = asks.collect();
    assert!(all.join_all().await.iter().all(Result::is_ok));
    assert_eq!(script.looks(), 3);
}

#[tokio::test(start_paused = true)]
async fn of_several_containers_all_have_to_be_ready() {
    let other = |port| Check {
        at: ([127, 0, 0, 1], port).into(),
        ..check(MS(1000), 1)
    };
    let of = |ports: [u16; 2]| Questions::new(Script::default(), ports.map(other).to_vec());
    assert_eq!(of([1, 1]).ask().await, Ok(()));
    assert_eq!(of([2, 1]).ask().await, Err("not yet".into()));
    assert_eq!(of([1, 2]).ask().await, Err("not yet".into()));
}

/// A model server that is looked at, and the line in front of it.
fn beside(script: &Script) -> (Arc<Throttler<()>>, watch::Receiver<World>) {
    let queue = QueueLimits {
        max_requests: 10,
        max_bytes: 0,
        timeout: MS(60_000),
        cold_timeout: MS(60_000),
        read_ahead: 0,
        order: QueueOrder::Fifo,
    };
    let throttler = Throttler::new(ContainerConcurrency::new(1), queue);
    let questions = Questions::new(script.clone(), vec![check(Duration::ZERO, 1)]);
    let endpoint = Endpoint(([127, 0, 0, 1], 1).into());
    let beside = Beside::new(questions, endpoint, None);
    let world = beside.world();
    tokio::spawn(beside.follow(Arc::clone(&throttler)));
    (throttler, world)
}

fn state(world: &watch::Receiver<World>) -> ReplicaState {
    world.borrow().replicas[0].state
}

#[tokio::test(start_paused = true)]
async fn it_takes_requests_while_it_is_ready_and_one_bad_look_is_none() {
    let script = Script::seeing([false]);
    let (_throttler, mut world) = beside(&script);
    sleep(MS(3000)).await;
    assert_eq!(state(&world), ReplicaState::Starting);
    script.sees(true);
    sleep(MS(60)).await;
    assert_eq!(state(&world), ReplicaState::Ready);
    sleep(MS(5000)).await;
    script.0.lock().0 = [false, false, true].into();
    world.mark_unchanged();
    sleep(MS(5000)).await;
    assert!(!world.has_changed().expect("it is followed"));
    assert_eq!(state(&world), ReplicaState::Ready);
    script.sees(false);
    sleep(MS(5000)).await;
    assert_eq!(state(&world), ReplicaState::Starting);
    script.sees(true);
    sleep(MS(60)).await;
    assert_eq!(state(&world), ReplicaState::Ready);
}

#[tokio::test(start_paused = true)]
async fn one_bad_look_is_enough_where_a_request_could_not_reach_it_either() {
    let script = Script::seeing([true]);
    let (throttler, world) = beside(&script);
    sleep(MS(60)).await;
    throttler.follow(&world.borrow());
    let reached = || {
        let Arrival::Admitted(permit) = throttler.arrive(0) else {
            panic!("there is a slot");
        };
        permit
    };
    let back = Back {
        bytes: 0,
        terms: Terms::default(),
        since: now(),
    };
    drop(reached());
    script.sees(false);
    let again = reached().rebuffed(back);
    sleep(MS(10)).await;
    assert_eq!(state(&world), ReplicaState::Starting);
    drop(again);
}

/// Answers one connection with these bytes and tells what it was asked.
async fn server(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody asks");
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).await.expect("something");
        stream.write_all(answer.as_bytes()).await.expect("it reads");
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    (at, asked)
}

#[tokio::test]
async fn over_http_two_hundred_to_399_pass_and_the_probes_headers_are_sent() {
    for (answer, passes) in [
        ("200 OK", true),
        ("399 X", true),
        ("404 No", false),
        ("500 No", false),
    ] {
        let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        let (at, asked) = server(text.leak()).await;
        let headers = vec![(
            "x-a".parse().expect("a name"),
            "b".parse().expect("a value"),
        )];
        let path = "/up?q=1".to_owned();
        let http = Check {
            how: How::Http { path, headers },
            at,
            timeout: MS(10_000),
            ..check(MS(1000), 1)
        };
        let verdict = Questions::new(NetLooker, vec![http]).ask().await;
        assert_eq!(verdict.is_ok(), passes, "{answer}: {verdict:?}");
        let asked = asked.await.expect("no panic");
        assert!(asked.starts_with("GET /up?q=1 HTTP/1.1\r\n"), "{asked}");
        assert!(
            asked.contains("x-a: b") && asked.contains("user-agent: kube-probe/"),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn over_grpc_the_health_service_decides() {
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    for (status, passes) in [(1_u8, true), (2, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("somebody asks");
            let service = hyper::service::service_fn(
                move |request: http::Request<hyper::body::Incoming>| async move {
                    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                    let asked = request.into_body().collect().await?.to_bytes();
                    assert_eq!(&asked[..], b"\0\0\0\0\x03\x0a\x01s");
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().expect("a value"));
                    let body = Full::new(bytes::Bytes::from(vec![0, 0, 0, 0, 2, 8, status]));
                    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
                    Ok::<_, hyper::Error>(http::Response::new(body))
                },
            );
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        let grpc = Check {
            how: How::Grpc {
                service: "s".into(),
            },
            at,
            timeout: MS(10_000),
            ..check(MS(1000), 1)
        };
        let verdict = Questions::new(NetLooker, vec![grpc]).ask().await;
        assert_eq!(verdict.is_ok(), passes, "{verdict:?}");
    }
}
