//! What of settings one gateway finds that another has kept.

use serde_json::{Value, json};

use super::*;
use crate::backend::Component;
use crate::backend::kubernetes::Settings;
use crate::backend::kubernetes::tests_server::{Fault, Server};
use crate::revision::RevisionId;
use crate::state::LastGood;

const OWNER: &str = "the owner";

fn settings(limit: u32) -> Settings {
    Settings::Workload(json!({ "limit": limit }).into())
}

impl Gateway {
    /// These revisions have settings that cannot be read, and these limits were their last good ones.
    fn keep(&self, all: &[(&str, u32)]) {
        self.keep_settings(all.iter().map(|(name, limit)| (*name, settings(*limit))));
    }

    fn keep_settings<'a>(&self, all: impl Iterator<Item = (&'a str, Settings)>) {
        let all = all.map(|(name, settings)| {
            let kept = LastGood::new(OWNER, &settings);
            (RevisionId::new(name), kept)
        });
        self.notebook().keep(all, |_| false);
    }

    fn last_good(&self, name: &str) -> Option<Settings> {
        self.notebook().last_good(&RevisionId::new(name), OWNER)
    }
}

/// The revisions whose settings are kept there.
fn kept(server: &Server) -> Vec<String> {
    let map = server.get(MAP).expect("it is there");
    let text = map["data"][LAST_GOOD].as_str().unwrap_or_default();
    last_good::understood(text).into_keys().collect()
}

fn keys(server: &Server) -> Vec<String> {
    let data = server.get(MAP).expect("it is there")["data"].take();
    data.as_object().expect("a map").keys().cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn the_next_gateway_finds_the_settings_of_the_same_owner() {
    let server = Server::default();
    let first = Gateway::start(&server, true).await;
    let object = json!({ "spec": {} });
    let service = Settings::InferenceService(object.into(), Component::Transformer);
    let all = [("a", settings(3)), ("b", service.clone())];
    first.keep_settings(all.into_iter());
    pass(100).await;
    assert_eq!(kept(&server), ["a", "b"], "written at once");
    first.keeper.close().await;
    let next = Gateway::start(&server, true).await;
    assert_eq!(next.last_good("a"), Some(settings(3)));
    assert_eq!(next.last_good("b"), Some(service));
    assert_eq!(next.last_good("c"), None);
    let id = RevisionId::new("a");
    assert_eq!(next.notebook().last_good(&id, "another"), None);
    next.notebook().keep([], |id| id.as_str() == "b");
    pass(2_000).await;
    assert_eq!(kept(&server), ["b"], "what is dropped is dropped at once");
}

#[tokio::test(start_paused = true)]
async fn pages_stand_as_they_did_before_settings_were_kept() {
    let server = Server::default();
    let gateway = Gateway::start(&server, true).await;
    gateway.note("a", 1);
    pass(2_000).await;
    assert_eq!(keys(&server), [KEY]);
    let before = server.get(MAP).expect("it is there")["data"][KEY].take();
    gateway.keep(&[("a", 3)]);
    pass(2_000).await;
    assert_eq!(keys(&server), [LAST_GOOD, KEY]);
    let map = server.get(MAP).expect("it is there");
    assert_eq!(map["data"][KEY], before, "an older gateway reads them");
    gateway.keep(&[]);
    pass(2_000).await;
    assert_eq!(keys(&server), [KEY]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_steer_has_what_was_kept_by_both() {
    let server = Server::default();
    let old = Gateway::start(&server, true).await;
    let new = Gateway::start(&server, false).await;
    old.keep(&[("a", 1), ("b", 1)]);
    new.keep(&[("b", 2), ("c", 2)]);
    old.keeper.close().await;
    new.steer(true);
    pass(2_000).await;
    let limits = ["a", "b", "c"].map(|name| new.last_good(name));
    assert_eq!(limits, [1, 2, 2].map(|limit| Some(settings(limit))));
    assert_eq!(kept(&server), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_while_another_steered_is_written_by_who_comes_to_steer() {
    let server = Server::default();
    let gateway = Gateway::start(&server, false).await;
    gateway.keep(&[("a", 1)]);
    pass(2_000).await;
    assert!(server.get(MAP).is_none());
    gateway.steer(true);
    pass(2_000).await;
    assert_eq!(kept(&server), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_away_nothing_that_was_kept_is_lost() {
    let server = Server::default();
    let first = Gateway::start(&server, true).await;
    first.keep(&[("a", 1)]);
    first.keeper.close().await;
    server.fail_always(Some(Fault::Away));
    let next = Gateway::start(&server, true).await;
    next.keep(&[("b", 2)]);
    pass(60_000).await;
    // Written before it is read: its own reading comes two seconds after the last that failed.
    server.fail_always(None);
    next.note("b", 6);
    pass(100).await;
    assert_eq!(kept(&server), ["a", "b"]);
    pass(15_000).await;
    assert_eq!(next.last_good("a"), Some(settings(1)));
    assert_eq!(kept(&server), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_does_not_come_back_with_what_somebody_else_has_written() {
    let server = Server::default();
    let gateway = Gateway::start(&server, true).await;
    gateway.keep(&[("a", 1), ("b", 1)]);
    pass(2_000).await;
    let mut map = server.get(MAP).expect("it is there");
    map["metadata"]["labels"]["theirs"] = "so".into();
    server.put(MAP, map);
    gateway.keep(&[("b", 1)]);
    pass(5_000).await;
    assert_eq!(kept(&server), ["b"]);
    assert_eq!(gateway.last_good("a"), None);
    let map = server.get(MAP).expect("it is there");
    assert_eq!(map["metadata"]["labels"]["theirs"], "so");
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_too_large_are_left_out_and_everything_else_is_written() {
    let server = Server::default();
    let gateway = Gateway::start(&server, true).await;
    let long = |n: usize| Settings::Workload(json!({ "long": "x".repeat(n) }).into());
    let all = [
        ("a", settings(1)),
        ("b", long(200 << 10)),
        ("c", long(60 << 10)),
        ("d", long(50 << 10)),
    ];
    gateway.keep_settings(all.into_iter());
    gateway.note("b", 3);
    pass(2_000).await;
    assert_eq!(kept(&server), ["a", "d"]);
    assert_eq!(keys(&server), [LAST_GOOD, KEY]);
    const { assert!(MOST_BYTES + MOST_BYTES_OF_SETTINGS < 1 << 20) };
}

#[test]
fn as_much_is_kept_as_fits() {
    let all: last_good::AllLastGood = ["a", "b", "c"]
        .into_iter()
        .map(|name| (name.to_owned(), LastGood::new(OWNER, &settings(1))))
        .collect();
    let whole = last_good::text(&all, usize::MAX).expect("a text");
    // The comma that is counted after each is not there after the last.
    for (most, wanted) in [(whole.len() + 1, 3), (whole.len() - 1, 2), (1, 0), (0, 0)] {
        let text = last_good::text(&all, most).expect("a text");
        assert_eq!(last_good::understood(&text).len(), wanted);
        assert!(wanted == 0 || text.len() <= most);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_understood_of_them_is_passed_over() {
    let good = json!({ "owner": OWNER, "object": { "limit": 1 }, "newer": "word" });
    let foreign = json!({ "owner": OWNER, "object": {}, "component": "postprocessor" });
    let some = json!({ "good": good, "damaged": { "owner": 3 }, "foreign": foreign });
    for (text, found) in [
        (Value::from(some.to_string()), true),
        ("{".into(), false),
        ("[]".into(), false),
    ] {
        let server = Server::default();
        let first = Gateway::start(&server, true).await;
        first.note("good", 3);
        first.keeper.close().await;
        let mut map = server.get(MAP).expect("it is there");
        map["data"][LAST_GOOD] = text;
        server.put(MAP, map);
        let next = Gateway::start(&server, true).await;
        assert_eq!(next.last_good("good"), found.then(|| settings(1)));
        assert_eq!(next.last_good("damaged"), None);
        assert_eq!(next.last_good("foreign"), None);
        let id = RevisionId::new("good");
        let page = next.notebook().recall(&id, crate::sync::wall());
        assert!(page.is_some(), "pages are read all the same");
    }
}
