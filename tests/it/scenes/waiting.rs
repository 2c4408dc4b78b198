//! What those hear who wait for long, where somebody wants them to.

use std::time::Duration;

use holdgate::revision::RevisionSpec;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};

use crate::support::{
    Ask, Gate, Start, defaults, get, ms, post_text, post_told, process, revision, secs, settle,
    telling, with,
};

const CHAT: &str = "/v1/chat/completions";
const STREAM: &str = r#"{"model":"m","stream":true}"#;

fn hearing(replicas: std::ops::RangeInclusive<u32>) -> RevisionSpec {
    let mut spec = revision(1, replicas);
    spec.waiting.heartbeat = Some(secs(10));
    spec.waiting.keep_alive = Some(secs(15));
    spec
}

fn events(request: Ask) -> Ask {
    with("accept", "text/event-stream", request)
}

fn browser(request: Ask) -> Ask {
    with(
        "accept",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        request,
    )
}

/// The next piece of a body, and when it came; `Err` where it is cut.
async fn next(body: &mut Incoming) -> Option<Result<String, ()>> {
    let frame = body.frame().await?;
    Some(frame.map_err(drop).map(|frame| {
        let data = frame.into_data().expect("no trailers");
        String::from_utf8(data.into()).expect("text")
    }))
}

#[tokio::test(start_paused = true)]
async fn a_browser_sees_a_page_while_the_model_it_asked_for_starts_and_then_the_model() {
    let mut spec = revision(1, 0..=1);
    spec.waiting.page = true;
    let gate = Gate::new(spec, secs(370));
    let began = Instant::now();
    let mut pages = 0;
    let answer = loop {
        let answer = gate.ask(browser(get("/"))).await;
        if answer.code() == 200 {
            break answer;
        }
        pages += 1;
        assert_eq!((answer.code(), answer.took), (503, ms(0)));
        assert_eq!(answer.header("x-holdgate-reason"), Some("cold_start"));
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(
            answer.header("retry-after"),
            Some("5"),
            "nothing was measured"
        );
        assert!(answer.text().contains("m is starting"), "{}", answer.text());
        assert!(
            answer
                .text()
                .contains("http-equiv=\"refresh\" content=\"5\"")
        );
        // One stands in line for all who look.
        sleep(secs(5)).await;
        assert_eq!(gate.machine.launched().len(), 1);
        assert!(gate.reading().waiting <= 1, "one for all");
    };
    assert_eq!(answer.text(), "0 bytes");
    assert!(began.elapsed() < secs(376), "{:?}", began.elapsed());
    assert!(pages > 70, "{pages}");
    assert_eq!((gate.reading().waiting, gate.reading().running), (0, 0));
    assert_eq!(gate.machine.terminated(), []);
}

#[tokio::test(start_paused = true)]
async fn the_page_tells_how_long_starts_were_measured_to_take() {
    let mut spec = revision(1, 0..=1);
    spec.waiting.page = true;
    let gate = Gate::new(spec, secs(40));
    assert_eq!(gate.ask(get("/")).await.code(), 200);
    gate.until(|gate| gate.machine.running().is_empty()).await;
    sleep(secs(30)).await;
    gate.ask(browser(get("/"))).await;
    sleep(secs(10)).await;
    let page = gate.ask(browser(get("/"))).await;
    assert!(
        page.text().contains("The model is being loaded"),
        "{}",
        page.text()
    );
    let wait: u64 = page
        .header("retry-after")
        .expect("a header")
        .parse()
        .expect("a number");
    assert!((28..=31).contains(&wait), "{wait}");
    assert!(
        page.text().contains(&format!("about {wait} seconds")),
        "{}",
        page.text()
    );
}

#[tokio::test(start_paused = true)]
async fn once_nobody_looks_any_more_nobody_stands_in_line() {
    let mut spec = revision(1, 0..=1);
    spec.waiting.page = true;
    let gate = Gate::new(spec, secs(300));
    gate.ask(browser(get("/"))).await;
    sleep(secs(14)).await;
    assert_eq!(gate.reading().waiting, 1);
    sleep(secs(2)).await;
    assert_eq!(gate.reading().waiting, 0);
    gate.until(|gate| gate.machine.running().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn no_page_is_shown_to_programs_nor_to_those_who_wait_for_a_slot() {
    let mut spec = revision(1, 0..=1);
    spec.waiting.page = true;
    let gate = Gate::new(spec, secs(9));
    assert_eq!(gate.ask(get("/?ms=100")).await.text(), "0 bytes");
    let running = gate.asking(get("/?ms=30000"));
    settle().await;
    let answer = gate.ask(browser(get("/"))).await;
    assert_eq!((answer.code(), answer.text()), (200, "0 bytes"));
    assert!(answer.took > secs(29));
    assert_eq!(running.await.expect("no panic").code(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_hears_how_it_fares_until_its_events_come() {
    let gate = Gate::new(hearing(0..=1), secs(45));
    let first = gate.asking(get("/?ms=1000"));
    settle().await;
    let asked = Instant::now();
    let mut client = gate.client().await;
    let request = events(get("/?chunks=3&gap=1000"));
    let response = client.send(request).await;
    assert_eq!(
        (response.status().as_u16(), asked.elapsed()),
        (200, secs(10))
    );
    let header = |name| response.headers()[name].to_str().expect("text");
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("cache-control"), "no-cache, no-transform");
    assert_eq!(header("x-accel-buffering"), "no");
    let mut body = response.into_body();
    for n in 1..=4 {
        let said = next(&mut body)
            .await
            .expect("it goes on")
            .expect("it is whole");
        assert_eq!(said, ": holdgate phase=load position=2\n\n");
        assert_eq!(asked.elapsed(), secs(10 * n));
    }
    for n in 0..3 {
        let said = next(&mut body).await;
        assert_eq!(said, Some(Ok(format!("data: {n}\n\n"))));
    }
    assert_eq!(next(&mut body).await, None);
    assert_eq!(first.await.expect("no panic").code(), 200);
    settle().await;
    assert_eq!(gate.codes(), [(200, 2)].into());
    assert_eq!((gate.reading().running, gate.machine.most_inside()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_tell_what_was_measured_and_where_one_stands() {
    let gate = Gate::new(hearing(0..=1), secs(45));
    assert_eq!(gate.ask(get("/?ms=20000")).await.code(), 200);
    gate.until(|gate| gate.machine.running().is_empty()).await;
    sleep(secs(30)).await;
    let first = gate.asking(get("/?ms=20000"));
    settle().await;
    let mut client = gate.client().await;
    let mut body = client
        .send(events(get("/?ms=14000&chunks=1")))
        .await
        .into_body();
    let mut heard = Vec::new();
    while let Some(said) = next(&mut body).await {
        heard.push(said.expect("it is whole"));
    }
    let starts = |with: &str| heard.iter().filter(|h| h.starts_with(with)).count();
    assert_eq!(
        starts(": holdgate phase=load position=2 estimate="),
        4,
        "{heard:?}"
    );
    assert_eq!(
        starts(": holdgate phase=queue position=1 estimate="),
        2,
        "{heard:?}"
    );
    assert_eq!(starts(": holdgate phase=answer\n\n"), 1, "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("data: 0\n\n"));
    assert_eq!(first.await.expect("no panic").code(), 200);
}

#[tokio::test(start_paused = true)]
async fn who_is_served_in_time_hears_nothing_but_the_model() {
    let gate = Gate::new(hearing(0..=1), secs(8));
    let answer = gate.ask(events(get("/?chunks=2"))).await;
    assert_eq!(answer.text(), "data: 0\n\ndata: 1\n\n");
    assert_eq!(answer.header("x-holdgate-cold-start"), Some("true"));
    let answer = gate
        .ask(post_text("/v1/completions?json&status=400", "{}"))
        .await;
    assert_eq!((answer.code(), answer.text()), (400, r#"{"bytes":2}"#));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_asks_for_a_stream_is_heard_and_others_hear_blanks() {
    let gate = Gate::new(hearing(0..=1), secs(45));
    let request = with(
        "content-type",
        "application/json",
        post_text(&format!("{CHAT}?chunks=1"), STREAM),
    );
    let stream = gate.asking(request);
    let plain = gate.asking(post_text(&format!("{CHAT}?json"), r#"{"model":"m"}"#));
    let stream = stream.await.expect("no panic");
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert!(
        stream.text().starts_with(": holdgate phase=load position="),
        "{}",
        stream.text()
    );
    assert!(stream.text().ends_with("data: 0\n\n"), "{}", stream.text());
    let plain = plain.await.expect("no panic");
    assert_eq!(plain.header("content-type"), Some("application/json"));
    assert_eq!(plain.text(), format!("   {}", r#"{"bytes":13}"#));
    assert_eq!(plain.json()["bytes"], 13);
    // What they could not say any more, they do not ask for.
    let packed = |s: &crate::support::Seen| s.headers["accept-encoding"] != "identity";
    assert!(!gate.machine.seen().iter().any(packed));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_comes_too_late_for_a_status_is_an_error_and_a_cut() {
    let mut spec = hearing(0..=1);
    spec.queue.cold_timeout = secs(32);
    let gate = Gate::new(spec, secs(1000));
    let stream = gate.asking(events(get("/")));
    let plain = gate.asking(post_text(CHAT, "{}"));
    let mut client = gate.client().await;
    let mut body = client.send(events(get("/"))).await.into_body();
    let mut heard = Vec::new();
    let cut = loop {
        match next(&mut body).await {
            Some(Ok(said)) => heard.push(said),
            other => break other,
        }
    };
    assert_eq!(cut, Some(Err(())), "it looks cut");
    let error = heard.last().expect("something was said");
    let error = error
        .strip_prefix("event: error\ndata: ")
        .expect("an event");
    let error: serde_json::Value = serde_json::from_str(error.trim()).expect("JSON");
    assert_eq!(error["error"]["code"], "cold_start_timeout");
    assert_eq!(heard.len(), 4, "{heard:?}");
    for answer in [stream, plain] {
        let answer = answer.await.expect("no panic");
        assert_eq!(answer.code(), 200);
        answer.body.expect_err("it looks cut");
    }
    settle().await;
    assert_eq!(gate.codes(), [(504, 3)].into());
    assert_eq!(gate.stats().rejections.read(), [("cold_start_timeout", 3)]);
    assert_eq!(gate.reading().waiting, 0);
}

/// What is said of an answer that is not what was begun, before it is cut.
async fn said_of(target: &str, request: impl Fn(Ask) -> Ask) -> String {
    let gate = Gate::new(hearing(0..=1), secs(45));
    let mut client = gate.client().await;
    let mut body = client
        .send(request(post_text(target, "{}")))
        .await
        .into_body();
    let mut heard = String::new();
    while let Some(said) = next(&mut body).await {
        if let Ok(said) = said {
            heard += &said;
        } else {
            settle().await;
            assert_eq!((gate.reading().running, gate.machine.at_work()), (0, 0));
            return heard;
        }
    }
    panic!("it looks whole: {heard}")
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_stream_after_all_is_an_error_and_a_cut() {
    for target in ["/?json", "/?json&status=400", "/?chunks=2&plain", "/?reset"] {
        let heard = said_of(target, events).await;
        let (_, error) = heard.rsplit_once("event: error\ndata: ").expect("an error");
        let error: serde_json::Value = serde_json::from_str(error.trim()).expect("JSON");
        assert!(error["error"]["message"].is_string(), "{error}");
    }
    for target in ["/?chunks=1", "/v1/completions?json&status=500"] {
        let json = |request| with("content-type", "application/json", request);
        let heard = said_of(target, json).await;
        let error: serde_json::Value = serde_json::from_str(&heard).expect("JSON");
        assert!(error["error"]["message"].is_string(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_behind_heartbeats_looks_cut() {
    let gate = Gate::new(hearing(0..=1), secs(45));
    let asked = gate.asking(events(get("/?chunks=3&silent")));
    sleep(secs(60)).await;
    for process in gate.machine.running() {
        process.kill();
    }
    let answer = asked.await.expect("no panic");
    assert_eq!(answer.code(), 200);
    answer.body.expect_err("it looks cut");
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_behind_a_heartbeat_leaves_its_place_or_slot() {
    let gate = Gate::new(hearing(0..=1), secs(45));
    let mut client = gate.client().await;
    let response = client.send(events(get("/"))).await;
    assert_eq!(gate.reading().waiting, 1);
    drop((response, client));
    settle().await;
    assert_eq!(
        (gate.reading().waiting, gate.codes()),
        (0, [(499, 1)].into())
    );

    // With a slot, while nothing was answered: the replica keeps it as long as it works.
    let mut client = gate.client().await;
    let response = client.send(events(get("/?ms=60000&stubborn"))).await;
    gate.until(|gate| gate.machine.at_work() == 1).await;
    drop((response, client));
    sleep(ms(1)).await;
    assert_eq!((gate.reading().running, gate.machine.at_work()), (1, 1));
    gate.until(|gate| gate.machine.at_work() == 0).await;
    sleep(ms(20)).await;
    assert_eq!(
        (gate.reading().running, gate.codes()),
        (0, [(499, 2)].into())
    );
}

#[tokio::test(start_paused = true)]
async fn every_event_is_confirmed_before_the_next_is_made() {
    let cold = |heartbeat: Option<Duration>| {
        let mut spec = revision(1, 0..=1);
        spec.waiting.heartbeat = heartbeat;
        Gate::new(spec, secs(45))
    };
    let warm = Gate::warm(revision(1, 1..=1)).await;
    for gate in [warm, cold(None), cold(Some(secs(10)))] {
        let (teller, told) = telling();
        let mut client = gate.client().await;
        assert!(teller.say("data: 0\n\n").await);
        let request = events(post_told("/?echo&events", told));
        let mut body = client.send(request).await.into_body();
        for n in 0..1000 {
            let said = loop {
                let said = next(&mut body).await.expect("it goes on").expect("whole");
                if !said.starts_with(": holdgate ") {
                    break said;
                }
            };
            assert_eq!(said, format!("data: {n}\n\n"));
            // The replica says what it hears next: this event was not behind the one before.
            assert!(teller.say(format!("data: {}\n\n", n + 1)).await);
        }
        drop(teller);
        assert_eq!(next(&mut body).await, Some(Ok("data: 1000\n\n".to_owned())));
        assert_eq!(next(&mut body).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_place_of_each_who_waits_is_reported() {
    let gate = Gate::new(revision(1, 0..=1), secs(45));
    let mut asked = Vec::new();
    for n in 0..3 {
        asked.push(gate.asking(get(&format!("/{n}?ms=1000"))));
        settle().await;
    }
    let places = async || {
        let report = gate.report("/revisions/m").await;
        let visits = report["oldestRequests"].as_array().expect("a list").clone();
        let place = |visit: &serde_json::Value| {
            let place = visit["queuePosition"].as_u64();
            (visit["request"].as_str().expect("text").to_owned(), place)
        };
        visits.iter().map(place).collect::<Vec<_>>()
    };
    let named = |n: u32, place| (format!("GET /{n}"), place);
    assert_eq!(
        places().await,
        [named(0, Some(1)), named(1, Some(2)), named(2, Some(3))]
    );
    drop(asked.remove(0));
    settle().await;
    assert_eq!(places().await, [named(1, Some(1)), named(2, Some(2))]);
    gate.until(|gate| gate.machine.at_work() == 1).await;
    assert_eq!(places().await, [named(1, None), named(2, Some(1))]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_told_to_those_who_hear() {
    let mut gate = Gate::empty();
    let mut spec = hearing(0..=1);
    spec.scaling.failed_starts = 1;
    gate.machine.next([Start::CrashAfter(secs(30))]);
    gate.add(spec, process(secs(45)));
    let mut client = gate.client().await;
    let mut body = client.send(events(get("/"))).await.into_body();
    let mut heard = String::new();
    while let Some(Ok(said)) = next(&mut body).await {
        heard += &said;
    }
    assert!(heard.contains("event: error\ndata: "), "{heard}");
    assert!(heard.contains(r#""code":"cold_start_failed""#), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hears_something_in_time_is_not_refused_for_what_it_waits_at_most() {
    let read_timeout = |seconds, request| with("x-stainless-read-timeout", seconds, request);
    for (every, code) in [(10, 200), (30, 504)] {
        let mut spec = revision(1, 0..=1);
        spec.waiting.heartbeat = Some(secs(every));
        let gate = Gate::new(spec, secs(45));
        // How long a start takes is known, and one is under way.
        assert_eq!(gate.ask(get("/")).await.code(), 200);
        gate.until(|gate| gate.reading().serving == 0 && gate.machine.running().is_empty())
            .await;
        let waking = gate.asking(get("/"));
        gate.until(|gate| !gate.machine.running().is_empty()).await;
        let hasty = read_timeout("20", events(get("/?events&chunks=1")));
        assert_eq!(gate.ask(hasty).await.code(), code);
        drop(waking);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_waits_at_most_counts_where_its_body_asks_for_nothing_it_would_hear() {
    let chat = |query: &str, body: &'static str| {
        let request = post_text(&format!("{CHAT}?{query}"), body);
        with("x-stainless-read-timeout", "20", request)
    };
    for blanks in [None, Some(secs(30))] {
        let mut spec = revision(1, 0..=1);
        spec.waiting.heartbeat = Some(secs(10));
        spec.waiting.keep_alive = blanks;
        let gate = Gate::new(spec, secs(45));
        assert_eq!(gate.ask(get("/")).await.code(), 200);
        gate.until(|gate| gate.reading().serving == 0 && gate.machine.running().is_empty())
            .await;
        let waking = gate.asking(get("/"));
        gate.until(|gate| !gate.machine.running().is_empty()).await;
        let hasty = gate.ask(chat("json", r#"{"model":"m"}"#)).await;
        assert_eq!((hasty.code(), hasty.took), (504, ms(0)), "{blanks:?}");
        let reason = hasty.header("x-holdgate-reason");
        assert_eq!(reason, Some("deadline_unmeetable"));
        let patient = gate.ask(chat("chunks=1", STREAM)).await;
        assert_eq!(patient.code(), 200);
        assert!(
            patient.text().starts_with(": holdgate"),
            "{}",
            patient.text()
        );
        drop(waking);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_body_said_before_its_model_was_found_is_heard_too() {
    let mut gate = Gate::empty();
    for name in ["a", "b"] {
        let spec = RevisionSpec {
            waiting: hearing(0..=1).waiting,
            models: vec![name.to_owned()],
            ..defaults(name)
        };
        gate.add(spec, process(secs(45)));
    }
    let request = post_text(
        &format!("{CHAT}?chunks=1"),
        r#"{"stream":true,"model":"b"}"#,
    );
    let stream = gate.ask(request).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert!(stream.text().starts_with(": holdgate"), "{}", stream.text());
}

#[tokio::test(start_paused = true)]
async fn what_is_to_become_something_else_hears_nothing() {
    let gate = Gate::new(hearing(0..=1), secs(45));
    let request = with("connection", "upgrade", events(get("/?decline")));
    let answer = gate.ask(with("upgrade", "websocket", request)).await;
    assert_eq!(answer.code(), 200);
    assert!(!answer.text().contains("holdgate"), "{}", answer.text());
}
