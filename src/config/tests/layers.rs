//! Who wins: defaults < revision < environment < flag.

use std::time::Duration;

use super::{Written, meaning, overrides, revision};
use crate::config::{Config, LogFormat, Overrides};

const TWO: &str = "\
defaults: { containerConcurrency: 5, queue: { timeout: 10s }, process: { env: { A: 1, B: 2 } } }
revisions:
  - { name: a, hosts: [a], process: { command: [a], env: { B: 3 } }, queue: { maxRequests: 7 } }
  - { name: b, hosts: [b], containerConcurrency: 1, process: { command: [b] } }
";

fn load(text: &str, overrides: &Overrides) -> Config {
    Written::new(&[("a.yaml", text)])
        .load(overrides)
        .expect("sound")
}

fn waits(config: &Config) -> Vec<u64> {
    config
        .revisions
        .iter()
        .map(|revision| revision.spec.queue.timeout.as_secs())
        .collect()
}

#[test]
fn a_revisions_own_word_wins_over_the_defaults_key_by_key() {
    let config = meaning(TWO);
    let [a, b] = &config.revisions[..] else {
        panic!("two revisions")
    };
    assert_eq!(a.spec.container_concurrency.written(), 5);
    assert_eq!(b.spec.container_concurrency.written(), 1);
    assert_eq!(
        (a.spec.queue.max_requests, a.spec.queue.timeout),
        (7, Duration::from_secs(10))
    );
    let environment = a.process.as_ref().map(|process| process.env.clone());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        environment,
        Some(vec![pair("A", "1"), pair("B", "3")]),
        "variables add up"
    );
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let text = revision("queue: { timeout: 1s }");
    let wait = |flags: &[&str], environment: &[&str]| {
        waits(&load(&text, &overrides(flags, environment, &[])))
    };
    assert_eq!(wait(&[], &[]), [1]);
    assert_eq!(wait(&[], &["HOLDGATE_QUEUE_TIMEOUT=2s"]), [2]);
    assert_eq!(
        wait(&[], &["HOLDGATE_QUEUE_TIMEOUT="]),
        [1],
        "an empty variable says nothing"
    );
    assert_eq!(
        wait(&["queue-timeout=3s"], &["HOLDGATE_QUEUE_TIMEOUT=2s"]),
        [3]
    );
}

#[test]
fn flags_of_one_revision_mean_the_named_one_or_the_only_one() {
    let waits_with = |flags: &[&str]| waits(&load(TWO, &overrides(flags, &[], &[])));
    assert_eq!(waits_with(&["name=b", "queue-timeout=3s"]), [10, 3]);
    assert_eq!(waits_with(&["name=a", "queue-timeout=3s"]), [3, 10]);
    let told =
        |flags: &[&str]| Written::new(&[("a.yaml", TWO)]).complaints(&overrides(flags, &[], &[]));
    assert_eq!(
        told(&["queue-timeout=3s"]),
        ["--queue-timeout: wanted --name to pick one revision (a, b)"]
    );
    assert_eq!(
        told(&["name=c"]),
        ["--name: wanted the name of a revision (a, b), not c"]
    );
}

#[test]
fn a_command_is_a_revision_of_its_own_called_as_its_program_is() {
    let name = |flags: &[&str], command: &[&str]| {
        let config = super::super::load(&[], &overrides(flags, &[], command)).expect("sound");
        config
            .revisions
            .iter()
            .map(|revision| revision.spec.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        name(&[], &["/usr/bin/Python3.12", "-m", "http.server", "{port}"]),
        ["python3.12"]
    );
    assert_eq!(name(&[], &["./_my server_"]), ["my-server"]);
    assert_eq!(name(&[], &["..."]), ["model"]);
    assert_eq!(name(&["name=mine"], &["python3"]), ["mine"]);
}

#[test]
fn flags_say_everything_a_file_can_say_of_a_revision() {
    let said = overrides(
        &[
            "host=A.example",
            "host=b.example",
            "model=m",
            "env=A=1=2",
            "dir=/srv",
            "readiness-path=/up",
            "max-replicas=0",
        ],
        &[
            "HOLDGATE_ENV=A=0,B=2",
            "HOLDGATE_LISTEN=127.0.0.1:0",
            "HOLDGATE_ADMIN=off",
        ],
        &["serve", ""],
    );
    let config = super::super::load(&[], &said).expect("sound");
    let in_file = meaning(
        "listen: 127.0.0.1:0\nadmin: off\nrevisions:\n- name: serve\n  hosts: [a.example, b.example]\n  models: [m]\n  maxReplicas: 0\n  process:\n    command: [serve, '']\n    env: { B: 2, A: 1=2 }\n    dir: /srv\n    readiness: { path: /up }\n",
    );
    assert_eq!(config, in_file);
}

#[test]
fn a_command_with_a_file_is_the_process_of_its_revision() {
    let config = load(
        &revision("minReplicas: 1"),
        &overrides(&[], &[], &["b", "{port}"]),
    );
    let command = config.revisions[0]
        .process
        .as_ref()
        .map(|process| process.command.join(" "));
    assert_eq!(command.as_deref(), Some("b {port}"));
    let alone = load(
        "listen: 127.0.0.1:0\ndefaults: { minReplicas: 1 }\n",
        &overrides(&[], &[], &["b"]),
    );
    assert_eq!(
        alone.revisions[0].spec.scaling.min_replicas, 1,
        "defaults hold for it as well"
    );
}

#[test]
fn flags_and_variables_are_held_to_the_same_bounds_under_their_own_names() {
    let said = overrides(
        &["min-replicas=-1", "env=A"],
        &["HOLDGATE_STABLE_WINDOW=5s", "HOLDGATE_LOG_FORMAT=xml"],
        &["b"],
    );
    let told = super::super::load(&[], &said)
        .expect_err("all of them are wrong")
        .to_string();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "HOLDGATE_LOG_FORMAT: wanted auto or human or json, not xml",
            "HOLDGATE_STABLE_WINDOW: wanted a duration from 6s to 1h, not 5s",
            "--env: wanted NAME=VALUE, not A",
            "--min-replicas: wanted a whole number, 0 or more, not -1",
        ]
    );
}

#[test]
fn nothing_to_run_is_a_complaint() {
    let nothing = overrides(&[], &[], &[]);
    let told = super::super::load_to_run(&[], &nothing).expect_err("nothing to run");
    assert_eq!(
        told.to_string(),
        "command line: wanted a file (-f FILE) or a command (-- COMMAND)"
    );
    let told = super::super::load(&[], &nothing).expect_err("nothing to read");
    assert_eq!(told.to_string(), "command line: wanted a file (-f FILE)");
}

#[test]
fn the_programs_own_settings_come_from_flags_and_environment() {
    let plain = overrides(&[], &[], &[]).program();
    assert_eq!(
        (plain.log_format, plain.log_level.as_str()),
        (LogFormat::Auto, "info")
    );
    assert_eq!((plain.worker_threads, plain.watch_config), (None, true));
    assert_eq!(plain.drain_timeout, Duration::from_secs(30));
    let said = overrides(
        &["worker-threads=2", "watch-config=false"],
        &["HOLDGATE_WORKER_THREADS=4", "HOLDGATE_DRAIN_TIMEOUT=0"],
        &[],
    )
    .program();
    assert_eq!(
        (said.worker_threads, said.watch_config, said.drain_timeout),
        (Some(2), false, Duration::ZERO)
    );
}
