//! Annotated workloads as files: the same words as in a cluster, with a command behind them.

use super::super::{Written, complaints, meaning, overrides};
use super::warnings;
use crate::config::{Overrides, RevisionConfig, load_to_run};
use crate::revision::CallerPath;

/// A Deployment with these annotations, and this container in its pods.
fn deployment(annotations: &str, container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: chat, annotations: {{ {annotations} }} }}\n\
         spec: {{ replicas: 3, template: {{ spec: {{ containers: [ {{ name: server{container} }} ] }} }} }}\n"
    )
}

fn enabled(annotations: &str) -> String {
    deployment(
        &format!("holdgate.dev/enabled: \"true\", {annotations}"),
        "",
    )
}

#[test]
fn an_annotated_workload_is_a_revision_here_as_well() {
    let text = enabled(
        "autoscaling.knative.dev/target: \"2\", holdgate.dev/container-concurrency: \"4\", \
         holdgate.dev/readiness-path: /up, holdgate.dev/models: tiny, holdgate.dev/service: talk",
    );
    for text in [text.clone(), text.replace("Deployment", "StatefulSet")] {
        let files = Written::new(&[("a.yaml", &text)]);
        let config = load_to_run(&files.files, &overrides(&[], &[], &["serve"])).expect("sound");
        let [RevisionConfig { spec, process, .. }] = &config.revisions[..] else {
            panic!("one revision");
        };
        let scaling = &spec.scaling;
        assert_eq!(spec.id.as_str(), "chat");
        assert_eq!(
            (scaling.min_replicas, scaling.max_replicas, scaling.target),
            (0, None, Some(2.0))
        );
        assert_eq!(spec.container_concurrency.written(), 4);
        assert_eq!(spec.models, ["tiny"]);
        let hosts = [
            "chat.default.example.com",
            "chat-default.example.com",
            "chat.default",
            "talk.default",
            "talk.default.svc",
            "talk.default.svc.cluster.local",
        ];
        assert_eq!(spec.hosts, hosts);
        let process = process.as_ref().expect("it is run");
        assert_eq!(process.readiness.path.as_deref(), Some("/up"));
        assert_eq!(config.warnings, []);
    }
    let told = load_to_run(
        &Written::new(&[("a.yaml", &text)]).files,
        &Overrides::default(),
    );
    let told = told.expect_err("no command").to_string();
    assert!(told.ends_with("a.yaml:1:1: no command to run it, wanted -- COMMAND, or a file with a revision chat and its process.command"), "{told}");
}

#[test]
fn what_only_pods_have_is_named_here() {
    let port = warnings(&enabled("holdgate.dev/port: \"8000\""));
    assert_eq!(
        port,
        [
            "a.yaml:3:70: metadata.annotations.holdgate.dev/port: is the port of pods, here {port} in the command says where to listen"
        ]
    );
    let always = "holdgate.dev/path: always, holdgate.dev/pending-grace: 5s, holdgate.dev/max-pending: \"2\"";
    assert_eq!(
        warnings(&enabled(always)),
        [
            "a.yaml:3:70: metadata.annotations.holdgate.dev/path: is for pods in a cluster, local processes have no callers but those who come to the gate"
        ]
    );
    let files = Written::new(&[("a.yaml", &enabled("holdgate.dev/path: takeover"))]);
    let config = load_to_run(&files.files, &overrides(&[], &[], &["serve"])).expect("sound");
    let path = config.revisions[0].spec.path;
    assert_eq!(path, CallerPath::Host, "all of its callers pass the gate");
    assert_eq!(warnings(&enabled("holdgate.dev/path: host")), [""; 0]);
    let stopped = super::annotated("serving.kserve.io/stop: \"true\"", "");
    assert_eq!(
        warnings(&stopped),
        [
            "a.yaml:3:61: metadata.annotations.serving.kserve.io/stop: in a cluster it is stopped by this and answers 503, here it runs"
        ]
    );
    assert_eq!(warnings(&stopped.replace("true", "false")), [""; 0]);
}

#[test]
fn a_workload_says_by_itself_what_it_may_use() {
    let memory = |container: &str| {
        let text = deployment(
            "holdgate.dev/enabled: \"true\", holdgate.dev/scale-metric: memory",
            container,
        );
        meaning(&text).revisions[0].spec.scaling.target
    };
    assert_eq!(
        memory(", resources: { requests: { memory: 10Mi } }"),
        Some(8.0 * 1_048_576.0)
    );
    let none = deployment(
        "holdgate.dev/enabled: \"true\", holdgate.dev/scale-metric: memory",
        "",
    );
    assert_eq!(
        complaints(&none),
        [
            "a.yaml:3:97: metadata.annotations.holdgate.dev/scale-metric: wanted a scaleTarget as well, such as 2GiB; without process.resources.memory nobody can guess it"
        ]
    );
}

#[test]
fn a_workload_that_does_not_opt_in_is_not_read() {
    let off = deployment(
        "holdgate.dev/enabled: \"false\", holdgate.dev/timeout: nonsense",
        "",
    );
    let on = enabled("");
    assert_eq!(
        warnings(&format!("{off}---\n{on}")),
        [
            "a.yaml:1:1: Deployment chat is not read, only InferenceService, workloads with holdgate.dev/enabled: \"true\" and ConfigMap config-autoscaler are"
        ]
    );
    let odd = deployment("holdgate.dev/enabled: \"yes\"", "");
    assert_eq!(
        complaints(&odd),
        [
            "a.yaml:3:62: metadata.annotations.holdgate.dev/enabled: wanted \"true\" or \"false\", not \"yes\""
        ]
    );
    let nameless = on.replace("name: chat,", "");
    assert_eq!(
        complaints(&nameless),
        ["a.yaml:3:11: metadata: wanted a name of the workload"]
    );
}

#[test]
fn a_workload_begins_with_none_unless_it_says_otherwise() {
    let scaling = |annotations: &str| super::scaling(&enabled(annotations));
    assert_eq!(
        scaling("autoscaling.knative.dev/initial-scale: \"0\"").initial_scale,
        Some(0)
    );
    assert_eq!(
        scaling("autoscaling.knative.dev/min-scale: \"2\"").min_replicas,
        2
    );
}
