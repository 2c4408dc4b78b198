//! How a command line, its flags and their environment names are read.

mod check;

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;
use crate::config::{gate_flags, load, logging_flags, revision_flags};

fn parse(words: &[&str]) -> Cli {
    Cli::try_parse_from([&["holdgate"], words].concat()).expect("a command line we know")
}

fn nothing(_: &str) -> Option<String> {
    None
}

#[test]
fn the_commands_are_put_together_well() {
    Cli::command().debug_assert();
}

#[test]
fn flags_and_the_command_after_the_dashes_make_a_revision() {
    let cli = parse(&[
        "run",
        "--name",
        "m",
        "--host",
        "a",
        "--host",
        "b",
        "--env",
        "K=V",
        "--max-replicas",
        "2",
        "--log-format",
        "json",
        "--",
        "serve",
        "--port",
        "{port}",
    ]);
    let overrides = cli.overrides(nothing);
    let config = load(&[], &overrides).expect("sound");
    let revision = &config.revisions[0];
    assert_eq!(revision.spec.id.as_str(), "m");
    assert_eq!(revision.spec.hosts, ["a", "b"]);
    assert_eq!(revision.spec.scaling.max_replicas, Some(2));
    let process = revision.process.as_ref().expect("a process");
    assert_eq!(process.command, ["serve", "--port", "{port}"]);
    assert_eq!(process.env, [("K".to_owned(), "V".to_owned())]);
    assert_eq!(
        overrides.program().log_format,
        crate::config::LogFormat::Json
    );
}

#[test]
fn logging_flags_may_stand_before_and_after_the_command() {
    for words in [
        ["--log-level", "debug", "check"],
        ["check", "--log-level", "debug"],
    ] {
        assert_eq!(
            parse(&words).overrides(nothing).program().log_level,
            "debug"
        );
    }
}

#[test]
fn a_negative_number_is_answered_by_our_own_bounds() {
    let overrides = parse(&["run", "--min-replicas", "-1", "--", "a"]).overrides(nothing);
    let told = overrides.complaints().to_string();
    assert_eq!(
        told,
        "--min-replicas: wanted a whole number, 0 or more, not -1"
    );
}

#[test]
fn every_flag_is_in_the_help_with_its_environment_name() {
    let mut command = Cli::command();
    let run = command.find_subcommand_mut("run").expect("the run command");
    let help = run.render_long_help().to_string();
    for about in gate_flags().chain(revision_flags()) {
        assert!(
            help.contains(&format!("--{} ", about.flag)),
            "--{} is missing",
            about.flag
        );
        assert!(
            help.contains(&about.environment()),
            "{} is missing",
            about.environment()
        );
    }
    let all = Cli::command().render_long_help().to_string();
    for about in logging_flags() {
        assert!(
            all.contains(&about.environment()),
            "{} is missing",
            about.environment()
        );
    }
    assert!(help.contains("Examples:") && all.contains("Examples:"));
    assert!(!all.contains("keeper"), "nobody types it");
}

#[test]
fn files_come_from_flags_else_from_the_environment() {
    let variable = |name: &str| (name == "HOLDGATE_FILE").then(|| "a.yaml:b.yaml".to_owned());
    let paths = |words: &[&str]| match parse(words).command {
        Command::Check(args) => args.files.paths(variable),
        other => panic!("not check but {other:?}"),
    };
    assert_eq!(
        paths(&["check", "-f", "c.yaml", "--file", "d.yaml"]),
        [PathBuf::from("c.yaml"), PathBuf::from("d.yaml")]
    );
    assert_eq!(
        paths(&["check"]),
        [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")]
    );
}

#[test]
fn the_environment_of_a_gate_counts_for_run_only() {
    let variable = |name: &str| (name == "HOLDGATE_LISTEN").then(|| "nowhere".to_owned());
    assert_eq!(parse(&["check"]).overrides(variable).complaints().len(), 0);
    assert_eq!(
        parse(&["run", "--", "a"])
            .overrides(variable)
            .complaints()
            .len(),
        1
    );
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    let error =
        Cli::try_parse_from(["holdgate", "run", "--queue-timeot", "5s"]).expect_err("unknown");
    assert_eq!(
        (error.kind(), error.exit_code()),
        (ErrorKind::UnknownArgument, 2)
    );
    assert!(error.to_string().contains("--queue-timeout"), "{error}");
}

#[cfg(feature = "kubernetes")]
#[test]
fn a_gateway_takes_its_own_flags_and_their_environment_names() {
    use std::time::Duration;

    use crate::config::load_gateway;

    let cli = parse(&[
        "gateway",
        "--domain",
        "models.example.com",
        "--namespace",
        "a",
    ]);
    let environment = |name: &str| match name {
        "HOLDGATE_NAMESPACES" | "HOLDGATE_NAMESPACE" => Some("b,c".to_owned()),
        "HOLDGATE_SHUTDOWN_DELAY" => Some("7s".to_owned()),
        _ => None,
    };
    let overrides = cli.overrides(environment);
    let config = load_gateway(&[], &overrides).expect("sound");
    assert_eq!(config.domain.as_deref(), Some("models.example.com"));
    assert_eq!(config.namespaces, ["a"], "a flag wins");
    assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
    let delay = overrides.program().shutdown_delay;
    assert_eq!(delay, Some(Duration::from_secs(7)));

    let misplaced = parse(&["gateway"])
        .overrides(|name: &str| (name == "HOLDGATE_MAX_PROCESSES").then(|| "3".to_owned()));
    load_gateway(&[], &misplaced).expect_err("it is for local processes");
    Cli::try_parse_from(["holdgate", "run", "--shutdown-delay", "1s", "--", "a"])
        .expect_err("run does not have it");
}

#[cfg(not(feature = "kubernetes"))]
#[test]
fn without_the_kubernetes_client_there_is_no_gateway() {
    let unknown = Cli::try_parse_from(["holdgate", "gateway"]).expect_err("no such command");
    assert_eq!(unknown.kind(), ErrorKind::InvalidSubcommand);
}
