//! Bodies in both directions, and the budgets of an answer.

use http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};

use crate::support::{Gate, get, ms, post, post_told, revision, secs, settle, telling};

#[tokio::test(start_paused = true)]
async fn every_event_arrives_before_the_next_is_made_even_after_a_cold_start() {
    let gate = Gate::new(revision(1, 0..=1), secs(90));
    let mut client = gate.client().await;
    let mut body = client
        .send(get("/?ms=100&chunks=50&gap=1000"))
        .await
        .into_body();
    let first = Instant::now();
    for n in 0..50 {
        let frame = body
            .frame()
            .await
            .expect("it goes on")
            .expect("it is whole");
        assert_eq!(frame.into_data().unwrap(), format!("data: {n}\n\n"));
        assert_eq!(first.elapsed(), secs(n));
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_an_hour_outlives_the_timeout_of_an_answer() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let answer = gate.ask(get("/?chunks=61&gap=60000")).await;
    assert_eq!(answer.took, secs(3600));
    assert_eq!(answer.text().matches("data: ").count(), 61);

    // What is no event stream may take as long as an answer may.
    let answer = gate.ask(get("/?chunks=61&gap=60000&plain")).await;
    assert_eq!((answer.code(), answer.took), (200, secs(300)));
    answer.body.expect_err("it looks cut");
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_a_budget_of_its_own_where_one_is_set() {
    let mut spec = revision(1, 1..=1);
    spec.timeouts.total = Some(secs(5));
    spec.timeouts.stream = Some(secs(60));
    let gate = Gate::warm(spec).await;
    let answer = gate.ask(get("/?chunks=1000&gap=1000")).await;
    assert_eq!(answer.took, secs(60));
    answer.body.expect_err("it looks cut");
    settle().await;
    assert_eq!((gate.reading().running, gate.machine.at_work()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_cut_and_looks_cut() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let answer = gate.ask(get("/?chunks=3&silent")).await;
    assert_eq!((answer.code(), answer.took), (200, secs(300)));
    answer.body.expect_err("it looks cut");
    settle().await;
    assert_eq!((gate.reading().running, gate.machine.at_work()), (0, 0));
    assert_eq!(gate.ask(get("/?ms=10")).await.code(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_of_an_old_server_looks_cut_too() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let answer = gate.ask(get("/?chunks=3&silent&old")).await;
    assert_eq!((answer.code(), answer.took), (200, secs(300)));
    answer.body.expect_err("it looks cut");
}

#[tokio::test(start_paused = true)]
async fn a_load_of_six_minutes_answers_the_request_that_woke_it() {
    let gate = Gate::new(revision(1, 0..=1), secs(370));
    let woke = gate.asking(get("/?ms=290000"));
    settle().await;
    let next = gate.asking(get("/?ms=10"));
    let woke = woke.await.unwrap();
    assert_eq!(woke.code(), 200);
    assert!(
        woke.took > secs(660) && woke.took < secs(661),
        "{:?}",
        woke.took
    );

    // From the moment a replica was ready, the other one had sixty seconds.
    let next = next.await.unwrap();
    assert_eq!(next.header("x-holdgate-reason"), Some("queue_timeout"));
    assert!(
        next.took >= secs(430) && next.took < secs(431),
        "{:?}",
        next.took
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_streams_up_and_down_at_once_with_its_trailers() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let (teller, told) = telling();
    let mut request = post_told("/?echo", told);
    request
        .headers_mut()
        .insert("te", "trailers".parse().unwrap());
    request
        .headers_mut()
        .insert("trailer", "x-sum".parse().unwrap());
    let mut client = gate.client().await;
    teller.say("one").await;
    let mut body = client.send(request).await.into_body();
    for word in ["one", "two", "three"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
        match word {
            "one" => assert!(teller.say("two").await),
            "two" => assert!(teller.say("three").await),
            _ => {}
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "3".parse().unwrap());
    assert!(teller.trailers(trailers.clone()).await);
    drop(teller);
    let frame = body.frame().await.expect("trailers").unwrap();
    assert_eq!(frame.into_trailers().unwrap(), trailers);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn trailers_of_a_request_that_waited_are_sent_too() {
    let gate = Gate::new(revision(1, 0..=1), secs(9));
    let (teller, told) = telling();
    let mut request = post_told("/?echo", told);
    request
        .headers_mut()
        .insert("te", "trailers".parse().unwrap());
    request
        .headers_mut()
        .insert("trailer", "x-sum".parse().unwrap());
    let asked = tokio::spawn({
        let client = gate.client();
        async move { client.await.send(request).await.into_body().collect().await }
    });
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "3".parse().unwrap());
    teller.say("one").await;
    teller.trailers(trailers.clone()).await;
    drop(teller);
    let body = asked.await.unwrap().expect("a whole body");
    assert_eq!(body.trailers(), Some(&trailers));
    assert_eq!(body.to_bytes(), "one");
}

#[tokio::test(start_paused = true)]
async fn a_large_body_is_read_ahead_no_further_than_allowed_and_then_streams() {
    let mut spec = revision(1, 1..=1);
    spec.queue.read_ahead = 256 << 10;
    let gate = Gate::warm(spec).await;
    let running = gate.asking(get("/?ms=10000"));
    settle().await;
    let large = gate.asking(post("/", 8 << 20));
    settle().await;
    let held = gate.reading().waiting_bytes;
    assert!(
        (256 << 10..512 << 10).contains(&held),
        "{held} bytes are held"
    );
    assert_eq!(running.await.unwrap().code(), 200);
    assert_eq!(large.await.unwrap().text(), format!("{} bytes", 8 << 20));
    assert_eq!(gate.reading().waiting_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_body_is_not_gathered_before_it_is_sent_on() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let (teller, told) = telling();
    let mut client = gate.client().await;
    teller.say(vec![0; 1000]).await;
    let mut body = client.send(post_told("/?echo", told)).await.into_body();
    let mut sent = 1000;
    let mut heard = 0;
    while sent < 4 << 20 {
        let frame = body.frame().await.unwrap().unwrap();
        heard += frame.into_data().unwrap().len();
        if heard == sent {
            sent += 1000;
            assert!(teller.say(vec![0; 1000]).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_slowly_is_not_silent() {
    let mut spec = revision(1, 1..=1);
    spec.timeouts.total = None;
    spec.timeouts.idle = Some(secs(10));
    let gate = Gate::warm(spec).await;
    let (teller, told) = telling();
    let asked = gate.asking(post_told("/", told));
    for _ in 0..20 {
        teller.say("word").await;
        sleep(secs(8)).await;
    }
    drop(teller);
    assert_eq!(asked.await.unwrap().text(), "80 bytes");

    // One that stops is.
    let (teller, told) = telling();
    let asked = gate.asking(post_told("/", told));
    teller.say("word").await;
    let answer = asked.await.unwrap();
    assert_eq!((answer.code(), answer.took), (504, secs(10)));
    drop(teller);
    sleep(ms(1)).await;
    assert_eq!(gate.reading().running, 0);
}
