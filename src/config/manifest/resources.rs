//! What the model container may use, and targets that are said in parts of it: percent of the memory
//! requested become bytes, cores become percent.

use crate::backend::Resources;
use crate::backend::quantity::{amount, whole};
use crate::config::complaint::Complaints;
use crate::config::keys as k;
use crate::config::layers::{Layer, Layers};
use crate::config::tree::{Node, Value};
use crate::config::value::{choice, number_from, wanted};
use crate::revision::ScaleMetric;

/// What `KServe` writes where nothing is said: one core, 2Gi.
const CORES: f64 = 1.0;
const MEMORY: u64 = 2 << 30;

const MEBIBYTE: f64 = (1 << 20) as f64;

/// What a target counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Percent of what was requested.
    Utilization,
    /// The thing itself: cores, or mebibytes.
    Value,
}

impl Kind {
    /// As `scaleMetricType` says.
    pub(super) fn of(component: &Node, complaints: &mut Complaints) -> Self {
        let written = component.given("scaleMetricType");
        written
            .and_then(|node| Self::read(node, complaints))
            .unwrap_or(Self::Utilization)
    }

    /// Knative's annotation counts memory in mebibytes, and processor time in percent.
    pub(super) fn of_annotation(metric: &ScaleMetric) -> Self {
        match metric {
            ScaleMetric::Memory => Self::Value,
            _ => Self::Utilization,
        }
    }

    fn read(node: &Node, complaints: &mut Complaints) -> Option<Self> {
        let words = [
            ("Utilization", Self::Utilization),
            ("AverageValue", Self::Value),
            ("Value", Self::Value),
        ];
        choice(node, complaints, &words)
    }

    /// The target in the unit of its metric.
    fn target(self, written: f64, metric: &ScaleMetric, resources: Resources) -> f64 {
        match (metric, self) {
            (ScaleMetric::Memory, Self::Utilization) => {
                (written / 100.0 * requested(resources)).round()
            }
            (ScaleMetric::Memory, Self::Value) => written * MEBIBYTE,
            (ScaleMetric::Cpu, Self::Value) => percent(written, resources),
            _ => written,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is no exact count")]
fn requested(resources: Resources) -> f64 {
    resources.memory.unwrap_or(MEMORY) as f64
}

fn percent(cores: f64, resources: Resources) -> f64 {
    cores * 100.0 / resources.cpu.unwrap_or(CORES)
}

/// What a container may use: what it requests, else its limit, else what `KServe` writes for it.
pub(super) fn of_component(container: Option<&Node>, complaints: &mut Complaints) -> Resources {
    let written = of(container, complaints);
    Resources {
        cpu: Some(written.cpu.unwrap_or(CORES)),
        memory: Some(written.memory.unwrap_or(MEMORY)),
    }
}

/// What is written of what a container may use: what it requests, else its limit.
pub(super) fn of(container: Option<&Node>, complaints: &mut Complaints) -> Resources {
    let resources = container.and_then(|container| container.given("resources"));
    let mut said = |name: &str, read: Reader| {
        let lists = ["requests", "limits"].into_iter();
        let mut lists = lists.filter_map(|list| resources?.given(list)?.given(name));
        // Who asks for 0 asks for nothing that there could be a share of.
        lists.find_map(|node| read(node, complaints).filter(|amount| *amount > 0.0))
    };
    Resources {
        cpu: said("cpu", cores),
        memory: said("memory", bytes).map(whole),
    }
}

type Reader = fn(&Node, &mut Complaints) -> Option<f64>;

fn cores(node: &Node, complaints: &mut Complaints) -> Option<f64> {
    quantity(node, "a number of cores such as 2, 0.5 or 500m", complaints)
}

fn bytes(node: &Node, complaints: &mut Complaints) -> Option<f64> {
    quantity(node, "a size such as 256Mi, 1G or 1048576", complaints)
}

/// Whatever Kubernetes takes as an amount: what was applied is never refused for it.
fn quantity(node: &Node, what: &str, complaints: &mut Complaints) -> Option<f64> {
    let read = match &node.value {
        Value::Text { text, .. } => amount(text),
        _ => None,
    };
    read.or_else(|| wanted(node, what, complaints))
}

/// Writes what a replica may use.
pub(super) fn write(layer: &mut Layer, at: &Node, resources: Resources) {
    // They were read from the manifest, so they can be read again.
    let mut told = Complaints::default();
    if let Some(cpu) = resources.cpu {
        layer.set(&k::RESOURCES_CPU, at.saying(&cpu.to_string()), &mut told);
    }
    if let Some(memory) = resources.memory {
        let memory = at.saying(&memory.to_string());
        layer.set(&k::RESOURCES_MEMORY, memory, &mut told);
    }
}

/// A field's target is a percentage of what was requested; `KServe` leaves more than all of it to
/// whoever scales.
pub(super) fn look_at_percentage(
    fields: &Layer,
    metric: &ScaleMetric,
    kind: Kind,
    complaints: &mut Complaints,
) {
    let is_percentage = kind == Kind::Utilization && !metric.counts_requests();
    let target = Layers::new(vec![fields]).written(&k::SCALE_TARGET);
    if is_percentage
        && target.is_some_and(|target| target > 100.0)
        && let Some(node) = fields.get(k::SCALE_TARGET.about.path)
    {
        let metric = metric.as_str();
        complaints.push(node.wanted(&format!("a percentage from 1 to 100, as of {metric}")));
    }
}

/// Writes a layer's target in the unit of its metric.
pub(super) fn convert(layer: &mut Layer, metric: &ScaleMetric, kind: Kind, resources: Resources) {
    let written = Layers::new(vec![layer]).written(&k::SCALE_TARGET);
    if let (Some(written), Some(node)) = (written, layer.get(k::SCALE_TARGET.about.path)) {
        let target = kind.target(written, metric, resources);
        let node = node.saying(&target.to_string());
        layer.set(&k::SCALE_TARGET, node, &mut Complaints::default());
    }
}

/// The metrics under `autoScaling` that are measured here, as `autoscaling.metrics` says them.
pub(super) fn metrics(
    component: &Node,
    resources: Resources,
    complaints: &mut Complaints,
) -> Option<Node> {
    let scaling = component.given("autoScaling")?;
    if let Some(behavior) = scaling.given("behavior") {
        complaints.warn(behavior.complaint("is not read here"));
    }
    let written = scaling.given("metrics")?;
    let metrics = written.items().iter();
    let items: Vec<Node> = metrics
        .filter_map(|metric| read_metric(metric, resources, complaints))
        .collect();
    (!items.is_empty()).then(|| Node {
        value: Value::List(items),
        ..written.clone()
    })
}

fn read_metric(node: &Node, resources: Resources, complaints: &mut Complaints) -> Option<Node> {
    let kind = node.given("type");
    if kind
        .and_then(Node::text)
        .is_some_and(|kind| kind != "Resource")
    {
        complaints.warn(node.complaint("is not read here, only metrics of type Resource are"));
        return None;
    }
    let Some(resource) = node.given("resource") else {
        complaints.push(node.complaint("wanted a resource"));
        return None;
    };
    let named = resource.given("name").unwrap_or(resource);
    let words = [("cpu", &ScaleMetric::Cpu), ("memory", &ScaleMetric::Memory)];
    let metric = choice(named, complaints, &words)?;
    let target = resource.given("target");
    let target = target.and_then(|target| read_target(target, metric, resources, complaints));
    if target.is_none() && *metric == ScaleMetric::Memory {
        complaints.push(resource.complaint("wanted a target, memory has no default one"));
        return None;
    }
    let mut entries = vec![node.with("metric", metric.as_str())];
    entries.extend(target.map(|target| node.with("target", &target.to_string())));
    Some(Node {
        value: Value::Map(entries),
        ..node.clone()
    })
}

fn read_target(
    target: &Node,
    metric: &ScaleMetric,
    resources: Resources,
    complaints: &mut Complaints,
) -> Option<f64> {
    let kind = target.given("type");
    let kind = kind.map_or(Some(Kind::Utilization), |kind| Kind::read(kind, complaints))?;
    if kind == Kind::Utilization {
        let written = number_from(target.given("averageUtilization")?, complaints, 1.0)?;
        return Some(kind.target(written, metric, resources));
    }
    let value = target
        .given("averageValue")
        .or_else(|| target.given("value"))?;
    match metric {
        ScaleMetric::Memory => bytes(value, complaints),
        _ => cores(value, complaints).map(|cores| percent(cores, resources)),
    }
}
