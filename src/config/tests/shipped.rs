//! That the files we ship say what they promise.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::super::complaint::Complaints;
use super::super::gateway::GATEWAY;
use super::super::key::Table;
use super::super::keys::{REVISION, TOP};
use super::super::pod::POD;
use super::super::sidecar::TOP_OF_SIDECAR;
use super::super::tree::Node;
use super::super::yaml;
use super::super::{Overrides, load, load_gateway, load_sidecar, load_text};
use super::{Written, cluster, complaints};

/// What is no file of a gate of local processes.
const OF_A_GATEWAY: &str = "gateway.yaml";
const OF_A_SIDECAR: &str = "sidecar.yaml";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("proxy-config")
        .join(name)
}

fn parsed(text: &str) -> Node {
    let mut complaints = Complaints::default();
    let roots = yaml::parse(
        &Arc::from(Path::new("reference.yaml")),
        text,
        &mut complaints,
    );
    assert_eq!(complaints, Complaints::default());
    let root = roots.and_then(|mut roots| roots.pop());
    root.expect("the text has content")
}

fn at<'a>(root: &'a Node, path: &str) -> Option<&'a Node> {
    path.split('.')
        .try_fold(root, |node, key| node.entry(key).map(|entry| &entry.node))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).expect("the file is there")
}

/// Keys without a default stand behind a bare `#`, and prose behind `# `.
fn bare(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('#')?;
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        .then_some(rest)
}

/// A file with its examples, but for these keys.
fn with_examples(text: &str, others: &[&str]) -> String {
    let is_meant = |line: &str| {
        let key = bare(line).and_then(|rest| rest.split(':').next());
        key.is_some_and(|key| !others.contains(&key))
    };
    let uncomment = |line: &str| {
        if is_meant(line) {
            line.replacen('#', "", 1)
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<String> = text.lines().map(uncomment).collect();
    lines.join("\n")
}

/// Every key of the table is told, and its default shown.
fn check(table: Table, shown: &Node, told: &Node) {
    for key in table {
        let about = key.about();
        assert!(
            at(told, about.path).is_some(),
            "{} is not there",
            about.path
        );
        if !about.default.is_empty() {
            let node = at(shown, about.path).expect("a key with a default is shown");
            assert!(
                key.is_default(node),
                "{} is not {}",
                about.path,
                node.found()
            );
        }
    }
}

/// The keys of a gateway alone.
fn only_of_a_gateway() -> Vec<&'static str> {
    let paths = |table: Table| {
        table
            .iter()
            .map(|key| key.about().path)
            .collect::<BTreeSet<_>>()
    };
    paths(GATEWAY).difference(&paths(TOP)).copied().collect()
}

#[test]
fn every_shipped_file_is_sound() {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(shipped("")).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let files = std::slice::from_ref(&path);
        let told = if name == OF_A_GATEWAY {
            load_gateway(files, &Overrides::default()).map(|config| config.warnings)
        } else if name == OF_A_SIDECAR {
            load_sidecar(files, &Overrides::default()).map(|config| config.warnings)
        } else {
            load(files, &Overrides::default()).map(|config| config.warnings)
        };
        assert_eq!(told.expect("it is sound"), [], "{name}");
        names.insert(name);
    }
    assert!(
        names.contains("flowers-sample.yaml")
            && names.contains(OF_A_GATEWAY)
            && names.contains(OF_A_SIDECAR),
        "found {names:?}"
    );
}

#[test]
fn the_reference_has_every_key_and_shows_its_default() {
    let text = text("reference.yaml");
    let of_a_gateway = only_of_a_gateway();
    let all = with_examples(&text, &of_a_gateway);
    assert_eq!(complaints(&all), [""; 0]);
    let (shown, told) = (parsed(&text), parsed(&all));
    check(TOP, &shown, &told);
    let revision_of = |root: &Node| {
        let revision = at(root, "revisions").and_then(|node| node.items().first().cloned());
        revision.expect("a revision")
    };
    check(REVISION, &revision_of(&shown), &revision_of(&told));
    let with_all = parsed(&with_examples(&text, &[]));
    assert_eq!(of_a_gateway.len(), 6);
    for path in of_a_gateway {
        assert!(
            at(&with_all, path).is_some(),
            "{path} is not in the reference"
        );
    }
}

#[test]
fn the_gateways_file_has_every_key_and_shows_its_default() {
    let text = text(OF_A_GATEWAY);
    let all = with_examples(&text, &[]);
    check(GATEWAY, &parsed(&text), &parsed(&all));
    let files = Written::new(&[("gateway.yaml", &all)]);
    let config = load_gateway(&files.files, &Overrides::default());
    assert_eq!(
        config.expect("its examples are sound").domain.as_deref(),
        Some("models.example.com")
    );
    let plain = load_gateway(&[shipped(OF_A_GATEWAY)], &Overrides::default());
    assert_eq!(
        plain.ok(),
        load_gateway(&[], &Overrides::default()).ok(),
        "as it stands it changes nothing"
    );
}

#[test]
fn the_sidecars_file_has_every_key_of_its_own_and_shows_its_default() {
    let text = text(OF_A_SIDECAR);
    let all = with_examples(&text, &["grpc"]);
    check(
        &TOP_OF_SIDECAR,
        &parsed(&text),
        &parsed(&with_examples(&text, &[])),
    );
    let files = Written::new(&[("sidecar.yaml", &all)]);
    let config = load_sidecar(&files.files, &Overrides::default()).expect("its examples are sound");
    assert_eq!(
        config.report_to.map(|to| to.authority).as_deref(),
        Some("holdgate-gateway.holdgate-system:9090")
    );
    let plain = load_sidecar(&[shipped(OF_A_SIDECAR)], &Overrides::default());
    assert_eq!(
        plain.ok(),
        load_sidecar(&[], &Overrides::default()).ok(),
        "as it stands it changes nothing"
    );
}

#[test]
fn the_annotated_deployment_has_every_key_of_pods_and_means_the_same_here_as_in_a_cluster() {
    let all = with_examples(&text("deployment.yaml"), &[]);
    for about in POD.iter().map(|key| key.about()) {
        let name = about.path.replace("readinessPath", "readiness-path");
        assert!(
            all.contains(&format!("\n    holdgate.dev/{name}:")),
            "{name}"
        );
    }
    let here = load_text("deployment.yaml".as_ref(), &all, &Overrides::default());
    let here = here.expect("it is sound").revisions.remove(0);
    let mut object = cluster::object(&all);
    object["metadata"]["namespace"] = json!("default");
    let there = cluster::workload_of(&object, "chat.default").expect("it is sound");
    assert_eq!(
        cluster::nameless(&there.spec),
        cluster::nameless(&here.spec)
    );
    assert_eq!(
        (there.spec.hosts, there.schedule),
        (here.spec.hosts, here.schedule)
    );
    assert_eq!(
        (there.pod.port, there.pod.readiness_path.as_deref()),
        (Some(8000), Some("/health"))
    );
    assert_eq!(there.pod.services, ["chat", "chat-internal"]);
    assert!(there.warnings.is_empty());
}
