//! One revision's layers as the settings that the rest of the program knows. Rules between its keys
//! are in `rules`, rules between revisions in `check`.

use std::time::Duration;

use super::RevisionConfig;
use super::choices::Order;
use super::complaint::Complaints;
use super::key::Key;
use super::keys as k;
use super::knative;
use super::layers::Layers;
use super::manifest::Subject;
use super::metrics;
use super::tree::Node;
use super::upstream;
use crate::backend::{ProcessSpec, Readiness, Resources};
use crate::revision::{
    AtZero, ContainerConcurrency, QueueLimits, QueueOrder, RevisionId, RevisionSpec, ScaleMetric,
    Scaling, Timeouts, Waiting, Wishes,
};
use crate::schedule::Schedule;

/// One revision with everything that was said about it.
pub(super) struct Draft<'a> {
    /// Where it begins.
    pub(super) at: &'a Node,
    pub(super) layers: Layers<'a>,
    /// What a manifest says of it besides.
    pub(super) subject: Option<&'a Subject>,
}

/// Whether a component of a manifest, which says nothing of local processes, needs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commands {
    /// Something is started.
    Needed,
    /// It is only read.
    MayCome,
    /// The same, and the files that it names are looked at.
    MayComeLooked,
}

impl Draft<'_> {
    /// Its settings; `None` when something it needs is missing. With complaints, values that could
    /// not be read are replaced by their defaults.
    pub(super) fn check(
        &self,
        commands: Commands,
        complaints: &mut Complaints,
    ) -> Option<RevisionConfig> {
        self.rules(complaints);
        self.rule_of_callers(complaints);
        let name = self.needed(&k::NAME, "a name", complaints);
        let command = if let Some(subject) = self.subject {
            if commands == Commands::Needed && self.layers.node(&k::COMMAND).is_none() {
                complaints.push(self.at.complaint(subject.wanted_command()));
            }
            self.layers.written(&k::COMMAND)
        } else {
            let what = r#"a list such as [my-server, --port, "{port}"]"#;
            Some(self.needed(&k::COMMAND, what, complaints)?)
        };
        Some(RevisionConfig {
            spec: self.spec(RevisionId::new(name?)),
            schedule: self.schedule(),
            process: command.map(|command| self.process(command)),
            tls: match commands {
                Commands::Needed | Commands::MayComeLooked => {
                    upstream::settle(&self.layers, complaints)
                }
                Commands::MayCome => {
                    upstream::check(&self.layers, complaints);
                    None
                }
            },
        })
    }

    fn needed<T>(&self, key: &Key<T>, what: &str, complaints: &mut Complaints) -> Option<T> {
        if self.layers.node(key).is_none() {
            complaints.push(self.at.missing(key.about.path, what));
        }
        self.layers.written(key)
    }

    /// What is so of it whatever world its replicas live in.
    pub(super) fn spec(&self, id: RevisionId) -> RevisionSpec {
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
            wishes: self.wishes(),
            timeouts: self.timeouts(),
            max_body_bytes: Some(layers.value(&k::MAX_BODY_BYTES)).filter(|most| *most > 0),
            overload_status: layers.value(&k::OVERLOAD_STATUS),
            on_disconnect: layers.value(&k::ON_DISCONNECT),
            protocol: layers.value(&k::PROTOCOL),
            path: layers.value(&k::CALLER_PATH),
            at_zero: AtZero {
                probes: layers.value(&k::ANSWER_PROBES),
                canned: layers
                    .written(&k::PROBE_RESPONSES)
                    .unwrap_or_default()
                    .into(),
            },
            waiting: Waiting {
                page: layers.value(&k::WAITING_PAGE),
                heartbeat: layers.value(&k::WAITING_HEARTBEAT),
                keep_alive: layers.value(&k::WAITING_KEEP_ALIVE),
            },
        }
    }

    fn scaling(&self) -> Scaling {
        let layers = &self.layers;
        let (main, further_metrics) = metrics::settle(layers);
        Scaling {
            min_replicas: self.min_replicas(),
            max_replicas: self.max_replicas(),
            target: main.target.or_else(|| self.default_target(&main.metric)),
            further_metrics,
            target_utilization_percentage: self.utilization(&main.metric),
            metric: main.metric,
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
            pending_grace: layers.value(&k::PENDING_GRACE),
            max_pending: layers.value(&k::MAX_PENDING),
        }
    }

    fn min_replicas(&self) -> u32 {
        let may_be_none: bool = self.layers.value(&k::ENABLE_SCALE_TO_ZERO);
        self.layers
            .value(&k::MIN_REPLICAS)
            .max(u32::from(!may_be_none))
    }

    /// The cap. Nobody who writes `minReplicas: 3` alone means at most one, and a manifest that
    /// names no cap has none.
    fn max_replicas(&self) -> Option<u32> {
        let layers = &self.layers;
        let written = layers.node(&k::MAX_REPLICAS).is_some();
        let max = match layers.value(&k::MAX_REPLICAS) {
            max if written => Some(max).filter(|max| *max > 0),
            _ if self.subject.is_some() => None,
            max => Some(
                max.max(layers.value(&k::MIN_REPLICAS))
                    .max(layers.value(&k::ACTIVATION_SCALE))
                    .max(layers.written(&k::INITIAL_SCALE).unwrap_or(0))
                    .max(self.schedule().busiest()),
            ),
        };
        match (max, self.max_scale_limit()) {
            (Some(max), Some(limit)) => Some(max.min(limit)),
            (max, limit) => max.or(limit),
        }
    }

    pub(super) fn max_scale_limit(&self) -> Option<u32> {
        Some(self.layers.value(&k::MAX_SCALE_LIMIT)).filter(|limit| *limit > 0)
    }

    /// What holds instead of the target that nobody wrote; `None` is the metric's own default.
    fn default_target(&self, metric: &ScaleMetric) -> Option<f64> {
        let limit = self.layers.value(&k::CONTAINER_CONCURRENCY);
        match metric {
            ScaleMetric::Concurrency if limit == 0 => self.layers.written(&k::CONCURRENCY_DEFAULT),
            ScaleMetric::Rps => self.layers.written(&k::RPS_DEFAULT),
            _ => None,
        }
    }

    /// A cluster's default utilisation is of concurrency alone.
    fn utilization(&self, metric: &ScaleMetric) -> f64 {
        let of_cluster = (*metric == ScaleMetric::Concurrency)
            .then(|| self.layers.written(&knative::CLUSTER_UTILIZATION))
            .flatten();
        let written = self.layers.written(&k::TARGET_UTILIZATION);
        written
            .or(of_cluster)
            .unwrap_or_else(|| self.layers.value(&k::TARGET_UTILIZATION))
    }

    pub(super) fn schedule(&self) -> Schedule {
        self.layers.written(&k::SCHEDULE).unwrap_or_default()
    }

    fn queue(&self) -> QueueLimits {
        let layers = &self.layers;
        QueueLimits {
            max_requests: layers.value(&k::QUEUE_MAX_REQUESTS),
            max_bytes: layers.value(&k::QUEUE_MAX_BYTES),
            timeout: layers.value(&k::QUEUE_TIMEOUT),
            cold_timeout: layers.value(&k::QUEUE_COLD_TIMEOUT),
            read_ahead: layers.value(&k::QUEUE_READ_AHEAD),
            order: match layers.value(&k::QUEUE_ORDER) {
                Order::Fifo => QueueOrder::Fifo,
                Order::Fair => QueueOrder::Fair {
                    ageing: layers.value(&k::QUEUE_AGEING),
                    max_tenants: layers.value(&k::QUEUE_MAX_TENANTS),
                },
            },
        }
    }

    fn wishes(&self) -> Wishes {
        let layers = &self.layers;
        Wishes {
            tenant_header: layers.written(&k::QUEUE_TENANT_HEADER),
            class_header: layers.written(&k::QUEUE_CLASS_HEADER),
            deadlines: layers.value(&k::QUEUE_DEADLINES),
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
            resources: Resources {
                cpu: layers.written(&k::RESOURCES_CPU),
                memory: layers.written(&k::RESOURCES_MEMORY),
            },
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
