//! What one gateway finds of another's, and how rarely it is written.

use std::time::SystemTime;

use super::*;
use crate::autoscale::{Memory, Past, TypicalPhases};
use crate::backend::kubernetes::tests_server::{Fault, Server};
use crate::revision::{RevisionId, ScaleMetric};
use crate::state::page::Page;
use crate::state::{Keeper, Notebook};
use crate::sync::{now, wall};

pub(super) const MAP: &str = "/api/v1/namespaces/holdgate-system/configmaps/holdgate-state";

fn memory(asked: u32) -> Memory {
    let past = Past {
        seconds: vec![0.0, 1.5, 3.0],
        idle: 1,
    };
    Memory {
        asked: Some(asked),
        peak: None,
        initialized: true,
        metrics: vec![(ScaleMetric::Concurrency, past)],
        presence: None,
    }
}

/// A gateway of which it is said whether it steers.
pub(super) struct Gateway {
    pub(super) keeper: Keeper,
    tenure: watch::Sender<Tenure>,
    /// What it may do, held back.
    held: watch::Receiver<Tenure>,
}

impl Gateway {
    pub(super) async fn start(server: &Server, steers: bool) -> Self {
        let tenure = watch::Sender::new(Tenure {
            steers,
            heard: true,
        });
        let told = tenure.subscribe();
        let (keeper, held) = Keeper::in_cluster(
            server.client(),
            "holdgate-system",
            told,
            watch::Sender::new(false),
        )
        .await;
        Self {
            keeper,
            tenure,
            held,
        }
    }

    pub(super) fn steer(&self, steers: bool) {
        self.tenure.send_modify(|tenure| tenure.steers = steers);
    }

    pub(super) fn notebook(&self) -> &Notebook {
        self.keeper.notebook()
    }

    pub(super) fn note(&self, revision: &str, asked: u32) {
        let id = RevisionId::new(revision);
        self.notebook()
            .note(&id, &memory(asked), None, TypicalPhases::default(), wall());
    }

    fn asked(&self, revision: &str) -> Option<u32> {
        let found = self.notebook().recall(&RevisionId::new(revision), wall());
        found.and_then(|found| found.memory.asked)
    }
}

pub(super) async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn pages(server: &Server) -> Pages {
    let map = server.get(MAP).expect("it is there");
    understood(map["data"][KEY].as_str().expect("a text").as_bytes()).expect("it is ours")
}

fn writes(server: &Server) -> usize {
    let calls = server.calls();
    calls.iter().filter(|call| !call.starts_with("GET")).count()
}

#[tokio::test(start_paused = true)]
async fn the_next_gateway_finds_what_was_noted_and_how_long_ago() {
    let server = Server::default();
    let first = Gateway::start(&server, true).await;
    let id = RevisionId::new("llama.models");
    let typical = Some(Duration::from_secs(42));
    let phases = TypicalPhases {
        node: Some(Duration::from_secs(90)),
        init: Some(Duration::from_secs(7)),
        ..TypicalPhases::default()
    };
    let notebook = first.notebook();
    notebook.note(&id, &memory(3), typical, phases, wall());
    first.keeper.close().await;
    pass(25_000).await;
    let next = Gateway::start(&server, true).await;
    let found = next.notebook().recall(&id, wall()).expect("it is known");
    assert_eq!((found.memory, found.typical_start), (memory(3), typical));
    assert_eq!(found.typical_phases, phases);
    assert_eq!(found.away.as_secs(), 25);
    let map = server.get(MAP).unwrap();
    assert_eq!(
        map["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "holdgate"
    );
}

#[tokio::test(start_paused = true)]
async fn who_does_not_steer_writes_nothing_and_reads_again_when_it_does() {
    let server = Server::default();
    let old = Gateway::start(&server, true).await;
    let new = Gateway::start(&server, false).await;
    old.note("a", 3);
    new.note("b", 1);
    pass(15_000).await;
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(new.asked("a"), None);
    old.note("c", 7);
    old.steer(false);
    old.keeper.close().await;
    assert!(!pages(&server).contains_key("c"), "it steers no more");
    new.steer(true);
    pass(2_000).await;
    assert_eq!(new.asked("a"), Some(3));
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn who_steers_once_more_reads_what_was_written_meanwhile() {
    let server = Server::default();
    let (first, second) = (
        Gateway::start(&server, true).await,
        Gateway::start(&server, false).await,
    );
    pass(1_000).await;
    first.steer(false);
    second.steer(true);
    second.note("b", 5);
    pass(3_000).await;
    second.steer(false);
    first.steer(true);
    pass(3_000).await;
    assert_eq!(first.asked("b"), Some(5));
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_steer_knows_what_was_left_before_it_begins() {
    let server = Server::default();
    let (first, mut second) = (
        Gateway::start(&server, true).await,
        Gateway::start(&server, false).await,
    );
    first.note("a", 7);
    pass(2_000).await;
    assert_eq!(second.asked("a"), None);
    second.steer(true);
    second.held.wait_for(|held| held.steers).await.unwrap();
    assert_eq!(second.asked("a"), Some(7));
    second.steer(false);
    pass(1).await;
    assert!(!second.held.borrow().steers, "that is not held back");
    first.note("a", 8);
    pass(2_000).await;
    second.steer(true);
    second.held.wait_for(|held| held.steers).await.unwrap();
    assert_eq!(second.asked("a"), Some(8), "and each time anew");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_read_what_was_left_steers_after_a_few_seconds() {
    for fault in [Fault::Away, Fault::Hang, Fault::Refuse(403, "no")] {
        let server = Server::default();
        let mut gateway = Gateway::start(&server, false).await;
        server.fail_always(Some(fault));
        let begun = now();
        gateway.tenure.send_replace(Tenure {
            steers: true,
            heard: false,
        });
        let held = gateway.held.wait_for(|held| held.steers).await.unwrap();
        assert!(!held.heard);
        let took = now().saturating_duration_since(begun).as_secs();
        assert_eq!(took, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn who_ends_before_it_could_read_still_hears_of_others() {
    let server = Server::default();
    let gateway = Gateway::start(&server, false).await;
    server.fail_always(Some(Fault::Hang));
    gateway.steer(true);
    pass(10).await;
    gateway.keeper.close().await;
    for heard in [false, true] {
        gateway.tenure.send_modify(|tenure| tenure.heard = heard);
        pass(10).await;
        assert_eq!(gateway.held.borrow().heard, heard);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_noted_for_a_month_is_forgotten_by_who_lives_longer() {
    let server = Server::default();
    let day = 24 * 60 * 60 * 1000;
    let (first, second) = (
        Gateway::start(&server, true).await,
        Gateway::start(&server, false).await,
    );
    first.note("gone", 3);
    pass(29 * day).await;
    first.note("here", 1);
    pass(2_000).await;
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["gone", "here"]);
    first.steer(false);
    second.steer(true);
    pass(2 * day).await;
    assert_eq!(second.asked("gone"), Some(3));
    second.note("new", 1);
    pass(2_000).await;
    assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["here", "new"]);
    assert_eq!(second.asked("gone"), None);
}

#[tokio::test(start_paused = true)]
async fn who_finds_nothing_new_begins_at_once() {
    let server = Server::default();
    let mut gateway = Gateway::start(&server, false).await;
    server.calls();
    for _ in 0..3 {
        gateway.steer(true);
        let begun = now();
        gateway.held.wait_for(|held| held.steers).await.unwrap();
        assert_eq!(now(), begun);
        pass(60_000).await;
        gateway.steer(false);
        pass(1).await;
    }
    let reads = server.calls();
    assert_eq!(
        reads,
        [
            format!("GET {MAP}"),
            format!("GET {MAP}"),
            format!("GET {MAP}")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_is_written_at_the_end() {
    let server = Server::default();
    let gateway = Gateway::start(&server, true).await;
    pass(100).await;
    gateway.note("a", 1);
    pass(10).await;
    gateway.note("a", 2);
    gateway.keeper.close().await;
    assert_eq!(pages(&server)["a"].memory().asked, Some(2));
}

#[tokio::test(start_paused = true)]
async fn news_are_written_once_a_second_and_everything_else_every_thirty() {
    let server = Server::default();
    let gateway = Gateway::start(&server, true).await;
    pass(1_000).await;
    writes(&server);
    for n in 0..200 {
        gateway.note("a", n);
        pass(50).await;
    }
    let news = writes(&server);
    assert!((9..=11).contains(&news), "{news} times in ten seconds");
    for n in 0..600 {
        let mut memory = memory(199);
        memory.metrics[0].1.idle = n % 2;
        let id = RevisionId::new("a");
        gateway
            .notebook()
            .note(&id, &memory, None, TypicalPhases::default(), wall());
        pass(100).await;
    }
    let rest = writes(&server);
    assert!((2..=3).contains(&rest), "{rest} times in a minute");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_written_meanwhile_is_read_before_it_is_written_over() {
    let server = Server::default();
    let gateway = Gateway::start(&server, true).await;
    gateway.note("a", 1);
    pass(2_000).await;
    let mut theirs = pages(&server);
    let page = theirs["a"].clone();
    theirs.insert("theirs".to_owned(), page);
    let mut map = server.get(MAP).unwrap();
    map["data"][KEY] = written::text(&theirs).unwrap().into();
    map["metadata"]["annotations"] = serde_json::json!({ "kept": "so" });
    server.put(MAP, map);
    gateway.note("a", 2);
    pass(5_000).await;
    gateway.note("a", 3);
    pass(2_000).await;
    let all = pages(&server);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "theirs"]);
    assert_eq!(all["a"].memory().asked, Some(3));
    assert_eq!(
        server.get(MAP).unwrap()["metadata"]["annotations"]["kept"],
        "so"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_was_deleted_is_made_again() {
    let server = Server::default();
    let gateway = Gateway::start(&server, true).await;
    gateway.note("a", 1);
    pass(2_000).await;
    server.delete(MAP);
    gateway.note("a", 2);
    pass(2_000).await;
    assert_eq!(pages(&server)["a"].memory().asked, Some(2));
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_away_nothing_is_forgotten() {
    for fault in [Fault::Away, Fault::Hang, Fault::Refuse(500, "no")] {
        let server = Server::default();
        let first = Gateway::start(&server, true).await;
        first.note("a", 3);
        first.keeper.close().await;
        server.fail_always(Some(fault));
        let begun = now();
        let next = Gateway::start(&server, true).await;
        assert!(now().saturating_duration_since(begun) <= Duration::from_secs(3));
        next.note("b", 5);
        pass(60_000).await;
        assert_eq!(next.asked("b"), Some(5));
        server.fail_always(None);
        next.note("b", 6);
        pass(15_000).await;
        assert_eq!(next.asked("a"), Some(3));
        assert_eq!(pages(&server).keys().collect::<Vec<_>>(), ["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_understood_is_begun_anew() {
    for text in [
        "",
        "{",
        r#"{"kind":"holdgate-state","version":2,"revisions":{}}"#,
    ] {
        let server = Server::default();
        let map = serde_json::json!({ "metadata": { "name": NAME }, "data": { KEY: text } });
        server.put(MAP, map);
        let gateway = Gateway::start(&server, true).await;
        assert_eq!(gateway.asked("a"), None);
        gateway.note("a", 1);
        pass(2_000).await;
        assert_eq!(pages(&server)["a"].memory().asked, Some(1));
    }
}

#[test]
fn what_does_not_fit_is_left_out_by_how_little_it_is_missed() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let long = |asked, value: f64| {
        let mut memory = memory(asked);
        memory.metrics[0].1.seconds = vec![value; 60];
        memory
    };
    let mut pages = Pages::new();
    for n in 0..100_u64 {
        // The older half is at rest, and of each half the first is the oldest.
        let memory = if n < 50 {
            long(0, 0.0)
        } else {
            long(1, 2.0 / 3.0)
        };
        pages.insert(
            format!("m{n:02}"),
            Page::new(&memory, None, TypicalPhases::default(), at(n)).rounded(),
        );
    }
    let all = fitting(pages.clone(), MOST_BYTES).unwrap();
    assert_eq!(understood(all.as_bytes()).unwrap().len(), 100);
    for most in [all.len(), all.len() - 1, all.len() / 2, 1000, 100] {
        let text = fitting(pages.clone(), most).unwrap();
        assert!(text.len() <= most, "{} of {most} bytes", text.len());
        let kept: Vec<String> = understood(text.as_bytes()).unwrap().into_keys().collect();
        let last: Vec<String> = pages.keys().skip(100 - kept.len()).cloned().collect();
        assert_eq!(kept, last);
        let room = most.saturating_sub(text.len());
        assert!(
            kept.len() == 100 || room < 2 * all.len() / 100,
            "{room} bytes are left"
        );
    }
}

#[test]
fn a_measurement_is_kept_with_four_digits() {
    let mut memory = memory(1);
    memory.metrics[0].1.seconds = vec![
        0.0,
        2.0 / 3.0,
        123_456.789,
        1e-5 / 3.0,
        17_179_869_184.0,
        5.0,
    ];
    let page = Page::new(
        &memory,
        None,
        TypicalPhases::default(),
        SystemTime::UNIX_EPOCH,
    )
    .rounded();
    let seconds = &page.memory().metrics[0].1.seconds;
    assert_eq!(
        *seconds,
        [0.0, 0.6667, 123_457.0, 3.333e-6, 17_179_869_184.0, 5.0]
    );
}

#[test]
fn five_hundred_busy_revisions_fit() {
    let mut memory = memory(1);
    let value = |n: u32| f64::from(n) / 7.0;
    memory.metrics[0].1.seconds = (0..60).map(value).collect();
    memory.presence = Some(memory.metrics[0].1.clone());
    let page = Page::new(&memory, None, TypicalPhases::default(), wall_at_rest()).rounded();
    let pages: Pages = (0..500)
        .map(|n| (format!("model-{n}.a-namespace"), page.clone()))
        .collect();
    let text = fitting(pages.clone(), MOST_BYTES).unwrap();
    assert_eq!(
        understood(text.as_bytes()).unwrap().len(),
        500,
        "{} bytes",
        text.len()
    );
}

fn wall_at_rest() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}
