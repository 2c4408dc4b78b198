//! The `ConfigMap` `config-autoscaler`: what a cluster says of every revision.

use super::read::{as_it_is, burst_capacity, duration, from_one, truth};
use super::{Word, said};
use crate::config::complaint::Complaints;
use crate::config::key::{About, Key, Shape};
use crate::config::keys as k;
use crate::config::layers::{Layer, Layers};
use crate::config::nearest::{or_the_nearest, similar};
use crate::config::tree::Node;
use crate::config::value::{number_from, text, wanted};

/// The keys of the `ConfigMap`.
static CONFIG_AUTOSCALER: [Word; 20] = [
    Word::new("enable-scale-to-zero", &k::ENABLE_SCALE_TO_ZERO, truth),
    Word::new(
        "allow-zero-initial-scale",
        &k::ALLOW_ZERO_INITIAL_SCALE,
        truth,
    ),
    Word::new(
        "container-concurrency-target-percentage",
        &CLUSTER_UTILIZATION,
        as_it_is,
    ),
    Word::new(
        "container-concurrency-target-default",
        &k::CONCURRENCY_DEFAULT,
        as_it_is,
    ),
    Word::new(
        "requests-per-second-target-default",
        &k::RPS_DEFAULT,
        as_it_is,
    ),
    Word::without_effect("target-burst-capacity", burst_capacity),
    Word::new("stable-window", &k::STABLE_WINDOW, duration),
    Word::new("panic-window-percentage", &k::PANIC_WINDOW, as_it_is),
    Word::new("panic-threshold-percentage", &k::PANIC_THRESHOLD, as_it_is),
    Word::new("max-scale-up-rate", &k::MAX_SCALE_UP_RATE, as_it_is),
    Word::new("max-scale-down-rate", &k::MAX_SCALE_DOWN_RATE, as_it_is),
    Word::new("scale-to-zero-grace-period", &k::GRACE_PERIOD, duration),
    Word::new(
        "scale-to-zero-pod-retention-period",
        &k::RETENTION_PERIOD,
        duration,
    ),
    Word::new("scale-down-delay", &k::SCALE_DOWN_DELAY, duration),
    Word::without_effect("activator-capacity", from_one),
    Word::new("initial-scale", &k::INITIAL_SCALE, as_it_is),
    Word::new("min-scale", &k::MIN_REPLICAS, as_it_is),
    Word::new("max-scale", &k::MAX_REPLICAS, as_it_is),
    Word::new("max-scale-limit", &k::MAX_SCALE_LIMIT, as_it_is),
    Word::new("pod-autoscaler-class", &CLUSTER_CLASS, as_it_is),
];

/// In every `ConfigMap` of Knative's: prose, and keys that its own autoscaler no longer reads.
const SAYS_NOTHING: [&str; 2] = ["_example", "tick-interval"];

/// Knative's own, which is not ours: counts only between the keys of its `ConfigMap`.
const KNATIVES_UTILIZATION: f64 = 70.0;

/// The target utilisation of a cluster, in percent; up to 1 it is written as a fraction. Only for
/// concurrency, so it is no default of ours.
pub(in crate::config) static CLUSTER_UTILIZATION: Key<f64> = Key {
    about: inside("container-concurrency-target-percentage"),
    read: |node, complaints| {
        let written = number_from(node, &mut Complaints::default(), 0.0);
        match written.map(|n| if n <= 1.0 { n * 100.0 } else { n }) {
            Some(percent) if percent > 0.0 && percent <= 100.0 => Some(percent),
            _ => wanted(node, "a number over 0 and up to 100", complaints),
        }
    },
};

/// The class of revisions that name none.
pub(in crate::config) static CLUSTER_CLASS: Key<String> = Key {
    about: inside("pod-autoscaler-class"),
    read: text,
};

/// A key that nobody can write but a cluster.
const fn inside(path: &'static str) -> About {
    About {
        path,
        flag: "",
        value: "",
        shape: Shape::NoFlag,
        default: "",
        help: "",
    }
}

/// Reads the `data` of the `ConfigMap` into a layer for every revision.
pub(in crate::config) fn config_autoscaler(data: &Node, complaints: &mut Complaints) -> Layer {
    let mut layer = Layer::default();
    for entry in data.entries() {
        if let Some(word) = CONFIG_AUTOSCALER.iter().find(|word| word.name == entry.key) {
            word.set(&said(&entry.node, complaints), &mut layer, complaints);
        } else if !SAYS_NOTHING.contains(&entry.key.as_str()) {
            let known = CONFIG_AUTOSCALER.iter().map(|word| word.name);
            let nearest = similar(&entry.key, known);
            let message = or_the_nearest("unknown key, it is not read", nearest);
            complaints.warn(entry.complaint(message));
        }
    }
    rules(&layer, data, complaints);
    layer
}

/// Knative's rules between the keys of its `ConfigMap`.
fn rules(layer: &Layer, data: &Node, complaints: &mut Complaints) {
    let layers = Layers::new(vec![layer]);
    let mut complain = |name: &str, what: &str| {
        let at = data.given(name).unwrap_or(data);
        complaints.push(said(at, &mut Complaints::default()).wanted(what));
    };
    let max = layers.written(&k::MAX_REPLICAS);
    let limit: u32 = layers.value(&k::MAX_SCALE_LIMIT);
    if limit > 0 && data.given("max-scale").is_none() {
        let what = "0, as there is no max-scale";
        complain("max-scale-limit", what);
    }
    if max.is_some_and(|max| limit > 0 && !(1..=limit).contains(&max)) {
        complain("max-scale", &format!("from 1 to max-scale-limit ({limit})"));
    }
    let min = layers.written(&k::MIN_REPLICAS).unwrap_or(0);
    if max.is_some_and(|max| max > 0 && max < min) {
        complain("max-scale", &format!("0, or at least min-scale ({min})"));
    }
    let none_allowed = layers
        .written(&k::ALLOW_ZERO_INITIAL_SCALE)
        .unwrap_or(false);
    if layers.written(&k::INITIAL_SCALE) == Some(0) && !none_allowed {
        let what = "1 or more (0 needs allow-zero-initial-scale: true)";
        complain("initial-scale", what);
    }
    let percent = layers.written(&CLUSTER_UTILIZATION);
    let percent = percent.unwrap_or(KNATIVES_UTILIZATION);
    let target: f64 = layers.value(&k::CONCURRENCY_DEFAULT);
    if percent / 100.0 * target < 0.01 {
        let what = "such a number that its percentage is 0.01 or more";
        complain("container-concurrency-target-default", what);
    }
}
