//! One revision's layers as the settings that the rest of the program knows, with the rules
//! between keys. Rules between revisions are in `check`.

use std::time::Duration;

use super::RevisionConfig;
use super::complaint::{Complaint, Complaints};
use super::key::Key;
use super::keys as k;
use super::layers::Layers;
use super::tree::{Node, below};
use crate::backend::{ProcessSpec, Readiness, Resources};
use crate::revision::{
    ContainerConcurrency, QueueLimits, RevisionId, RevisionSpec, Scaling, Timeouts,
};

/// One revision with everything that was said about it.
pub(super) struct Draft<'a> {
    /// Where it begins.
    pub(super) at: &'a Node,
    pub(super) layers: Layers<'a>,
}

impl Draft<'_> {
    /// Its settings; `None` when something it needs is missing. With complaints, values that could
    /// not be read are replaced by their defaults.
    pub(super) fn check(&self, complaints: &mut Complaints) -> Option<RevisionConfig> {
        self.rules(complaints);
        let name = self.needed(&k::NAME, "a name", complaints);
        let what = r#"a list such as [my-server, --port, "{port}"]"#;
        let command = self.needed(&k::COMMAND, what, complaints);
        Some(RevisionConfig {
            spec: self.spec(RevisionId::new(name?)),
            process: Some(self.process(command?)),
        })
    }

    fn needed<T>(&self, key: &Key<T>, what: &str, complaints: &mut Complaints) -> Option<T> {
        if self.layers.node(key).is_none() {
            complaints.push(Complaint {
                origin: self.at.origin.clone(),
                path: below(&self.at.path, key.about.path),
                message: format!("is missing, wanted {what}"),
            });
        }
        self.layers.written(key)
    }

    /// Knative's rules between its numbers.
    fn rules(&self, complaints: &mut Complaints) {
        let max = self.layers.written(&k::MAX_REPLICAS).filter(|max| *max > 0);
        let min = self.layers.sound(&k::MIN_REPLICAS);
        let activation = self.layers.written(&k::ACTIVATION_SCALE);
        if let Some(max) = max {
            let what = format!("at most maxReplicas ({max})");
            self.at_most(max, min, &k::MIN_REPLICAS, &what, complaints);
            self.at_most(max, activation, &k::ACTIVATION_SCALE, &what, complaints);
        }
        if let (Some(min), Some(activation)) = (min, activation.filter(|n| *n > 1))
            && activation < min
            && let Some(node) = self.layers.node(&k::ACTIVATION_SCALE)
        {
            complaints.push(node.wanted(&format!("at least minReplicas ({min})")));
        }
    }

    fn at_most(
        &self,
        most: u32,
        written: Option<u32>,
        key: &Key<u32>,
        what: &str,
        complaints: &mut Complaints,
    ) {
        if let (Some(node), Some(_)) = (self.layers.node(key), written.filter(|n| *n > most)) {
            complaints.push(node.wanted(what));
        }
    }

    fn spec(&self, id: RevisionId) -> RevisionSpec {
        let layers = &self.layers;
        RevisionSpec {
            id,
            hosts: once_each(layers.written(&k::HOSTS)),
            models: once_each(layers.written(&k::MODELS)),
            container_concurrency: ContainerConcurrency::new(
                layers.value(&k::CONTAINER_CONCURRENCY),
            ),
            scaling: self.scaling(),
            queue: self.queue(),
            timeouts: self.timeouts(),
            max_body_bytes: Some(layers.value(&k::MAX_BODY_BYTES)).filter(|most| *most > 0),
            overload_status: layers.value(&k::OVERLOAD_STATUS),
            on_disconnect: layers.value(&k::ON_DISCONNECT),
        }
    }

    fn scaling(&self) -> Scaling {
        let layers = &self.layers;
        Scaling {
            min_replicas: layers.value(&k::MIN_REPLICAS),
            max_replicas: self.max_replicas(),
            metric: layers.value(&k::SCALE_METRIC),
            target: layers.written(&k::SCALE_TARGET),
            further_metrics: Vec::new(),
            target_utilization_percentage: layers.value(&k::TARGET_UTILIZATION),
            stable_window: layers.value(&k::STABLE_WINDOW),
            panic_window_percentage: layers.value(&k::PANIC_WINDOW),
            panic_threshold_percentage: layers.value(&k::PANIC_THRESHOLD),
            max_scale_up_rate: layers.value(&k::MAX_SCALE_UP_RATE),
            max_scale_down_rate: layers.value(&k::MAX_SCALE_DOWN_RATE),
            scale_to_zero_grace_period: layers.value(&k::GRACE_PERIOD),
            scale_to_zero_pod_retention_period: layers.value(&k::RETENTION_PERIOD),
            scale_down_delay: layers.value(&k::SCALE_DOWN_DELAY),
            activation_scale: layers.value(&k::ACTIVATION_SCALE),
            initial_scale: layers.written(&k::INITIAL_SCALE),
            stop_after_idle: layers.written(&k::STOP_AFTER_IDLE),
            aggregation: layers.value(&k::AGGREGATION),
            max_starting: Some(layers.value(&k::MAX_STARTING)).filter(|most| *most > 0),
            failed_starts: layers.value(&k::FAILED_STARTS),
        }
    }

    /// The cap. Nobody who writes `minReplicas: 3` alone means at most one.
    fn max_replicas(&self) -> Option<u32> {
        let layers = &self.layers;
        let max = layers.value(&k::MAX_REPLICAS);
        if layers.node(&k::MAX_REPLICAS).is_some() {
            return Some(max).filter(|max| *max > 0);
        }
        let start = layers.value(&k::ACTIVATION_SCALE);
        let initial = layers.written(&k::INITIAL_SCALE).unwrap_or(0);
        Some(
            max.max(layers.value(&k::MIN_REPLICAS))
                .max(start)
                .max(initial),
        )
    }

    fn queue(&self) -> QueueLimits {
        let layers = &self.layers;
        QueueLimits {
            max_requests: layers.value(&k::QUEUE_MAX_REQUESTS),
            max_bytes: layers.value(&k::QUEUE_MAX_BYTES),
            timeout: layers.value(&k::QUEUE_TIMEOUT),
            cold_timeout: layers.value(&k::QUEUE_COLD_TIMEOUT),
            read_ahead: layers.value(&k::QUEUE_READ_AHEAD),
        }
    }

    fn timeouts(&self) -> Timeouts {
        let layers = &self.layers;
        Timeouts {
            total: layers.value(&k::TIMEOUT),
            stream: layers.value(&k::STREAM_TIMEOUT),
            idle: layers.value(&k::IDLE_TIMEOUT),
            connect: layers.value(&k::CONNECT_TIMEOUT),
            first_byte: layers.value(&k::FIRST_BYTE_TIMEOUT),
        }
    }

    fn process(&self, command: Vec<String>) -> ProcessSpec {
        let layers = &self.layers;
        let cold: Duration = layers.value(&k::QUEUE_COLD_TIMEOUT);
        ProcessSpec {
            command,
            env: self.environment(),
            dir: layers.written(&k::DIR),
            readiness: Readiness {
                path: layers.written(&k::READINESS_PATH),
                timeout: layers.written(&k::READINESS_TIMEOUT).unwrap_or(cold),
            },
            stop_timeout: layers.value(&k::STOP_TIMEOUT),
            gpus: layers.value(&k::PROCESS_GPUS),
            resources: Resources::default(),
        }
    }

    /// Variables add up over the layers: a default for all, one more for this revision.
    fn environment(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        for node in self.layers.nodes(&k::ENV) {
            let read = (k::ENV.read)(node, &mut Complaints::default()).unwrap_or_default();
            for (name, value) in read {
                all.retain(|(known, _)| *known != name);
                all.push((name, value));
            }
        }
        all
    }
}

fn once_each(words: Option<Vec<String>>) -> Vec<String> {
    let mut kept = Vec::new();
    for word in words.unwrap_or_default() {
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    kept
}
