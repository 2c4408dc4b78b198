//! What one gateway finds of another's, and how rarely it is written.

mod fitting;
mod settings;
mod steering;

use std::time::SystemTime;

use super::*;
use crate::autoscale::{Memory, Past, TypicalPhases};
use crate::backend::kubernetes::tests_server::{Fault, Server};
use crate::revision::{RevisionId, ScaleMetric};
use crate::state::page::Page;
use crate::state::{Keeper, Notebook};
use crate::sync::{now, wall};

const MAP: &str = "/api/v1/namespaces/holdgate-system/configmaps/holdgate-state";

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
struct Gateway {
    keeper: Keeper,
    tenure: watch::Sender<Tenure>,
    /// What it may do, held back.
    held: watch::Receiver<Tenure>,
}

impl Gateway {
    async fn start(server: &Server, steers: bool) -> Self {
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

    fn steer(&self, steers: bool) {
        self.tenure.send_modify(|tenure| tenure.steers = steers);
    }

    fn notebook(&self) -> &Notebook {
        self.keeper.notebook()
    }

    fn note(&self, revision: &str, asked: u32) {
        let id = RevisionId::new(revision);
        self.notebook()
            .note(&id, &memory(asked), None, TypicalPhases::default(), wall());
    }

    fn asked(&self, revision: &str) -> Option<u32> {
        let found = self.notebook().recall(&RevisionId::new(revision), wall());
        found.and_then(|found| found.memory.asked)
    }
}

async fn pass(millis: u64) {
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
        let map = serde_json::json!({ "metadata": { "name": STATE }, "data": { KEY: text } });
        server.put(MAP, map);
        let gateway = Gateway::start(&server, true).await;
        assert_eq!(gateway.asked("a"), None);
        gateway.note("a", 1);
        pass(2_000).await;
        assert_eq!(pages(&server)["a"].memory().asked, Some(1));
    }
}
