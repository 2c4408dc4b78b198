//! Clients that speak HTTP/2: many exchanges on one connection, each with a life of its own.

use http::Version;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    Ask, Gate, Http2, get, ms, post, post_told, revision, secs, settle, telling, with,
};

#[tokio::test(start_paused = true)]
async fn many_requests_are_answered_at_once_on_one_connection() {
    let gate = Gate::warm(revision(4, 1..=1)).await;
    let client = Http2::to(&gate).await;
    let asked: Vec<_> = (0..12)
        .map(|n| client.asking(post("/?ms=1000", n)))
        .collect();
    let began = Instant::now();
    for (n, answer) in asked.into_iter().enumerate() {
        let answer = answer.await.expect("no panic");
        assert_eq!(
            (answer.code(), answer.text()),
            (200, &*format!("{n} bytes"))
        );
    }
    assert_eq!(began.elapsed(), secs(3), "four at a time");
    assert_eq!(gate.machine.most_inside(), 4);
    assert_eq!(gate.codes(), [(200, 12)].into());

    let seen = &gate.machine.seen()[0];
    assert_eq!(
        (seen.version, &*seen.target),
        (Version::HTTP_11, "/?ms=1000")
    );
    assert_eq!(seen.headers["host"], "m.example");
    assert_eq!(seen.headers["x-forwarded-host"], "m.example");
    assert_eq!(seen.headers["x-forwarded-for"], "10.0.0.9");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_ends_alone_and_its_slot_is_back() {
    let mut spec = revision(2, 1..=1);
    spec.timeouts.idle = Some(secs(20));
    let gate = Gate::warm(spec).await;
    // It takes little, and reads nothing of the first answer.
    let (client, _connection) = Http2::new(gate.server.clone(), 40_000).await;
    let (teller, told) = telling();
    tokio::spawn(async move { while teller.say(vec![b'x'; 10_000]).await {} });
    let untaken = client.send(post_told("/?echo", told)).await;
    let other = client.asking(get("/?chunks=60&gap=1000"));
    sleep(secs(19)).await;
    assert_eq!(gate.reading().running, 2, "within its budget it is kept");
    sleep(secs(2)).await;
    assert_eq!(gate.reading().running, 1, "its slot is back");

    let cut = untaken.into_body().collect().await;
    cut.expect_err("it looks cut");
    let other = other.await.expect("no panic");
    assert_eq!(other.text().matches("data: ").count(), 60);
    assert_eq!(client.ask(get("/")).await.code(), 200);
    settle().await;
    assert_eq!((gate.reading().running, gate.machine.at_work()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_slowly_goes_on_for_as_long_as_it_moves() {
    let mut spec = revision(1, 1..=1);
    spec.timeouts.idle = Some(secs(20));
    spec.timeouts.total = None;
    let gate = Gate::warm(spec).await;
    let (client, _connection) = Http2::new(gate.server.clone(), 20_000).await;
    let mut answer = client.send(post("/?echo", 1 << 20)).await.into_body();
    let (mut read, began) = (0, Instant::now());
    while let Some(frame) = answer.frame().await {
        let data = frame.expect("it is whole").into_data();
        let bytes = data.expect("there are no trailers").len();
        read += bytes;
        // Two thousand bytes a second.
        sleep(ms(bytes as u64 / 2)).await;
    }
    assert_eq!(read, 1 << 20);
    assert!(began.elapsed() > secs(500), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_reset_in_line_or_at_work_frees_its_place_alone() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let client = Http2::to(&gate).await;
    let running = client.asking(get("/?chunks=1000&gap=1000"));
    sleep(ms(10)).await;
    // A body that goes on while it waits, and one that is whole.
    let (teller, told) = telling();
    let gives_up = client.asking(post_told("/", told));
    assert!(teller.say("some").await);
    let gives_up_too = client.asking(post("/", 10));
    let waits = client.asking(post("/?ms=10", 10));
    sleep(ms(10)).await;
    assert_eq!((gate.reading().running, gate.reading().waiting), (1, 3));
    gives_up.abort();
    gives_up_too.abort();
    sleep(ms(10)).await;
    assert_eq!((gate.reading().running, gate.reading().waiting), (1, 1));
    running.abort();
    let answer = waits.await.expect("no panic");
    assert_eq!(answer.code(), 200);
    assert!(answer.took < ms(200), "{:?}", answer.took);
    assert_eq!(gate.machine.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_frees_the_places_of_all_its_streams() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let (client, connection) = Http2::new(gate.server.clone(), 1 << 20).await;
    let _running = client.asking(get("/?chunks=1000&gap=1000"));
    sleep(ms(10)).await;
    let _waits: Vec<_> = (0..5).map(|_| client.asking(post("/", 10))).collect();
    sleep(ms(10)).await;
    assert_eq!((gate.reading().running, gate.reading().waiting), (1, 5));
    connection.abort();
    sleep(ms(50)).await;
    assert_eq!((gate.reading().running, gate.reading().waiting), (0, 0));
    settle().await;
    assert_eq!(gate.machine.at_work(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_is_a_reset_stream_and_the_next_is_answered() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let client = Http2::to(&gate).await;
    let answer = client.ask(get("/?chunks=3&silent")).await;
    assert_eq!((answer.code(), answer.took), (200, secs(300)));
    answer.body.expect_err("it looks cut");
    let answer = client.ask(get("/?ms=10")).await;
    assert_eq!((answer.code(), answer.text()), (200, "0 bytes"));
}

#[tokio::test(start_paused = true)]
async fn bodies_that_wait_in_line_keep_no_room_from_those_that_run() {
    let mut spec = revision(1, 1..=1);
    spec.queue.read_ahead = 1000;
    let gate = Gate::warm(spec).await;
    let client = Http2::to(&gate).await;
    let (teller, told) = telling();
    let running = client.asking(post_told("/", told));
    assert!(teller.say("some").await);
    sleep(ms(10)).await;
    let waits: Vec<_> = (0..100)
        .map(|_| client.asking(post("/", 1 << 20)))
        .collect();
    sleep(ms(10)).await;
    assert_eq!(gate.reading().waiting, 100);
    for _ in 0..32 {
        assert!(teller.say(vec![b'x'; 64 * 1024]).await);
    }
    drop(teller);
    let running = timeout(secs(1), running).await.expect("it has room");
    assert_eq!(running.unwrap().text(), format!("{} bytes", (2 << 20) + 4));
    for answer in waits {
        assert_eq!(answer.await.unwrap().text(), format!("{} bytes", 1 << 20));
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_pass_in_both_directions_to_a_replica_of_http1() {
    for waits in [false, true] {
        let gate = Gate::new(revision(1, 0..=1), secs(if waits { 9 } else { 0 }));
        let client = Http2::to(&gate).await;
        let (teller, told) = telling();
        let mut request = post_told("/?echo", told);
        let headers = request.headers_mut();
        headers.insert("te", "trailers".parse().unwrap());
        headers.insert("trailer", "x-sum".parse().unwrap());
        let asked = tokio::spawn(async move { client.send(request).await });
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "3".parse().unwrap());
        teller.say("one").await;
        teller.trailers(trailers.clone()).await;
        drop(teller);
        let body = asked.await.unwrap().into_body().collect().await;
        let body = body.expect("a whole body");
        assert_eq!(body.trailers(), Some(&trailers));
        assert_eq!(body.to_bytes(), "one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_what_is_unused_and_lets_the_rest_finish() {
    let gate = Gate::warm(revision(2, 1..=1)).await;
    let (unused, unused_ends) = Http2::new(gate.server.clone(), 1 << 20).await;
    assert_eq!(unused.ask(get("/")).await.code(), 200);
    let (client, ends) = Http2::new(gate.server.clone(), 1 << 20).await;
    let running = client.asking(get("/?ms=5000"));
    sleep(ms(10)).await;
    gate.server.close();
    timeout(secs(1), unused_ends)
        .await
        .expect("it is ended")
        .unwrap();
    sleep(ms(10)).await;
    client.try_send(get("/")).await.expect_err("nothing new");
    assert_eq!(running.await.unwrap().code(), 200);
    timeout(secs(1), ends).await.expect("it is ended").unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_it_winds_down_a_connection_takes_one_more_request() {
    let gate = Gate::warm(revision(2, 1..=1)).await;
    let (client, ends) = Http2::new(gate.server.clone(), 1 << 20).await;
    assert_eq!(client.ask(get("/")).await.code(), 200);
    gate.server.wind_down();
    sleep(secs(5)).await;
    assert!(!ends.is_finished(), "what is not used is not touched");
    assert_eq!(client.ask(get("/?ms=100")).await.code(), 200);
    timeout(secs(1), ends).await.expect("it is ended").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_no_more_streams_than_it_may() {
    let gate = Gate::warm(revision(0, 1..=1)).await;
    let server = gate.server.clone().with_streams(3);
    let (client, _connection) = Http2::new(server, 1 << 20).await;
    settle().await;
    let asked: Vec<_> = (0..7).map(|_| client.asking(get("/?ms=1000"))).collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    assert_eq!(gate.machine.most_inside(), 3);
}

/// How long the gate keeps a client that says just this.
async fn kept(gate: &Gate, said: &[u8]) -> std::time::Duration {
    let (mut ours, theirs) = duplex(64 * 1024);
    let peer = holdgate::proxy::Client::new([10, 0, 0, 9].into(), None);
    tokio::spawn(gate.server.clone().serve(theirs, peer));
    ours.write_all(said).await.expect("it is heard");
    let began = Instant::now();
    let mut heard = Vec::new();
    timeout(secs(1000), ours.read_to_end(&mut heard))
        .await
        .expect("it is ended")
        .expect("a pipe");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_is_let_go() {
    let gate = Gate::warm(revision(0, 1..=1)).await;
    // Connections are looked at once a second.
    for begins in [&b""[..], b"PRI * HTTP/2.0\r\n", b"GET / HT"] {
        let kept_for = kept(&gate, begins).await;
        assert!((secs(30)..secs(32)).contains(&kept_for), "{kept_for:?}");
    }
    // The preface and empty settings, and then it is dead.
    let begins = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let kept_for = kept(&gate, begins).await;
    assert!((secs(59)..secs(62)).contains(&kept_for), "{kept_for:?}");

    // Once it drains, whoever has not begun has half a second.
    gate.server.close();
    assert_eq!(kept(&gate, b"").await, ms(500));
    assert_eq!(kept(&gate, b"PRI").await, ms(500));
}

/// A client of HTTP/2 that takes nothing leaves, in line or at work, and the others go on.
async fn an_untaken_answer_leaves(window: u32, load: std::time::Duration, request: fn() -> Ask) {
    let mut spec = revision(2, 0..=1);
    spec.timeouts.idle = Some(secs(20));
    spec.waiting.heartbeat = Some(secs(5));
    let gate = Gate::new(spec, load);
    let (client, _connection) = Http2::new(gate.server.clone(), window).await;
    let untaken = client.send(request()).await;
    assert_eq!(untaken.status(), 200);
    let waits = |gate: &Gate| gate.reading().waiting + gate.reading().running as usize;
    assert_eq!(waits(&gate), 1);
    sleep(secs(19)).await;
    assert_eq!(waits(&gate), 1, "within its budget it is kept");
    sleep(secs(30)).await;
    assert_eq!(waits(&gate), 0, "its place or slot is back");
    untaken
        .into_body()
        .collect()
        .await
        .expect_err("it looks cut");
    assert_eq!(client.ask(get("/")).await.code(), 200);
}

fn events(target: &str) -> Ask {
    with("accept", "text/event-stream", get(target))
}

#[tokio::test(start_paused = true)]
async fn heartbeats_that_are_not_taken_hold_no_place() {
    an_untaken_answer_leaves(30, secs(300), || events("/")).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_for_which_there_is_no_room_at_all_hold_no_place() {
    an_untaken_answer_leaves(0, secs(300), || events("/")).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_behind_heartbeats_that_is_not_taken_holds_no_slot() {
    an_untaken_answer_leaves(400, secs(7), || events("/?chunks=1000&gap=10&events")).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_any_heartbeat_that_is_not_taken_holds_no_slot() {
    an_untaken_answer_leaves(400, secs(0), || events("/?chunks=1000&gap=10&events")).await;
}
