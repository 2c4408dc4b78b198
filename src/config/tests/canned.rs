//! What is promised about answers at zero and what is said to those who wait.

use std::time::Duration;

use super::{complaints, meaning, revision};
use crate::revision::{Canned, RevisionSpec, Waiting};

fn spec(lines: &str) -> RevisionSpec {
    meaning(&revision(lines)).revisions.remove(0).spec
}

#[test]
fn an_answer_is_read_with_what_is_usual() {
    let read = spec(
        "probeResponses: [{ path: /status, body: up }, { path: /x, status: 204, contentType: a/b }]",
    );
    let canned = |path: &str, status, body: &str, kind: &str| Canned {
        path: path.to_owned(),
        status,
        body: body.to_owned(),
        content_type: kind.to_owned(),
    };
    let want = [
        canned("/status", 200, "up", "text/plain; charset=utf-8"),
        canned("/x", 204, "", "a/b"),
    ];
    assert_eq!(*read.at_zero.canned, want);
    assert!(read.at_zero.probes);
    assert!(!spec("answerProbesAtZero: false").at_zero.probes);
}

#[test]
fn an_answer_that_nobody_can_give_is_named_with_what_was_wanted() {
    let check = |entries: &str, want: &str| {
        let found = complaints(&revision(&format!("probeResponses: [{entries}]")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(want), "{found:?}");
    };
    check("{ body: up }", "wanted a path in every answer");
    check("{ path: status }", "wanted a path that begins with /");
    check(
        "{ path: /a, status: 99 }",
        "wanted a whole number from 200 to 599",
    );
    check("{ path: /a, contentType: text }", "wanted a media type");
    check("{ path: /a, code: 200 }", "code");
    check(
        "{ path: /a }, { path: /a }",
        "wanted each path once, /a is there twice",
    );
    check("up", "wanted an answer such as");
}

#[test]
fn nothing_is_said_to_those_who_wait_unless_it_is_written() {
    assert_eq!(spec("").waiting, Waiting::default());
    let want = Waiting {
        page: true,
        heartbeat: Some(Duration::from_secs(10)),
        keep_alive: Some(Duration::from_millis(1500)),
    };
    let lines = "waiting: { page: true, heartbeat: 10s, keepAlive: 1500ms }";
    assert_eq!(spec(lines).waiting, want);
}
