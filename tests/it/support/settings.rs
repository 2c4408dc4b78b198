//! What a person would have written.

use std::time::Duration;

use holdgate::backend::{ProcessSpec, Readiness, Resources};
use holdgate::revision::{
    ContainerConcurrency, OnDisconnect, OverloadStatus, QueueLimits, RevisionId, RevisionSpec,
    Timeouts,
};

use super::{ms, secs};
use crate::autoscale::scaling;

/// The defaults, without a cap, at one request in flight per replica.
pub(crate) fn defaults(name: &str) -> RevisionSpec {
    RevisionSpec {
        id: RevisionId::new(name),
        hosts: vec![format!("{name}.example")],
        models: vec![name.to_owned()],
        container_concurrency: ContainerConcurrency::UNLIMITED,
        scaling: scaling(),
        queue: QueueLimits {
            max_requests: 1000,
            max_bytes: 256 << 20,
            timeout: secs(60),
            cold_timeout: secs(600),
            read_ahead: 1 << 20,
            order: holdgate::revision::QueueOrder::Fifo,
        },
        wishes: holdgate::revision::Wishes {
            deadlines: true,
            ..Default::default()
        },
        timeouts: Timeouts {
            total: Some(secs(300)),
            stream: None,
            idle: Some(secs(300)),
            connect: secs(5),
            first_byte: None,
        },
        max_body_bytes: None,
        overload_status: OverloadStatus::TooManyRequests,
        on_disconnect: OnDisconnect::Auto,
        protocol: holdgate::revision::Protocol::Auto,
        path: holdgate::revision::CallerPath::Host,
        at_zero: holdgate::revision::AtZero {
            probes: true,
            canned: std::sync::Arc::default(),
        },
        waiting: holdgate::revision::Waiting::default(),
    }
}

/// The defaults with a hard limit, and from so many to so many replicas.
pub(crate) fn revision(limit: u32, replicas: std::ops::RangeInclusive<u32>) -> RevisionSpec {
    let mut spec = defaults("m");
    spec.container_concurrency = ContainerConcurrency::new(limit);
    spec.scaling.min_replicas = *replicas.start();
    spec.scaling.max_replicas = Some(*replicas.end());
    spec
}

/// A model server that loads for so long.
pub(crate) fn process(load: Duration) -> ProcessSpec {
    ProcessSpec {
        command: vec!["model".into(), "{port}".into()],
        env: vec![("LOAD_MS".into(), load.as_millis().to_string())],
        dir: None,
        readiness: Readiness {
            path: Some("/ready".into()),
            timeout: secs(3600),
        },
        stop_timeout: secs(30),
        gpus: 0,
        resources: Resources::default(),
    }
}

/// How long the model server of a spec loads.
pub(super) fn load_time(spec: &ProcessSpec) -> Duration {
    let load = spec.env.iter().find(|(name, _)| name == "LOAD_MS");
    let (_, load) = load.expect("a process spec of ours");
    ms(load.parse().expect("a number"))
}
