//! Calls of gRPC, and replicas that speak HTTP/2.

use holdgate::revision::{OnDisconnect, Protocol};
use http::{HeaderMap, Version};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    Answer, Ask, Gate, Http2, get, ms, named, post, post_told, revision, secs, settle, telling,
};

/// The same request as a call.
pub(super) fn call(mut request: Ask) -> Ask {
    let headers = request.headers_mut();
    headers.insert(
        "content-type",
        "application/grpc+proto"
            .parse()
            .expect("as the scene has it"),
    );
    headers.insert("te", "trailers".parse().expect("as the scene has it"));
    request
}

fn trailers(status: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().expect("as the scene has it"));
    trailers
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_by_http2_on_one_connection_and_its_trailers_come_back() {
    let gate = Gate::new(revision(0, 0..=1), secs(9));
    let client = Http2::to(&gate).await;
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let (teller, told) = telling();
            tokio::spawn(async move {
                teller.say(format!("message {n}")).await;
                teller.trailers(trailers("0")).await;
            });
            let (client, request) = (client.clone(), call(post_told("/a.B/C?echo", told)));
            tokio::spawn(async move { client.send(request).await.into_body().collect().await })
        })
        .collect();
    for (n, body) in calls.into_iter().enumerate() {
        let body = body
            .await
            .expect("as the scene has it")
            .expect("a whole body");
        assert_eq!(body.trailers(), Some(&trailers("0")));
        assert_eq!(body.to_bytes(), format!("message {n}"));
    }
    assert_eq!(gate.machine.dialled(), 1, "they share one connection");
    let seen = &gate.machine.seen()[0];
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.target, "http://m.example/a.B/C?echo");
    assert_eq!(seen.headers["te"], "trailers");
    assert_eq!(seen.headers["x-forwarded-host"], "m.example");
    assert!(!seen.headers.contains_key("host"), "it is the authority");

    // What is no call goes as it did.
    assert_eq!(client.ask(get("/")).await.code(), 200);
    assert_eq!(gate.machine.seen()[50].version, Version::HTTP_11);
}

#[tokio::test(start_paused = true)]
async fn what_replicas_are_spoken_to_in_can_be_said() {
    for (protocol, of_a_call, of_others) in [
        (Protocol::Auto, Version::HTTP_2, Version::HTTP_11),
        (Protocol::Http1, Version::HTTP_11, Version::HTTP_11),
        (Protocol::H2c, Version::HTTP_2, Version::HTTP_2),
    ] {
        let mut spec = revision(1, 1..=1);
        spec.protocol = protocol;
        let gate = Gate::warm(spec).await;
        let client = Http2::to(&gate).await;
        for n in 0..3 {
            assert_eq!(
                client.ask(call(post("/", n))).await.text(),
                format!("{n} bytes")
            );
            assert_eq!(gate.ask(post("/", n)).await.text(), format!("{n} bytes"));
        }
        let seen = gate.machine.seen();
        for pair in seen.chunks(2) {
            assert_eq!((pair[0].version, pair[1].version), (of_a_call, of_others));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_client_gets_events_bodies_and_trailers_of_a_replica_of_http2() {
    let mut spec = revision(1, 1..=1);
    spec.protocol = Protocol::H2c;
    let gate = Gate::warm(spec).await;
    let answer = gate.ask(get("/?chunks=20&gap=1000")).await;
    assert_eq!(answer.text().matches("data: ").count(), 20);
    assert_eq!(answer.took, secs(19));
    let large = gate.ask(post("/?echo", 3 << 20)).await;
    assert_eq!(large.body.expect("it is whole").len(), 3 << 20);

    let (teller, told) = telling();
    tokio::spawn(async move {
        teller.say("one").await;
        teller
            .trailers(
                [("x-sum", "3")]
                    .map(|(n, v)| {
                        (
                            n.parse().expect("as the scene has it"),
                            v.parse().expect("as the scene has it"),
                        )
                    })
                    .into_iter()
                    .collect(),
            )
            .await;
    });
    let mut request = post_told("/?echo", told);
    request
        .headers_mut()
        .insert("te", "trailers".parse().expect("as the scene has it"));
    request
        .headers_mut()
        .insert("trailer", "x-sum".parse().expect("as the scene has it"));
    let body = gate
        .client()
        .await
        .send(request)
        .await
        .into_body()
        .collect()
        .await;
    let body = body.expect("a whole body");
    assert_eq!(body.trailers().expect("trailers")["x-sum"], "3");
    assert_eq!(gate.machine.dialled(), 1);
    assert_eq!(gate.reading().running, 0);
}

/// Three calls in both directions at a limit of two; returns once two are at work and the third waits.
struct Three {
    gate: Gate,
    client: Http2,
    tellers: Vec<crate::support::Teller>,
    bodies: Vec<hyper::body::Incoming>,
    third: tokio::task::JoinHandle<Answer>,
}

async fn three(on_disconnect: OnDisconnect) -> Three {
    let mut spec = revision(2, 1..=1);
    spec.on_disconnect = on_disconnect;
    let gate = Gate::warm(spec).await;
    let client = Http2::to(&gate).await;
    let (mut tellers, mut bodies) = (Vec::new(), Vec::new());
    for n in 0..2 {
        let (teller, told) = telling();
        teller.say("hello").await;
        let request = named(n, call(post_told("/?echo", told)));
        let mut body = client.send(request).await.into_body();
        let first = body.frame().await.expect("a message").expect("whole");
        assert_eq!(first.into_data().expect("as the scene has it"), "hello");
        tellers.push(teller);
        bodies.push(body);
    }
    let third = client.asking(named(2, call(post("/", 3))));
    sleep(secs(10)).await;
    assert!(!third.is_finished(), "it waits");
    assert_eq!(gate.machine.at_work(), 2);
    assert_eq!((gate.reading().running, gate.reading().waiting), (2, 1));
    Three {
        gate,
        client,
        tellers,
        bodies,
        third,
    }
}

impl Three {
    /// The slot is back: at the model server, and for the third.
    async fn third_is_served(self) {
        let answer = timeout(ms(100), self.third).await.expect("within 100 ms");
        assert_eq!(answer.expect("as the scene has it").text(), "3 bytes");
        settle().await;
        assert_eq!(
            (self.gate.machine.at_work(), self.gate.reading().running),
            (1, 1)
        );
        assert_eq!(self.gate.machine.most_inside(), 2);
        assert_eq!(self.gate.machine.dialled(), 1, "the connection lives on");
        let (mut others, tellers) = (self.bodies, self.tellers);
        let (mut other, teller) = (
            others.pop().expect("as the scene has it"),
            tellers.into_iter().last().expect("as the scene has it"),
        );
        assert!(teller.say("still here").await);
        let frame = other.frame().await.expect("a message").expect("whole");
        assert_eq!(
            frame.into_data().expect("as the scene has it"),
            "still here"
        );
        drop(teller);
        let rest = other.collect().await.expect("it ends in peace");
        assert_eq!(rest.to_bytes(), "");
        settle().await;
        assert_eq!(
            (self.gate.machine.at_work(), self.gate.reading().running),
            (0, 0)
        );
        drop(self.client);
    }
}

#[tokio::test(start_paused = true)]
async fn of_three_streams_at_a_limit_of_two_the_third_waits_until_a_client_resets_one() {
    for on_disconnect in [OnDisconnect::Auto, OnDisconnect::Release] {
        let mut three = three(on_disconnect).await;
        drop(three.bodies.remove(0));
        drop(three.tellers.remove(0));
        three.third_is_served().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_keeps_its_slot_until_the_other_half_ends() {
    // The client has said everything, and the server goes on.
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let client = Http2::to(&gate).await;
    let running = client.asking(call(post("/?chunks=31&gap=1000", 10)));
    sleep(ms(10)).await;
    let waits = client.asking(call(get("/")));
    sleep(secs(29)).await;
    assert!(!waits.is_finished());
    assert_eq!((gate.machine.at_work(), gate.reading().running), (1, 1));
    assert_eq!(running.await.expect("as the scene has it").code(), 200);
    let answer = timeout(ms(100), waits).await.expect("within 100 ms");
    assert_eq!(answer.expect("as the scene has it").code(), 200);

    // Half closed by the client, whose end the server answers with its own.
    let mut three = three(OnDisconnect::Auto).await;
    drop(three.tellers.remove(0));
    let rest = three.bodies.remove(0).collect().await;
    assert_eq!(rest.expect("it ends in peace").to_bytes(), "");
    three.third_is_served().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_resets_a_stream_frees_its_slot_alone_and_the_reset_is_passed_on() {
    let gate = Gate::warm(revision(2, 1..=1)).await;
    let client = Http2::to(&gate).await;
    // It begins to answer and then breaks the stream off.
    let mut broken = client
        .send(call(post("/?chunks=2&gap=10000&break", 1)))
        .await;
    let other = client.asking(call(get("/?chunks=40&gap=1000")));
    sleep(ms(10)).await;
    let third = client.asking(call(post("/", 3)));
    sleep(ms(9_000)).await;
    assert!(!third.is_finished() && gate.reading().running == 2);
    let began = Instant::now();
    let answer = third.await.expect("as the scene has it");
    assert_eq!(answer.text(), "3 bytes");
    assert!(began.elapsed() < ms(1_100), "{:?}", began.elapsed());
    let first = broken.body_mut().frame().await.expect("it begins");
    assert_eq!(
        first
            .expect("whole")
            .into_data()
            .expect("as the scene has it"),
        "data: 0\n\n"
    );
    let cut = broken.collect().await.expect("it ends in words");
    assert_eq!(cut.trailers().expect("trailers")["grpc-status"], "13");
    let other = other.await.expect("as the scene has it");
    assert_eq!(other.text().matches("data: ").count(), 40);
    assert_eq!(gate.machine.dialled(), 1, "the connection lives on");
    assert_eq!((gate.machine.at_work(), gate.reading().running), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_slot_of_a_caller_who_left_is_kept_until_the_replica_is_done() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let client = Http2::to(&gate).await;
    let leaves = client.asking(call(post("/?ms=5000&stubborn", 10)));
    sleep(ms(100)).await;
    let waits = client.asking(call(get("/?ms=10")));
    sleep(ms(100)).await;
    leaves.abort();
    sleep(secs(1)).await;
    assert_eq!((gate.machine.at_work(), gate.reading().running), (1, 1));
    let answer = waits.await.expect("as the scene has it");
    assert_eq!(answer.code(), 200);
    assert!(
        answer.took > secs(4) && answer.took < secs(6),
        "{:?}",
        answer.took
    );
    assert_eq!(gate.machine.most_inside(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_passed_on_less_what_was_waited_and_bounds_the_call() {
    let gate = Gate::new(revision(1, 0..=1), secs(9));
    let client = Http2::to(&gate).await;
    let mut request = call(post("/?ms=100000", 1));
    let timeout = "15S".parse().expect("as the scene has it");
    request.headers_mut().insert("grpc-timeout", timeout);
    let answer = client.ask(request).await;
    let seen = gate.machine.seen()[0].headers["grpc-timeout"].clone();
    let seen = seen
        .to_str()
        .expect("as the scene has it")
        .strip_suffix('u')
        .expect("microseconds");
    let left: u64 = seen.parse().expect("as the scene has it");
    assert!((5_000_000..6_000_000).contains(&left), "{left}");
    check(&answer, "4", "upstream_timeout");
    assert_eq!(answer.took.as_secs(), 15);
    assert_eq!(gate.codes(), [(504, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_calls_outlives_the_timeout_of_an_answer() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let client = Http2::to(&gate).await;
    let answer = client.ask(call(get("/?chunks=61&gap=60000&plain"))).await;
    assert_eq!(answer.took, secs(3600));
    assert_eq!(answer.text().matches("data: ").count(), 61);
    // And idleness ends one.
    let asked = Instant::now();
    let answer = client.send(call(get("/?chunks=3&silent&plain"))).await;
    let cut = answer.into_body().collect().await;
    assert_eq!(asked.elapsed(), secs(300));
    let cut = cut.expect("it ends in words");
    assert_eq!(cut.trailers().expect("trailers")["grpc-status"], "4");
}

/// A refusal as a caller of gRPC reads it.
fn check(answer: &Answer, status: &str, reason: &str) {
    assert_eq!(answer.code(), 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/grpc"));
    assert_eq!(answer.header("grpc-status"), Some(status), "{answer:?}");
    assert_eq!(answer.header("x-holdgate-reason"), Some(reason));
    assert!(answer.header("grpc-message").is_some_and(|m| !m.is_empty()));
    assert_eq!(answer.text(), "", "all of it is in the head");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_in_the_words_of_grpc() {
    let mut spec = revision(1, 1..=1);
    spec.queue.max_requests = 1;
    spec.queue.timeout = secs(5);
    spec.max_body_bytes = Some(1000);
    let gate = Gate::warm(spec).await;
    let client = Http2::to(&gate).await;
    let running = client.asking(call(get("/?ms=30000")));
    sleep(ms(10)).await;
    let waits = client.asking(call(get("/")));
    sleep(ms(10)).await;
    let full = client.ask(call(get("/"))).await;
    check(&full, "8", "queue_full");
    assert_eq!(full.header("grpc-message"), Some("the queue is full"));
    let pushback = full
        .header("grpc-retry-pushback-ms")
        .expect("it may come again");
    pushback.parse::<u64>().expect("milliseconds");
    assert!(full.header("retry-after").is_some());
    check(
        &waits.await.expect("as the scene has it"),
        "4",
        "queue_timeout",
    );
    let large = client.ask(call(post("/", 2000))).await;
    check(&large, "8", "body_too_large");
    assert_eq!(large.header("grpc-retry-pushback-ms"), None);
    assert_eq!(running.await.expect("as the scene has it").code(), 200);
    check(
        &client.ask(call(get("/?reset"))).await,
        "13",
        "upstream_reset",
    );
    assert_eq!(
        gate.codes(),
        [(200, 1), (413, 1), (429, 1), (502, 1), (504, 1)].into()
    );

    let nobody = Gate::empty();
    let client = Http2::to(&nobody).await;
    check(&client.ask(call(get("/a.B/C"))).await, "12", "no_route");
    // Others are told as before.
    assert_eq!(client.ask(get("/")).await.code(), 404);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_being_sent_ends_with_the_answer_that_did_not_wait_for_it() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let client = Http2::to(&gate).await;
    let (teller, told) = telling();
    assert!(teller.say("some").await);
    // The replica answers at once, and would read on for ever.
    let answer = client.ask(call(post_told("/?early", told))).await;
    assert_eq!(answer.text(), "early");
    sleep(ms(100)).await;
    assert!(!teller.say("more").await || !teller.say("and more").await);
    timeout(ms(100), teller.closed())
        .await
        .expect("nobody listens");
    assert_eq!(gate.reading().running, 0);
    assert_eq!(client.ask(call(get("/"))).await.code(), 200);
    assert_eq!(gate.machine.dialled(), 1, "the connection lives on");
}
