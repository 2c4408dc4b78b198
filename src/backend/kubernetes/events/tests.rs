//! What is told, how often, and what becomes of it while the API server is away.

use serde_json::Value;

use super::*;
use crate::backend::kubernetes::Reason;
use crate::backend::kubernetes::tests_server::{Fault, Server};

const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/models/events";

fn about(name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: "models".into(),
        name: name.into(),
        uid: format!("uid-{name}").as_str().into(),
    }
}

fn notice(message: &str) -> Notice {
    Notice {
        about: about("llama"),
        reason: Reason::ScaledUp,
        message: message.to_owned(),
    }
}

fn warning(message: &str) -> Notice {
    Notice {
        reason: Reason::ScaleFailed,
        ..notice(message)
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

/// Notes and counts of all Events, in the order of the notes.
fn told(server: &Server) -> Vec<(String, u64)> {
    let one = |event: &Value| {
        let count = event["series"]["count"].as_u64().unwrap_or(1);
        (event["note"].as_str().expect("a note").to_owned(), count)
    };
    let mut all: Vec<_> = server.all(EVENTS).iter().map(one).collect();
    all.sort();
    all
}

fn one(note: &str, count: u64) -> (String, u64) {
    (note.to_owned(), count)
}

#[tokio::test(start_paused = true)]
async fn an_event_says_what_happened_to_whom_and_who_says_so() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    events.announce(warning("from 1 to 5"));
    events.finish(Duration::from_secs(1)).await;
    let event = server.all(EVENTS).remove(0);
    assert_eq!(event["reason"], "ScaleFailed");
    assert_eq!(event["note"], "from 1 to 5");
    assert_eq!(event["type"], "Warning");
    assert_eq!(event["action"], "Steer");
    assert_eq!(event["reportingController"], "holdgate.dev/gateway");
    assert_eq!(event["reportingInstance"], "gateway-1");
    let want = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "models", "name": "llama",
        "uid": "uid-llama",
    });
    assert_eq!(event["regarding"], want);
    assert_eq!(event["metadata"]["namespace"], "models");
    assert!(event["eventTime"].is_string() && event["series"].is_null());
}

#[tokio::test(start_paused = true)]
async fn the_same_again_is_counted_and_the_count_is_told_now_and_then() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    for _ in 0..50 {
        events.announce(notice("a"));
        events.announce(notice("b"));
        pass(5).await;
    }
    pass(120).await;
    assert_eq!(told(&server), [one("a", 50), one("b", 50)]);
    let calls = server.calls().len();
    assert!(calls <= 2 * 7, "{calls} calls in six minutes");
    pass(11 * 60).await;
    events.announce(notice("a"));
    pass(1).await;
    assert_eq!(told(&server), [one("a", 1), one("a", 50), one("b", 50)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_has_expired_meanwhile_becomes_a_new_one() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    events.announce(notice("a"));
    pass(1).await;
    for event in server.all(EVENTS) {
        let name = event["metadata"]["name"].as_str().unwrap();
        server.delete(&format!("{EVENTS}/{name}"));
    }
    pass(300).await;
    events.announce(notice("a"));
    pass(60).await;
    assert_eq!(told(&server), [one("a", 2)]);
}

#[tokio::test(start_paused = true)]
async fn who_talks_too_much_is_not_heard_and_warnings_are_heard_longest() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    for n in 0..100 {
        events.announce(notice(&format!("{n}")));
    }
    pass(1).await;
    assert_eq!(server.all(EVENTS).len(), 20);
    for n in 0..100 {
        events.announce(warning(&format!("w{n}")));
    }
    pass(1).await;
    assert_eq!(server.all(EVENTS).len(), 25);
    events.announce(Notice {
        about: about("other"),
        ..notice("heard")
    });
    pass(1).await;
    assert_eq!(server.all(EVENTS).len(), 26, "another object is heard");
    pass(60).await;
    events.announce(warning("later"));
    pass(1).await;
    assert_eq!(
        server.all(EVENTS).len(),
        27,
        "and this one again after a while"
    );
}

#[tokio::test(start_paused = true)]
async fn all_objects_together_are_bounded_too() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    for n in 0..1000 {
        events.announce(Notice {
            about: about(&format!("m{n}")),
            ..notice("up")
        });
    }
    pass(1).await;
    assert_eq!(server.all(EVENTS).len(), 200);
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_away_events_wait_in_their_order() {
    for fault in [
        Fault::Away,
        Fault::Hang,
        Fault::Refuse(429, "later"),
        Fault::Refuse(500, "no"),
    ] {
        let server = Server::default();
        let events = Events::start(server.client(), "gateway-1");
        server.fail_always(Some(fault));
        for n in 0..3 {
            events.announce(notice(&format!("{n}")));
            events.announce(notice("again"));
            pass(40).await;
        }
        assert_eq!(told(&server), []);
        server.calls();
        server.fail_always(None);
        pass(20).await;
        let want = [one("0", 1), one("1", 1), one("2", 1), one("again", 3)];
        assert_eq!(told(&server), want);
        let asked = server.asked();
        let made = asked.iter().filter(|asked| asked.what.starts_with("POST"));
        let notes: Vec<&Value> = made.map(|asked| &asked.body["note"]).collect();
        assert_eq!(notes, ["0", "again", "1", "2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_told_for_long_is_let_go() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    server.fail_always(Some(Fault::Away));
    for n in 0..20 {
        events.announce(notice(&format!("{n}")));
    }
    pass(11 * 60).await;
    assert_eq!(*events.shared.waiting.borrow(), 0);
    server.fail_always(None);
    events.announce(notice("news"));
    pass(1).await;
    assert_eq!(told(&server), [one("news", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_answer_was_lost_is_not_told_twice() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    server.fail(Fault::HangDone);
    events.announce(notice("a"));
    pass(10).await;
    assert_eq!(told(&server), [one("a", 1)]);
    assert_eq!(server.calls().len(), 2);
    pass(60).await;
    events.announce(notice("a"));
    pass(1).await;
    assert_eq!(told(&server), [one("a", 2)], "it is known that it was");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_holds_up_none() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    for fault in [
        Fault::Refuse(403, "no"),
        Fault::Refuse(404, "no"),
        Fault::Refuse(422, "no"),
    ] {
        server.fail(fault);
    }
    for n in 0..4 {
        events.announce(notice(&format!("{n}")));
    }
    events.finish(Duration::from_secs(1)).await;
    assert_eq!(told(&server), [one("3", 1)]);
}

#[tokio::test(start_paused = true)]
async fn to_announce_waits_for_nobody_and_fills_no_memory() {
    let server = Server::default();
    let events = Events::start(server.client(), "gateway-1");
    server.fail_always(Some(Fault::Hang));
    let begun = now();
    for n in 0..20_000 {
        if n % 100 == 0 {
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        events.announce(Notice {
            about: about(&format!("m{n}")),
            ..warning("w")
        });
    }
    assert!(now().saturating_duration_since(begun) < Duration::from_secs(1));
    let desk = events.shared.desk.lock();
    assert!(desk.waiting() <= 1000);
}

#[test]
fn what_is_too_long_is_cut_between_letters() {
    let long = "ä".repeat(1000);
    let note = cut(&long, LONGEST_NOTE);
    assert!(note.len() <= LONGEST_NOTE && note.ends_with("ä…"));
    assert_eq!(cut("short", LONGEST_NOTE), "short");
}
