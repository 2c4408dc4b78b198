//! Knative's own words for our keys: the annotations of a revision and the `ConfigMap`
//! `config-autoscaler`, with Knative's bounds where they are narrower than ours. Whose annotations
//! they are is decided in `manifest`.

mod config_map;
mod read;

pub(super) use config_map::{CLUSTER_CLASS, CLUSTER_UTILIZATION, config_autoscaler};

use super::complaint::Complaints;
use super::key::AnyKey;
use super::keys as k;
use super::layers::Layer;
use super::tree::{Node, Value};
use read::{as_it_is, burst_capacity, class, duration, two_or_more};

/// Reads a value as Knative does, and gives it as our key reads it; `None` where there is nothing
/// for a key, which may have been complained about.
pub(super) type Read = fn(&Node, &mut Complaints) -> Option<Node>;

/// One word of somebody else's.
pub(super) struct Word {
    pub(super) name: &'static str,
    /// The other spelling; empty when there is none.
    pub(super) alias: &'static str,
    /// What it sets here; `None` is looked at and has no effect.
    pub(super) key: Option<&'static dyn AnyKey>,
    pub(super) read: Read,
}

impl Word {
    pub(super) const fn new(name: &'static str, key: &'static dyn AnyKey, read: Read) -> Self {
        Self {
            name,
            alias: "",
            key: Some(key),
            read,
        }
    }

    const fn without_effect(name: &'static str, read: Read) -> Self {
        Self {
            name,
            alias: "",
            key: None,
            read,
        }
    }

    const fn or(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }

    /// Reads a value into a layer.
    pub(super) fn set(&self, node: &Node, layer: &mut Layer, complaints: &mut Complaints) {
        if let (Some(node), Some(key)) = ((self.read)(node, complaints), self.key) {
            layer.set(key, node, complaints);
        }
    }
}

/// Who scales a revision in a cluster: decides which metrics are words of Knative's.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    /// As the annotation says.
    pub(super) annotated: Option<String>,
    /// As the cluster says of all.
    pub(super) of_cluster: Option<String>,
}

impl Class {
    const KPA: &str = "kpa.autoscaling.knative.dev";
    const HPA: &str = "hpa.autoscaling.knative.dev";

    fn metric(&self) -> Read {
        let named = self.annotated.as_deref().or(self.of_cluster.as_deref());
        match named.unwrap_or(Self::KPA) {
            Self::KPA => read::metric_of_kpa,
            Self::HPA => read::metric_of_hpa,
            _ => read::metric_of_others,
        }
    }

    /// Where Knative's own class is not named, others may have words that Knative does not know.
    fn aggregation(&self) -> Read {
        if self.annotated.as_deref() == Some(Self::KPA) {
            read::aggregation
        } else {
            read::aggregation_of_others
        }
    }
}

/// The annotations of a revision, behind `autoscaling.knative.dev/`.
pub(super) fn annotations(scaled_by: &Class) -> [Word; 15] {
    [
        Word::without_effect("class", class),
        Word::new("min-scale", &k::MIN_REPLICAS, as_it_is).or("minScale"),
        Word::new("max-scale", &k::MAX_REPLICAS, as_it_is).or("maxScale"),
        Word::new("initial-scale", &k::INITIAL_SCALE, as_it_is).or("initialScale"),
        Word::new("activation-scale", &k::ACTIVATION_SCALE, two_or_more),
        Word::new("scale-down-delay", &k::SCALE_DOWN_DELAY, duration).or("scaleDownDelay"),
        Word::new("metric", &k::SCALE_METRIC, scaled_by.metric()),
        Word::new("target", &k::SCALE_TARGET, as_it_is),
        Word::new(
            "target-utilization-percentage",
            &k::TARGET_UTILIZATION,
            as_it_is,
        )
        .or("targetUtilizationPercentage"),
        Word::without_effect("target-burst-capacity", burst_capacity).or("targetBurstCapacity"),
        Word::new("window", &k::STABLE_WINDOW, duration),
        Word::new("panic-window-percentage", &k::PANIC_WINDOW, as_it_is)
            .or("panicWindowPercentage"),
        Word::new("panic-threshold-percentage", &k::PANIC_THRESHOLD, as_it_is)
            .or("panicThresholdPercentage"),
        Word::new(
            "metric-aggregation-algorithm",
            &k::AGGREGATION,
            scaled_by.aggregation(),
        )
        .or("metricAggregationAlgorithm"),
        Word::new(
            "scale-to-zero-pod-retention-period",
            &k::RETENTION_PERIOD,
            duration,
        )
        .or("scaleToZeroPodRetentionPeriod"),
    ]
}

/// The value of an annotation or of a `ConfigMap`, always text there, as our keys read it: not
/// quoted. What a cluster would not take as text is warned about.
pub(super) fn said(node: &Node, complaints: &mut Complaints) -> Node {
    match &node.value {
        Value::Text { text, quoted: true } if !text.is_empty() => node.saying(text),
        Value::Text {
            text,
            quoted: false,
        } => {
            let is_number = text.parse::<f64>().is_ok();
            if is_number || matches!(text.to_ascii_lowercase().as_str(), "true" | "false") {
                let message = format!("a cluster takes only text here, write \"{text}\"");
                complaints.warn(node.complaint(message));
            }
            node.clone()
        }
        _ => node.clone(),
    }
}
