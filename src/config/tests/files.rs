//! What files mean.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::gateway::GATEWAY;
use super::super::key::AnyKey;
use super::super::keys::{REVISION, TOP};
use super::super::pod::POD;
use super::super::program::{GATEWAY_PROGRAM, LOGGING, PROGRAM};
use super::super::tree::Node;
use super::super::{Config, Overrides, RevisionConfig};
use super::{meaning, revision};
use crate::backend::{ProcessSpec, Readiness, Resources};
use crate::revision::{
    Aggregation, ContainerConcurrency, OnDisconnect, OverloadStatus, QueueLimits, RevisionId,
    RevisionSpec, ScaleMetric, Scaling, Timeouts,
};
use crate::schedule::Schedule;
use crate::server::{Bounds, Patience};
use crate::state::Place;

fn default_scaling() -> Scaling {
    let seconds = Duration::from_secs;
    Scaling {
        min_replicas: 0,
        max_replicas: Some(1),
        metric: ScaleMetric::Concurrency,
        target: None,
        further_metrics: Vec::new(),
        aggregation: Aggregation::Linear,
        target_utilization_percentage: 100.0,
        stable_window: seconds(60),
        panic_window_percentage: 10.0,
        panic_threshold_percentage: 200.0,
        max_scale_up_rate: 1000.0,
        max_scale_down_rate: 2.0,
        scale_to_zero_grace_period: seconds(30),
        scale_to_zero_pod_retention_period: seconds(0).into(),
        scale_down_delay: seconds(0).into(),
        activation_scale: 1,
        initial_scale: None,
        stop_after_idle: None,
        max_starting: None,
        failed_starts: 3,
        pending_grace: Duration::from_secs(60),
        max_pending: 1,
    }
}

fn all_defaults() -> Config {
    let seconds = Duration::from_secs;
    let spec = RevisionSpec {
        id: RevisionId::new("a"),
        hosts: Vec::new(),
        models: Vec::new(),
        container_concurrency: ContainerConcurrency::UNLIMITED,
        scaling: default_scaling(),
        queue: QueueLimits {
            max_requests: 1000,
            max_bytes: 256 << 20,
            timeout: seconds(60),
            cold_timeout: seconds(600),
            read_ahead: 1 << 20,
            order: crate::revision::QueueOrder::Fifo,
        },
        wishes: crate::revision::Wishes {
            deadlines: true,
            ..Default::default()
        },
        timeouts: Timeouts {
            total: Some(seconds(300)),
            stream: None,
            idle: Some(seconds(300)),
            connect: seconds(5),
            first_byte: None,
        },
        max_body_bytes: None,
        overload_status: OverloadStatus::TooManyRequests,
        on_disconnect: OnDisconnect::Auto,
        protocol: crate::revision::Protocol::Auto,
        path: crate::revision::CallerPath::Host,
        at_zero: crate::revision::AtZero {
            probes: true,
            canned: std::sync::Arc::default(),
        },
        waiting: crate::revision::Waiting::default(),
    };
    let process = ProcessSpec {
        command: vec!["a".to_owned()],
        env: Vec::new(),
        dir: None,
        readiness: Readiness {
            path: None,
            timeout: seconds(600),
        },
        stop_timeout: seconds(10),
        gpus: 0,
        resources: Resources::default(),
    };
    Config {
        tls: None,
        listen: "127.0.0.1:8080".parse().expect("an address"),
        admin: Some("127.0.0.1:9090".parse().expect("an address")),
        admin_token_file: None,
        max_connections: 16384,
        max_streams: 128,
        max_queued_requests: 10_000,
        max_queued_bytes: 1 << 30,
        bounds: Bounds {
            head_bytes: 65_536,
            headers: 100,
            patience: Patience {
                head: seconds(30),
                idle: Some(seconds(300)),
            },
        },
        max_processes: 16,
        state: Place::Usual,
        gpus: None,
        record: None,
        record_size: 256 << 20,
        api_keys: std::sync::Arc::default(),
        model_scan: 1 << 20,
        replica_files: Vec::new(),
        revisions: vec![RevisionConfig {
            spec,
            schedule: Schedule::default(),
            process: Some(process),
            tls: None,
        }],
        warnings: Vec::new(),
    }
}

#[test]
fn a_revision_of_which_nothing_is_said_has_the_promised_defaults() {
    assert_eq!(meaning(&revision("")), all_defaults());
}

#[test]
fn no_two_keys_share_a_path_a_flag_or_a_variable() {
    let tables = [TOP, REVISION, POD, LOGGING, PROGRAM, GATEWAY_PROGRAM];
    let of_gateway = GATEWAY.iter().filter(|key| {
        let is_meant = |other: &&&dyn AnyKey| other.about().path == key.about().path;
        !TOP.iter().any(|other| is_meant(&other))
    });
    let keys: Vec<&dyn AnyKey> = tables
        .iter()
        .flat_map(|table| table.iter())
        .chain(of_gateway)
        .copied()
        .collect();
    let mut seen = BTreeSet::new();
    for about in keys.iter().map(|key| key.about()) {
        assert!(seen.insert(about.path.to_owned()), "{}", about.path);
        let read = about.default.is_empty()
            || keys.iter().any(|key| {
                let node = Node::plain(&super::super::Origin::CommandLine, about.default);
                key.about().path == about.path && key.is_default(&node)
            });
        assert!(read, "the default of {} cannot be read", about.path);
        if !about.flag.is_empty() {
            assert!(seen.insert(format!("--{}", about.flag)), "--{}", about.flag);
            assert!(seen.insert(about.environment()), "{}", about.environment());
        }
    }
}

#[test]
fn several_files_are_one_configuration() {
    let files = super::Written::new(&[
        (
            "a.yaml",
            "listen: 127.0.0.1:1\ndefaults: { minReplicas: 1 }\n",
        ),
        (
            "b.yaml",
            "revisions:\n- { name: b, hosts: [b], process: { command: [b] } }\n",
        ),
        (
            "c.yaml",
            "revisions:\n- { name: c, hosts: [c], process: { command: [c] } }\n",
        ),
    ]);
    let config = files.load(&Overrides::default()).expect("sound");
    assert_eq!(config.listen.port(), 1);
    let told: Vec<_> = config
        .revisions
        .iter()
        .map(|r| (r.spec.id.as_str(), r.spec.scaling.min_replicas))
        .collect();
    assert_eq!(told, [("b", 1), ("c", 1)]);
}
