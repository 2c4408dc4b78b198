//! The fields of a component: what they set here, and which are known to say nothing about it.

use super::site::Site;
use crate::config::complaint::Complaints;
use crate::config::keys as k;
use crate::config::knative::Word;
use crate::config::metrics;
use crate::config::nearest::{or_the_nearest, similar};
use crate::config::tree::{Entry, Node};
use crate::config::value::{LONGEST, MOST, choice, whole};

/// Knative's bound on hard limits.
const MOST_CONCURRENT: u64 = 1000;

/// The fields that set something, with `KServe`'s bounds.
pub(super) static FIELDS: [Word; 6] = [
    Word::new("minReplicas", &k::MIN_REPLICAS, |n, c| {
        within(n, c, 0, MOST)
    }),
    Word::new("maxReplicas", &k::MAX_REPLICAS, |n, c| {
        within(n, c, 0, MOST)
    }),
    Word::new("scaleTarget", &k::SCALE_TARGET, |n, c| {
        within(n, c, 1, MOST)
    }),
    Word::new("scaleMetric", &k::SCALE_METRIC, metric),
    Word::new("containerConcurrency", &k::CONTAINER_CONCURRENCY, |n, c| {
        within(n, c, 0, MOST_CONCURRENT)
    }),
    Word::new("timeout", &k::TIMEOUT, |n, c| {
        within(n, c, 1, LONGEST.as_secs())
    }),
];

/// Model servers that are written as a field of the predictor; `model` takes all of them.
pub(super) const MODEL_SERVERS: [&str; 11] = [
    "model",
    "sklearn",
    "xgboost",
    "tensorflow",
    "pytorch",
    "triton",
    "onnx",
    "huggingface",
    "pmml",
    "lightgbm",
    "paddle",
];

/// Read elsewhere, or nothing that a gate would know of.
const PASSED_OVER: [&str; 10] = [
    "annotations",
    "labels",
    "name",
    "autoScaling",
    "scaleMetricType",
    "storageUris",
    "alibi",
    "art",
    "aix",
    "deploymentStrategy",
];

/// What somebody might wait for in vain.
const NOT_READ: [&str; 5] = [
    "canaryTrafficPercent",
    "canary",
    "batcher",
    "logger",
    "workerSpec",
];

/// The fields of a pod, which a component takes beside its own.
pub(super) const OF_PODS: [&str; 40] = [
    "volumes",
    "initContainers",
    "containers",
    "ephemeralContainers",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "activeDeadlineSeconds",
    "dnsPolicy",
    "nodeSelector",
    "serviceAccountName",
    "serviceAccount",
    "automountServiceAccountToken",
    "nodeName",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostUsers",
    "shareProcessNamespace",
    "securityContext",
    "imagePullSecrets",
    "hostname",
    "hostnameOverride",
    "subdomain",
    "affinity",
    "schedulerName",
    "tolerations",
    "hostAliases",
    "priorityClassName",
    "priority",
    "dnsConfig",
    "readinessGates",
    "runtimeClassName",
    "enableServiceLinks",
    "preemptionPolicy",
    "overhead",
    "topologySpreadConstraints",
    "setHostnameAsFQDN",
    "os",
    "schedulingGates",
    "resourceClaims",
];

/// What `KServe` puts into a pod before its model server, and the port that it listens on there.
const BEFORE_THE_SERVER: [&str; 2] = ["logger", "batcher"];
const AGENT: u16 = 9081;

/// The port of what stands before the model server of a component, if anything does.
pub(super) fn port_before(component: &Node) -> Option<u16> {
    let is_there = |field: &&&str| component.given(field).is_some();
    let before = BEFORE_THE_SERVER.iter().find(is_there);
    before.map(|_| AGENT)
}

/// Warns about a field that nobody knows, or that does nothing here.
pub(super) fn name_what_is_not_read(entry: &Entry, site: Site<'_>, complaints: &mut Complaints) {
    let field = entry.key.as_str();
    if field == "logger" {
        look_at_mode(entry, complaints);
    }
    if BEFORE_THE_SERVER.contains(&field) && !site.is_here() {
        return;
    }
    if NOT_READ.contains(&field) {
        complaints.warn(entry.complaint("is not read here"));
        return;
    }
    let scaling = FIELDS.iter().map(|word| word.name);
    let known = || {
        let others = [&MODEL_SERVERS[..], &PASSED_OVER, &OF_PODS, &NOT_READ].concat();
        scaling.clone().chain(others)
    };
    if known().any(|known| known == field) {
        return;
    }
    let message = or_the_nearest("unknown field, it is not read", similar(field, known()));
    complaints.warn(entry.complaint(message));
}

/// Of what is not read, the one value that `KServe` refuses.
fn look_at_mode(logger: &Entry, complaints: &mut Complaints) {
    if let Some(mode) = logger.node.given("mode") {
        choice(
            mode,
            complaints,
            &["all", "request", "response"].map(|word| (word, ())),
        );
    }
}

fn within(node: &Node, complaints: &mut Complaints, least: u64, most: u64) -> Option<Node> {
    whole::<u32>(node, complaints, least..=most).map(|_| node.clone())
}

/// `qps` is what the guides say and the API refuses.
fn metric(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    if node.text() == Some("qps") {
        let message = "qps is understood as rps, which is what KServe's API takes";
        complaints.warn(node.complaint(message));
        return Some(node.saying("rps"));
    }
    metrics::known(node, complaints).map(|_| node.clone())
}
