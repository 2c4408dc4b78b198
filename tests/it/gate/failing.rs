//! Model servers that cannot come, and files that cannot be understood.

use std::process::Stdio;

use super::client::{Answer, ask, predict};
use super::support::*;

/// What a client is told who asks for model `m`.
async fn told(settings: &Settings) -> Answer {
    let gate = settings.run(&[]).await;
    ask(gate.address, predict("m")).await.expect("an answer")
}

#[tokio::test]
async fn a_crash_loop_is_answered_with_the_last_words_of_the_model_server() {
    let crash = "echo 'ValueError: no such model' >&2; exit 3";
    let answer = told(&Settings::new(&[script("m", "minReplicas: 0", crash)])).await;

    assert_eq!(answer.outcome(), (503, "cold_start_failed"));
    let want = "the process ended with exit status: 3\nValueError: no such model";
    assert_eq!(answer.detail(), want);
    let retry = answer.headers["retry-after"].to_str().expect("a number");
    assert!(
        (1..=120).contains(&retry.parse().expect("a number")),
        "{retry}"
    );
}

#[tokio::test]
async fn a_model_server_that_ignores_its_port_is_named_as_such() {
    let impatient = "queue: { coldTimeout: 5s }";
    let answer = told(&Settings::new(&[revision("m", impatient, "--ignore-port")])).await;

    assert_eq!(answer.outcome(), (504, "cold_start_timeout"));
    let detail = answer.detail();
    assert!(
        detail.starts_with("no replica became ready within 5s: the process listens on "),
        "{detail}"
    );
    assert!(
        detail.ends_with(": does the command use {port} or $PORT?"),
        "{detail}"
    );
    assert!(detail.contains(" instead of "), "{detail}");
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named() {
    let gate = Gate::run(&["--", "no-such-server", "--port", "{port}"]).await;
    let answer = ask(gate.address, predict("m")).await.expect("an answer");

    assert_eq!(answer.outcome(), (503, "cold_start_failed"));
    let detail = answer.detail();
    assert!(
        detail.contains("no-such-server") && detail.contains("No such file"),
        "{detail}"
    );
}

const MISTAKES: &str = "\
revisions:
- name: a
  hosts: [a.example.com]
  containerConcurency: 10
  minReplicas: -1
  scaleTarget: many
  process: { command: [serve] }
- name: a
  hosts: [a.example.com]
  process: { command: serve }
";

#[tokio::test]
async fn every_mistake_in_a_file_is_told_at_once_and_nothing_runs() {
    let settings = Settings::new(&[]);
    settings.write_text(MISTAKES);
    for command in ["check", "run"] {
        let mut holdgate = holdgate(&[command, "-f", settings.path()]);
        let holdgate = holdgate.stderr(Stdio::piped()).stdout(Stdio::piped());
        let ended = holdgate.output().await.expect("it runs");

        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{command}: {told}");
        let places: Vec<_> = told
            .lines()
            .filter_map(|line| line.strip_prefix(settings.path())?.strip_prefix(':'))
            .filter_map(|line| line.split(": ").nth(1).zip(line.split(':').next()))
            .map(|(path, line)| format!("{line} {path}"))
            .collect();
        let want = [
            "4 revisions[0].containerConcurency",
            "5 revisions[0].minReplicas",
            "6 revisions[0].scaleTarget",
            "8 revisions[1].name",
            "9 revisions[1].hosts[0]",
            "10 revisions[1].process.command",
        ];
        assert_eq!(places, want, "{command}: {told}");
        assert_eq!(told.lines().count(), want.len(), "{told}");
    }
}
