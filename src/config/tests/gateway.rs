//! What a gateway is told by files, flags and environment, and what it is not.

use std::collections::BTreeSet;

use super::super::gateway::GATEWAY;
use super::super::key::AnyKey;
use super::super::keys::TOP;
use super::super::{
    GatewayConfig, Overrides, WorkloadKind, gate_flags, gateway_flags, load, load_gateway,
};
use super::{Written, overrides, revision};

fn read(text: &str, overrides: &Overrides) -> GatewayConfig {
    let files = Written::new(&[("gateway.yaml", text)]);
    load_gateway(&files.files, overrides).expect("sound")
}

fn told(text: &str, overrides: &Overrides) -> Vec<String> {
    let files = Written::new(&[("gateway.yaml", text)]);
    let told = load_gateway(&files.files, overrides)
        .expect_err("not sound")
        .to_string();
    let dir = format!("{}/", files.dir.path().display());
    told.replace(&dir, "").lines().map(str::to_owned).collect()
}

fn rollout() -> WorkloadKind {
    WorkloadKind {
        group: "argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        kind: "Rollout".to_owned(),
    }
}

#[test]
fn a_gateway_of_which_nothing_is_said_listens_for_everybody_and_looks_everywhere() {
    let config = load_gateway(&[], &Overrides::default()).expect("nothing is wrong");
    assert_eq!(config.listen, "0.0.0.0:8080".parse().expect("an address"));
    assert_eq!(
        config.admin,
        Some("0.0.0.0:9090".parse().expect("an address"))
    );
    assert_eq!(
        config.peers,
        Some("0.0.0.0:9092".parse().expect("an address"))
    );
    assert_eq!(
        (
            config.max_connections,
            config.max_streams,
            config.record_size
        ),
        (16384, 128, 256 << 20)
    );
    assert_eq!((&config.record, &config.domain), (&None, &None));
    assert!(config.namespaces.is_empty() && config.workloads.is_empty());
    assert_eq!(config.takeover_ports, 20_000..=29_999);
    assert_eq!(
        read("# nothing\n", &Overrides::default()),
        config,
        "a file may be empty"
    );
}

#[test]
fn flags_win_over_the_environment_over_the_file_of_a_gateway() {
    let text = "listen: 127.0.0.1:1\ndomain: file.example\nnamespaces: [b, a, b]\nworkloads: [Rollout.v1alpha1.argoproj.io, Deployment.v1.apps]\n";
    let config = read(text, &Overrides::default());
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.domain.as_deref(), Some("file.example"));
    assert_eq!(config.namespaces, ["a", "b"]);
    assert_eq!(
        config.workloads,
        [rollout()],
        "Deployments are there anyway"
    );
    let said = overrides(
        &["domain=flag.example", "namespace=c", "namespace=d"],
        &[
            "HOLDGATE_DOMAIN=env.example",
            "HOLDGATE_LISTEN=127.0.0.1:2",
            "HOLDGATE_WORKLOAD=LeaderWorkerSet.v1.leaderworkerset.x-k8s.io",
            "HOLDGATE_ADMIN=off",
            "HOLDGATE_PEERS=off",
            "HOLDGATE_TAKEOVER_PORTS=30000-30009",
        ],
        &[],
    );
    let config = read(text, &said);
    assert_eq!((config.listen.port(), config.admin), (2, None));
    assert_eq!(config.peers, None);
    assert_eq!(config.takeover_ports, 30_000..=30_009);
    assert_eq!(config.domain.as_deref(), Some("flag.example"));
    assert_eq!(config.namespaces, ["c", "d"]);
    assert_eq!(config.workloads[0].group, "leaderworkerset.x-k8s.io");
}

#[test]
fn what_a_gateway_cannot_read_is_told_at_once() {
    let text = "listen: here\nnamespaces: [A]\nworkloads: [rollouts, Rollout, Rollout.x.y]\ndomain: a/b\ncolour: red\ndomian: x\ndefaults: { timeout: long, name: a }\n";
    assert_eq!(
        told(text, &Overrides::default()),
        [
            "gateway.yaml:1:9: listen: wanted an address and a port such as 127.0.0.1:8080, not here",
            "gateway.yaml:2:14: namespaces[0]: wanted the name of a namespace, not A",
            "gateway.yaml:3:13: workloads[0]: wanted KIND.VERSION.GROUP such as Rollout.v1alpha1.argoproj.io, not rollouts",
            "gateway.yaml:3:23: workloads[1]: wanted KIND.VERSION.GROUP such as Rollout.v1alpha1.argoproj.io, not Rollout",
            "gateway.yaml:3:32: workloads[2]: wanted KIND.VERSION.GROUP such as Rollout.v1alpha1.argoproj.io, not Rollout.x.y",
            "gateway.yaml:4:9: domain: wanted a domain such as example.com, not a/b",
            "gateway.yaml:5:1: colour: unknown key",
            "gateway.yaml:6:1: domian: unknown key, the nearest known one is domain",
            "gateway.yaml:7:22: defaults.timeout: wanted a duration such as 90s, 5m or 1h30m, not long",
            "gateway.yaml:7:34: defaults.name: cannot be a default, every revision has its own",
        ]
    );
}

#[test]
fn the_ports_for_callers_of_services_are_a_range_of_their_own() {
    for bad in [
        "20000",
        "[20000, 29999]",
        "29999-20000",
        "80-90",
        "20000-70000",
        "a-b",
        "20000-",
    ] {
        let found = told(&format!("takeoverPorts: {bad}\n"), &Overrides::default());
        let wanted = "gateway.yaml:1:16: takeoverPorts: wanted a range of ports from 1024 to 65535 such as 20000-29999, not ";
        assert!(
            found.len() == 1 && found[0].starts_with(wanted),
            "{found:?}"
        );
    }
    assert_eq!(
        told("takeoverPorts: 8000-9999\n", &Overrides::default()),
        [
            "gateway.yaml:1:16: takeoverPorts: wanted ports without that of listen (8080), not 8000-9999",
            "gateway.yaml:1:16: takeoverPorts: wanted ports without that of admin (9090), not 8000-9999",
        ]
    );
    assert_eq!(
        told("listen: 0.0.0.0:20080\n", &Overrides::default()),
        [
            "gateway.yaml:1:9: listen: wanted a port that is not in takeoverPorts (20000-29999), not 0.0.0.0:20080"
        ]
    );
    let apart = read(
        "listen: 0.0.0.0:20080\nadmin: off\ntakeoverPorts: 9000-9999\n",
        &Overrides::default(),
    );
    assert_eq!(apart.takeover_ports, 9_000..=9_999);
}

#[test]
fn only_pods_have_callers_of_services() {
    let files = Written::new(&[(
        "a.yaml",
        &revision("path: takeover\npendingGrace: 5s\nmaxPending: 2"),
    )]);
    let other =
        "is for pods in a cluster, local processes have no callers but those who come to the gate";
    let told = files.complaints(&Overrides::default());
    assert!(
        told.len() == 1 && told[0].ends_with(&format!(".path: {other}")),
        "{told:?}"
    );
    let plain = Written::new(&[("a.yaml", &revision("path: host"))]);
    assert!(load(&plain.files, &Overrides::default()).is_ok());
    assert_eq!(
        plain.complaints(&overrides(&["path=always"], &[], &[])),
        [format!("--path: {other}")]
    );
    let files = Written::new(&[(
        "a.yaml",
        &format!("defaults: {{ path: always }}\n{}", revision("")),
    )]);
    assert_eq!(
        files.complaints(&Overrides::default()),
        [format!("a.yaml:1:19: defaults.path: {other}")]
    );
    let gateway = read("defaults: { path: always }\n", &Overrides::default());
    assert!(
        gateway.warnings.is_empty(),
        "a default of all that is in a cluster"
    );
}

#[test]
fn what_is_for_local_processes_is_refused_by_a_gateway() {
    let text = format!(
        "maxProcesses: 3\ngpus: [0]\nstate: /a\ndefaults: {{ process: {{ gpus: 1 }} }}\n{}",
        revision("")
    );
    let said = overrides(&[], &["HOLDGATE_STATE=/b", "HOLDGATE_MIN_REPLICAS=1"], &[]);
    let other = "is for the local processes of holdgate run, not for a gateway";
    assert_eq!(
        told(&text, &said),
        [
            format!("gateway.yaml:1:1: maxProcesses: {other}"),
            format!("gateway.yaml:2:1: gpus: {other}"),
            format!("gateway.yaml:3:1: state: {other}"),
            "gateway.yaml:4:30: defaults.process.gpus: is for the local processes of holdgate run, pods say this themselves".to_owned(),
            "gateway.yaml:5:1: revisions: a gateway finds its revisions in the cluster: annotate the workload with holdgate.dev/enabled: \"true\" and its settings, or apply an InferenceService".to_owned(),
            "HOLDGATE_MIN_REPLICAS: is about one revision and a gateway has many: write minReplicas under defaults in a file, or annotate the workload".to_owned(),
            format!("HOLDGATE_STATE: {other}"),
        ]
    );
    let manifest =
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: { name: m }\n";
    assert_eq!(
        told(manifest, &Overrides::default()),
        ["gateway.yaml:1:1: is read where it is in the cluster: kubectl apply -f takes it there"]
    );
}

#[test]
fn what_is_for_a_gateway_is_refused_beside_local_processes() {
    let text = format!("domain: a.example\nnamespaces: [a]\n{}", revision(""));
    let files = Written::new(&[("a.yaml", &text)]);
    let said = overrides(
        &[],
        &[
            "HOLDGATE_WORKLOAD=Rollout.v1alpha1.argoproj.io",
            "HOLDGATE_LISTEN=127.0.0.1:1",
        ],
        &[],
    );
    let other = "is for holdgate gateway, not for local processes";
    assert_eq!(
        files.complaints(&said),
        [
            format!("a.yaml:1:1: domain: {other}"),
            format!("a.yaml:2:1: namespaces: {other}"),
            format!("HOLDGATE_WORKLOAD: {other}"),
        ]
    );
    let files = Written::new(&[("a.yaml", &revision(""))]);
    assert!(
        load(
            &files.files,
            &overrides(&[], &["HOLDGATE_LISTEN=127.0.0.1:1"], &[])
        )
        .is_ok()
    );
}

#[test]
fn a_gateway_has_the_flags_of_its_keys_and_none_of_local_processes() {
    let names = |flags: &mut dyn Iterator<Item = &'static super::super::About>| -> BTreeSet<&str> {
        flags.map(|about| about.flag).collect()
    };
    let (gateway, gate) = (names(&mut gateway_flags()), names(&mut gate_flags()));
    let only = |one: &BTreeSet<&'static str>, other: &BTreeSet<&'static str>| -> Vec<&str> {
        one.difference(other).copied().collect()
    };
    let wanted = [
        "domain",
        "namespace",
        "peers",
        "report-token-file",
        "shutdown-delay",
        "takeover-ports",
        "workload",
    ];
    assert_eq!(only(&gateway, &gate), wanted);
    assert_eq!(only(&gate, &gateway), ["gpus", "max-processes", "state"]);
    let listen = gateway_flags()
        .find(|about| about.flag == "listen")
        .expect("a flag");
    assert_eq!(
        (listen.default, listen.environment().as_str()),
        ("0.0.0.0:8080", "HOLDGATE_LISTEN")
    );
}

/// Kubernetes sets variables in every pod for every Service beside it: `holdgate` would give
/// `HOLDGATE_PORT`.
#[test]
fn no_variable_is_one_that_a_service_called_holdgate_sets() {
    let keys: Vec<&dyn AnyKey> = GATEWAY.iter().chain(TOP).copied().collect();
    for about in keys
        .iter()
        .map(|key| key.about())
        .filter(|about| !about.flag.is_empty())
    {
        let name = about.environment();
        let is_set = ["_PORT", "_SERVICE_HOST", "_PROTO", "_ADDR"]
            .iter()
            .any(|end| name.ends_with(end));
        assert!(!is_set && !name.contains("_SERVICE_PORT"), "{name}");
    }
}
