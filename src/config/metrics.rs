//! What a revision is steered by: its main metric, further ones, and what one replica should carry
//! of each. Decides which of them a target means what for, and which need one.

use super::complaint::{Complaints, Origin};
use super::key::{About, Key, Shape, Table, keys};
use super::keys as k;
use super::layers::{Layer, Layers};
use super::tree::{Node, Value};
use super::value::{bytes, choice, number_from, text, wanted};
use super::words::http_path;
use crate::revision::{MetricTarget, ScaleMetric, Scrape};

/// The least memory that anybody aims for: less is a number without its unit.
const LEAST_MEMORY: f64 = 1_048_576.0;
/// Of the memory a replica may use, what it should use.
const SHARE_OF_MEMORY: f64 = 0.8;

/// The metrics that need no replica to report them.
static KNOWN: [ScaleMetric; 4] = [
    ScaleMetric::Concurrency,
    ScaleMetric::Rps,
    ScaleMetric::Cpu,
    ScaleMetric::Memory,
];

keys! {
    /// The keys of an entry of `autoscaling.metrics`.
    METRIC {
    NAME: String = "metric", --"" "" NoFlag, "", text,
        "What is averaged: concurrency, rps, cpu, memory, or what a replica reports";
    TARGET: f64 = "target", --"" "" NoFlag, "", target,
        "What one replica should carry of it";
    PATH: String = "path", --"" "" NoFlag, "/metrics", http_path,
        "Where a replica reports it, in Prometheus' text format";
    }
}

/// The main metric by its name alone.
pub(super) fn counted_or_used(node: &Node, complaints: &mut Complaints) -> Option<ScaleMetric> {
    if let Some(name) = text(node, &mut Complaints::default()).filter(|name| is_reported(name)) {
        let message = format!(
            "wanted concurrency, rps, cpu or memory; {name} goes under autoscaling.metrics"
        );
        complaints.push(node.complaint(message));
        return None;
    }
    known(node, complaints).cloned()
}

/// One of the metrics that need no replica to report them.
pub(super) fn known(node: &Node, complaints: &mut Complaints) -> Option<&'static ScaleMetric> {
    let words = KNOWN.each_ref().map(|metric| (metric.as_str(), metric));
    choice(node, complaints, &words)
}

/// Whether a word is the name of one of those.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|metric| metric.as_str() == name)
}

/// A target of any metric. Which of them are sizes is known where the metric is.
pub(super) fn target(node: &Node, complaints: &mut Complaints) -> Option<f64> {
    let size = size(node, &mut Complaints::default());
    match size.filter(|size| *size >= LEAST_MEMORY) {
        Some(size) => Some(size),
        None => number(node, complaints),
    }
}

fn number(node: &Node, complaints: &mut Complaints) -> Option<f64> {
    number_from(node, complaints, 0.01)
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn size(node: &Node, complaints: &mut Complaints) -> Option<f64> {
    bytes(node, complaints).map(|bytes| bytes as f64)
}

/// A target of this very metric.
pub(super) fn target_of(
    metric: &ScaleMetric,
    node: &Node,
    complaints: &mut Complaints,
) -> Option<f64> {
    if *metric != ScaleMetric::Memory {
        return number(node, complaints);
    }
    let read = size(node, &mut Complaints::default());
    match read.filter(|size| *size >= LEAST_MEMORY) {
        Some(size) => Some(size),
        None => wanted(node, "a size of at least 1MiB, such as 2GiB", complaints),
    }
}

/// The entries of `autoscaling.metrics`.
pub(super) fn metrics(node: &Node, complaints: &mut Complaints) -> Option<Vec<MetricTarget>> {
    let Value::List(items) = &node.value else {
        let what = "a list such as [{ metric: cpu, target: 80 }]";
        return wanted(node, what, complaints);
    };
    let mut read: Vec<MetricTarget> = Vec::new();
    let mut all_are_sound = true;
    for item in items {
        let Some(metric) = entry(item, complaints) else {
            all_are_sound = false;
            continue;
        };
        let name = metric.metric.as_str();
        if read.iter().any(|known| known.metric.as_str() == name) {
            complaints.push(item.complaint(format!("wanted {name} only once")));
            all_are_sound = false;
        }
        read.push(metric);
    }
    all_are_sound.then_some(read)
}

fn entry(item: &Node, complaints: &mut Complaints) -> Option<MetricTarget> {
    let before = complaints.len();
    let layer = Layer::read(item, METRIC, complaints);
    if complaints.len() > before {
        return None;
    }
    let layers = Layers::new(vec![&layer]);
    let (Some(at), Some(name)) = (layers.node(&NAME), layers.written(&NAME)) else {
        complaints.push(item.missing(NAME.about.path, "the name of a metric"));
        return None;
    };
    let metric = if is_reported(&name) || layers.node(&PATH).is_some() {
        let path = layers.value(&PATH);
        reported(at, Scrape { name, path }, complaints)?
    } else {
        counted_or_used(at, complaints)?
    };
    let target = match layers.node(&TARGET) {
        Some(node) => Some(target_of(&metric, node, complaints)?),
        None if matches!(metric, ScaleMetric::Scraped(_)) => {
            let what = "the number that one replica should report";
            complaints.push(item.missing(TARGET.about.path, what));
            return None;
        }
        None => None,
    };
    Some(MetricTarget { metric, target })
}

/// No word of ours has a `_` or `:`, and hardly any name of a metric has neither.
fn is_reported(name: &str) -> bool {
    name.contains(['_', ':'])
}

fn reported(at: &Node, scrape: Scrape, complaints: &mut Complaints) -> Option<ScaleMetric> {
    let name = scrape.name.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    if is_known(name) {
        let what = "a metric that replicas report, as path says where they do";
        return wanted(at, what, complaints);
    }
    if !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        let what = "a metric's name of letters, digits, _ and :";
        return wanted(at, what, complaints);
    }
    Some(ScaleMetric::Scraped(scrape.into()))
}

/// All that a revision is steered by, the main metric first. `autoscaling.metrics` alone take the
/// place of concurrency; whoever writes `scaleMetric` or `scaleTarget` as well wants both.
pub(super) fn settle(layers: &Layers<'_>) -> (MetricTarget, Vec<MetricTarget>) {
    let mut all = layers.written(&k::METRICS).unwrap_or_default();
    let metric = layers.value(&k::SCALE_METRIC);
    let alone = layers.node(&k::SCALE_METRIC).is_none() && layers.node(&k::SCALE_TARGET).is_none();
    if !alone || all.is_empty() {
        let target = layers.written(&k::SCALE_TARGET);
        all.insert(0, MetricTarget { metric, target });
    }
    let memory = layers.written(&k::RESOURCES_MEMORY);
    for one in &mut all {
        if one.metric == ScaleMetric::Memory && one.target.is_none() {
            one.target = memory.map(share);
        }
    }
    let main = all.remove(0);
    (main, all)
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn share(memory: u64) -> f64 {
    (memory as f64 * SHARE_OF_MEMORY).max(LEAST_MEMORY)
}

/// The rules between the main metric, its target, the further ones and what replicas may use.
pub(super) fn rules(layers: &Layers<'_>, complaints: &mut Complaints) {
    let Some(main) = layers.sound(&k::SCALE_METRIC) else {
        return;
    };
    let written = layers.node(&k::SCALE_METRIC);
    let target = layers.node(&k::SCALE_TARGET);
    if let Some(node) = target.filter(|_| layers.written(&k::SCALE_TARGET).is_some()) {
        target_of(&main, node, complaints);
    }
    let list = layers.node(&k::METRICS);
    let further = layers.written(&k::METRICS).unwrap_or_default();
    if let Some(list) = list.filter(|_| written.is_some() || target.is_some())
        && further.iter().any(|further| further.metric == main)
    {
        let name = main.as_str();
        complaints.push(list.complaint(format!("wanted {name} only once, scaleMetric is it")));
    }
    if layers.node(&k::RESOURCES_MEMORY).is_some() {
        return;
    }
    let in_a_cluster = |node: &Node| matches!(node.origin, Origin::Object(_));
    let share_of = if written.or(list).is_some_and(in_a_cluster) {
        "a request of memory"
    } else {
        k::RESOURCES_MEMORY.about.path
    };
    let no_size = format!("such as 2GiB; without {share_of} nobody can guess it");
    if let Some(node) = written.filter(|_| main == ScaleMetric::Memory && target.is_none()) {
        complaints.push(node.complaint(format!("wanted a scaleTarget as well, {no_size}")));
    }
    let aimless = |m: &MetricTarget| m.metric == ScaleMetric::Memory && m.target.is_none();
    if let Some(list) = list.filter(|_| further.iter().any(aimless)) {
        complaints.push(list.complaint(format!("wanted a target for memory, {no_size}")));
    }
}

/// Processor cores, in the quantities of Kubernetes: `2`, `0.5`, `500m`.
pub(super) fn cores(node: &Node, complaints: &mut Complaints) -> Option<f64> {
    let parse = |text: &str| match text.strip_suffix('m') {
        Some(thousandths) => Some(f64::from(thousandths.parse::<u32>().ok()?) / 1000.0),
        None => text.parse::<f64>().ok(),
    };
    let read = match &node.value {
        Value::Text { text, .. } => parse(text),
        _ => None,
    };
    match read.filter(|cores| (0.001..=100_000.0).contains(cores)) {
        Some(cores) => Some(cores),
        None => wanted(node, "a number of cores such as 2, 0.5 or 500m", complaints),
    }
}
