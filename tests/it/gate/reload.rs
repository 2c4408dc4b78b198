//! Settings that change while a stream goes on.

use std::net::SocketAddr;

use http::Response;
use http_body_util::Full;
use hyper::body::Incoming;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::client::{Connection, Question, ask, predict, predict_for, stats, whole};
use super::support::*;

const TOKENS: usize = 80;

fn changing(flags: &str) -> String {
    let flags = format!("--tokens {TOKENS} --token-time 100ms {flags}");
    revision("changing", "minReplicas: 1", &flags)
}

fn steady(settings: &str) -> String {
    revision("steady", &format!("minReplicas: 1, {settings}"), "")
}

fn stream(model: &str) -> Question {
    let mut question = predict(model);
    *question.uri_mut() = "/v1/completions".parse().expect("a path");
    *question.body_mut() = Full::from(json!({ "model": model, "stream": true }).to_string());
    question
        .headers_mut()
        .insert("host", format!("{model}.test").parse().expect("a name"));
    question
}

#[tokio::test]
async fn a_reload_restarts_only_what_changed_and_never_cuts_a_stream() {
    let settings = Settings::new(&[changing(""), steady("scaleTarget: 5")]);
    let gate = settings.run(&[]).await;
    let mut log = gate.log();
    let mut others = gate.log();
    let old = log.next_start("changing").await;
    let kept = others.next_start("steady").await;
    log.next_ready("changing").await;
    others.next_ready("steady").await;
    let mut connection = Connection::open(gate.address).await.expect("open");
    let running = connection
        .begin(stream("changing"))
        .await
        .expect("it begins");

    // What the process does not see restarts nothing.
    settings.write(&[
        changing(""),
        steady("scaleTarget: 7, containerConcurrency: 9"),
    ]);
    log.next(|line| line.is_of("steady") && line.says("its settings have changed"))
        .await;
    gate.until("steady", |report| report["target"] == 7.0).await;
    assert_steady(&gate, &kept, 9).await;

    // Another command is another process; the old one finishes what it has.
    settings.write(&[
        changing("--response-bytes 21"),
        steady("scaleTarget: 7, containerConcurrency: 9"),
    ]);
    let (_, new) = log.next_ready("changing").await;
    assert_ne!(
        stats(new).await["pid"],
        json!(old.pids[0].as_raw_nonzero().get())
    );
    gate.until("changing", |report| states(report) == ["draining", "ready"])
        .await;
    let answer = ask(gate.address, predict("changing"))
        .await
        .expect("an answer");
    assert_eq!(answer.body.len(), 21, "the new process answers");
    assert_steady(&gate, &kept, 9).await;

    // What cannot be understood changes nothing, whoever asks for it to be read.
    settings.write_text("revisions:\n- { name: changing, colour: red }\n");
    assert_reported(&mut log, &settings, "a file changed").await;
    gate.signal(Signal::HUP);
    assert_reported(&mut log, &settings, "SIGHUP").await;
    let answer = ask(gate.address, predict("changing"))
        .await
        .expect("an answer");
    assert_eq!(answer.body.len(), 21);
    assert_steady(&gate, &kept, 9).await;

    assert!(is_alive(old.pids[0]), "the stream goes on");
    assert_eq!(tokens(running).await, TOKENS);
    until_dead(&old.pids, PATIENCE).await;
    gate.until("changing", |report| states(report) == ["ready"])
        .await;
}

#[tokio::test]
async fn a_signal_reads_a_changed_file_even_where_files_are_not_watched() {
    let settings = Settings::new(&[steady("scaleTarget: 5")]);
    let gate = settings.run(&["--watch-config", "false"]).await;
    let kept = gate.log().next_start("steady").await;
    gate.log().next_ready("steady").await;

    settings.write(&[steady("scaleTarget: 5, containerConcurrency: 3")]);
    gate.signal(Signal::HUP);
    gate.until("steady", |report| report["containerConcurrency"] == 3)
        .await;

    assert_steady(&gate, &kept, 3).await;
    let reads = gate
        .log()
        .present(|line| line.says("reading the configuration again"));
    assert_eq!(
        reads
            .iter()
            .map(|line| line.text("why"))
            .collect::<Vec<_>>(),
        ["SIGHUP"]
    );
}

#[tokio::test]
async fn a_revision_that_is_taken_out_finishes_its_streams() {
    let settings = Settings::new(&[changing(""), steady("scaleTarget: 5")]);
    let gate = settings.run(&[]).await;
    let mut log = gate.log();
    let old = log.next_start("changing").await;
    log.next_ready("changing").await;
    let mut connection = Connection::open(gate.address).await.expect("open");
    let running = connection.begin(stream("changing")).await;

    settings.write(&[steady("scaleTarget: 5")]);
    log.next(|line| line.is_of("changing") && line.says("it is no longer"))
        .await;

    assert_eq!(tokens(running.expect("it begins")).await, TOKENS);
    until_dead(&old.pids, PATIENCE).await;
}

#[tokio::test]
async fn what_may_wait_in_the_whole_process_changes_with_the_file() {
    let written = |most: u32, target: u32| {
        let one = format!(
            "minReplicas: 1, containerConcurrency: 1, scaleTarget: {target}, maxReplicas: 1"
        );
        let one = revision("m", &one, "");
        format!("maxQueuedRequests: {most}\nrevisions:\n{one}")
    };
    let settings = Settings::new(&[]);
    settings.write_text(&written(1, 1));
    let gate = settings.run(&[]).await;
    let asked = |question| tokio::spawn(ask(gate.address, question));
    let running = asked(predict_for("m", 2 * PATIENCE));
    gate.until("m", |m| m["inFlight"] == 1).await;
    let first = asked(predict("m"));
    gate.until("m", |m| m["queue"]["depth"] == 1).await;
    let refused = ask(gate.address, predict("m")).await.expect("an answer");
    assert_eq!(refused.outcome(), (429, "queue_full"));

    settings.write_text(&written(2, 2));
    gate.log()
        .next(|line| line.is_of("m") && line.says("its settings have changed"))
        .await;
    let second = asked(predict("m"));
    gate.until("m", |m| m["queue"]["depth"] == 2).await;
    let refused = ask(gate.address, predict("m")).await.expect("an answer");
    assert_eq!(refused.outcome(), (429, "queue_full"));
    for asked in [running, first, second] {
        asked.abort();
    }
}

/// The one process it had from the beginning, under the limit it has now.
async fn assert_steady(gate: &Gate, kept: &Started, limit: u32) {
    let report = gate.report("steady").await;
    assert_eq!(states(&report), ["ready"], "{report:#}");
    assert_eq!(report["containerConcurrency"], limit, "{report:#}");
    let replica: SocketAddr = report["replicas"][0]["endpoint"]
        .as_str()
        .and_then(|endpoint| endpoint.parse().ok())
        .expect("an address");
    assert_eq!(
        stats(replica).await["pid"],
        json!(kept.pids[0].as_raw_nonzero().get())
    );
    let answer = ask(gate.address, predict("steady"))
        .await
        .expect("an answer");
    assert_eq!(answer.outcome(), (200, ""));
}

async fn assert_reported(log: &mut Log, settings: &Settings, why: &str) {
    let complaint = log.next(|line| line.says("not understood")).await;
    let place = format!("{}:2:", settings.path());
    assert!(
        complaint.text("complaint").starts_with(&place),
        "{complaint:?}"
    );
    let verdict = log
        .next(|line| line.says("the configuration stays as it was"))
        .await;
    assert_eq!(verdict.text("why"), why);
}

fn states(report: &Value) -> Vec<&str> {
    let replicas = report["replicas"].as_array().expect("a list");
    replicas
        .iter()
        .filter_map(|replica| replica["state"].as_str())
        .collect()
}

/// Tokens of a stream that came to its end.
async fn tokens(stream: Response<Incoming>) -> usize {
    let text = whole(stream).await.expect("a whole stream").text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    text.matches("\"finish_reason\":null").count()
}
