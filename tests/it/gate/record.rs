//! `--record` of the built program: what it writes, and what is left when it is killed.

use std::path::Path;
use std::time::Duration;

use holdgate::trace::{Fate, RevisionTrace, Trace};
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::{Answer, ask, predict, predict_for};
use super::support::*;
use crate::support::{measured, measured_again};

fn lone(file: &Path) -> RevisionTrace {
    let trace = Trace::read(file).expect("a record");
    assert_eq!(trace.flaws, []);
    let [revision] = <[_; 1]>::try_from(trace.revisions).expect("one revision");
    assert_eq!(revision.name, "m");
    revision
}

fn answered(revision: &RevisionTrace) -> usize {
    let whole = |fate| matches!(fate, Fate::Answered { code: 200, .. });
    let requests = revision.requests.iter();
    requests.filter(|request| whole(request.fate)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_the_real_thing_has_every_request_and_every_start() {
    let settings = "maxReplicas: 2, containerConcurrency: 2, scaleTarget: 1";
    let flags = "--load-time 300ms --service-time 50ms";
    let settings = Settings::new(&[revision("m", settings, flags)]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("t");
    let words = ["--record", file.to_str().expect("a plain path")];
    let mut gate = settings.run(&words).await;
    let begun = Instant::now();
    let mut asked: JoinSet<_> = (0..40).map(|_| ask(gate.address, predict("m"))).collect();
    while let Some(answer) = asked.join_next().await {
        let answer: Answer = answer.expect("no panic").expect("an answer");
        assert_eq!(answer.status, 200);
    }
    let took = begun.elapsed();

    gate.signal(Signal::TERM);
    assert!(gate.ended().await.success());

    let revision = lone(&file);
    assert_eq!(answered(&revision), 40);
    for request in &revision.requests {
        let occupied = request.occupied().expect("it had a slot");
        assert!(
            (Duration::from_millis(50)..took).contains(&occupied),
            "{occupied:?}"
        );
        assert!(request.waited().expect("it had a slot") < took);
        let Fate::Answered { sent, .. } = request.fate else {
            panic!("{request:?}");
        };
        assert!(request.announced > 0 && sent > 0);
    }
    assert_eq!(measured(&revision), measured_again(&revision));
    let started: Vec<_> = revision.replicas.iter().filter_map(|r| r.phases).collect();
    assert!(!started.is_empty());
    let load = Duration::from_millis(300)..Duration::from_secs(20);
    assert!(
        started.iter().all(|phases| load.contains(&phases.total())),
        "{started:?}"
    );
    assert!(
        revision
            .replicas
            .iter()
            .all(|replica| replica.gone.is_some())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gate_leaves_a_record_up_to_its_last_second() {
    let settings = "minReplicas: 1, containerConcurrency: 4";
    let settings = Settings::new(&[revision("m", settings, "--service-time 5ms")]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("t");
    let words = ["--record", file.to_str().expect("a plain path")];
    let mut gate = settings.run(&words).await;
    for _ in 0..20 {
        ask(gate.address, predict("m")).await.expect("an answer");
    }
    // Written once a second: until then the record is empty, or ends in the middle of something.
    let written = || {
        let trace = Trace::read(&file).expect("a record");
        trace.revisions.first().map_or(0, answered)
    };
    until("it is written", async || written() >= 20).await;
    let hanging = tokio::spawn(ask(gate.address, predict_for("m", 2 * PATIENCE)));
    sleep(Duration::from_millis(200)).await;

    gate.signal(Signal::KILL);
    gate.ended().await;
    hanging.abort();

    let trace = Trace::read(&file).expect("a record");
    assert_eq!(answered(&trace.revisions[0]), 20);
}

#[tokio::test]
async fn what_is_no_record_is_not_written_over() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("t");
    std::fs::write(&file, "my thesis").expect("written");
    let words = [
        "run",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "off",
        "--record",
    ];
    let mut gate = holdgate(&words);
    let ended = gate.arg(&file).args(["--", "sleep", "60"]).output();
    let ended = ended.await.expect("the program starts");
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("exists and is no record of holdgate"),
        "{said}"
    );
    assert_eq!(std::fs::read(&file).expect("it is there"), b"my thesis");
}
