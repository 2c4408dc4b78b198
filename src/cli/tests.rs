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

#[test]
fn check_tells_what_a_file_means_or_all_that_is_wrong() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("a.yaml");
    let told = |text: &str| {
        std::fs::write(&file, text).expect("written");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = check(std::slice::from_ref(&file), &mut out, &mut err).expect("told");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (
            code,
            text(out),
            text(err).replace(&dir.path().display().to_string(), "."),
        )
    };
    let sound = "\
revisions:
- { name: m, models: [m], containerConcurrency: 2, stopAfterIdle: 5m, process: { command: [serve] } }
";
    let meaning = "\
listens on 127.0.0.1:8080, admin 127.0.0.1:9090; at most 16384 connections and 16 model servers

m
  takes   every host; models m
  starts  serve
  ready   once its port takes connections, within 10m
  scales  0 to 1 replicas, aims for 2 at once in each; the last one goes 5m after the last request
  limits  never more than 2 at once in a replica
  waits   at most 1000 requests and 256MiB, for 1m, for 10m while no replica is ready
  answers within 5m, streams within no bound, ends after 5m without a byte
";
    assert_eq!(told(sound), (0, meaning.to_owned(), String::new()));
    let on_devices = "\
gpus: [0, 1]
revisions:
- { name: m, process: { command: [serve], gpus: 2 } }
";
    let (code, told_of_devices, _) = told(on_devices);
    assert_eq!(code, 0);
    for line in [
        "gives model servers GPUs 0, 1\n",
        "\n  holds   2 GPUs in each replica, to itself\n",
    ] {
        assert!(told_of_devices.contains(line), "{told_of_devices}");
    }
    let manifest = "\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: { name: m, annotations: { autoscaling.knative.dev/max-scale: '2' } }
spec: { predictor: { sklearn: {} } }
";
    let (code, out, err) = told(manifest);
    assert_eq!(code, 0, "a warning stops nobody");
    assert!(out.contains("m-predictor\n  takes   every host; models m\n  starts  nothing yet"));
    assert!(
        err.starts_with("warning: ./a.yaml:3:72: metadata.annotations."),
        "{err}"
    );
    let measured = "revisions:\n- { name: m, process: { command: [serve], resources: { memory: 1Gi } }, \
        autoscaling: { metrics: [{ metric: cpu }, { metric: memory }, \
        { metric: \"vllm:num_requests_waiting\", target: 5 }] } }\n";
    let aims =
        "aims for 80% of cpu and 819.2MiB of memory and 5 vllm:num_requests_waiting in each\n";
    let (code, out, err) = told(measured);
    assert_eq!((code, err), (0, String::new()));
    assert!(out.contains(aims), "{out}");
    let wrong = "revisions:\n- { name: m, process: { command: serve } }\n- { colour: red }\n";
    let (code, out, err) = told(wrong);
    assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 5 + 1));
    assert!(
        err.starts_with("./a.yaml:2:3: revisions[0]: wanted hosts or models"),
        "{err}"
    );
}

#[test]
fn check_reads_the_file_of_a_gateway_when_told_that_it_is_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("a.yaml");
    let told = |text: &str, tell: fn(&[PathBuf], &mut dyn Write, &mut dyn Write) -> _| {
        std::fs::write(&file, text).expect("written");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code: io::Result<u8> = tell(std::slice::from_ref(&file), &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let err = text(err).replace(&dir.path().display().to_string(), ".");
        (code.expect("told"), text(out), err)
    };
    let sound = "\
domain: models.example
namespaces: [a, b]
workloads: [Rollout.v1alpha1.argoproj.io]
defaults: { containerConcurrency: 4, maxReplicas: 8, queue: { coldTimeout: 20m } }
";
    let meaning = "\
a gateway that listens on 0.0.0.0:8080, admin 0.0.0.0:9090; at most 16384 connections
  domain  models.example
  looks   in a, b, at Deployment, StatefulSet, Rollout

a workload that says nothing of its own
  scales  0 to 8 replicas, aims for 4 at once in each
  limits  never more than 4 at once in a replica
  waits   at most 1000 requests and 256MiB, for 1m, for 20m while no replica is ready
  answers within 5m, streams within no bound, ends after 5m without a byte
";
    let wanted = (0, meaning.to_owned(), String::new());
    assert_eq!(told(sound, check_gateway), wanted);
    let (code, out, err) = told("listen: 127.0.0.1:1\n", check_gateway);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("  domain  KServe's, else example.com\n  looks   in all namespaces, at "));

    let hint = "what is meant for a gateway is read by: check --gateway\n";
    let (code, _, err) = told(sound, check);
    assert_eq!(code, 2);
    assert!(err.ends_with(hint), "{err}");
    let (_, _, err) = told("revisions: []\n", check);
    assert!(!err.contains(hint), "{err}");

    let odd = "defaults: { minReplicas: 5, maxReplicas: 2 }\n";
    let (code, out, err) = told(odd, check_gateway);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.starts_with("./a.yaml:1:"), "{err}");
    let (code, _, err) = told("revisions: []\n", check_gateway);
    assert_eq!(code, 2);
    assert!(err.contains("in the cluster"), "{err}");
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
