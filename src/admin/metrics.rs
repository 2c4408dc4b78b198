//! Writes the metrics, reading every number at the moment it is asked for: nothing is kept twice.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::board::{Board, Present};
use super::families::{FAMILIES, Family, Read};
use crate::stats::Stats;

/// All metrics of a gate.
#[derive(Debug)]
pub(super) struct Metrics(Registry);

impl Metrics {
    pub(super) const CONTENT_TYPE: &str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    pub(super) fn new(board: Arc<Board>) -> Self {
        let mut registry = Registry::default();
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("holdgate_build", "What is running here", version);
        registry.register_collector(Box::new(Scrape(board)));
        Self(registry)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0).expect("a string takes whatever is written");
        text
    }
}

#[derive(Debug)]
struct Scrape(Arc<Board>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(gateways) = self.0.gateways() {
            gateways.encode(&mut encoder)?;
        }
        self.0.certificates().encode(&mut encoder)?;
        let (all, in_vain) = (self.0.all(), self.0.asked_in_vain());
        for family in &FAMILIES {
            let metric_type = family.read.metric_type();
            let help = format!("{}.", family.help);
            let page = encoder.encode_descriptor(family.name, &help, None, metric_type)?;
            let label = family.label;
            let in_vain = in_vain.iter().filter(|_| family.unrouted);
            let in_vain = in_vain.map(|one| (one.spec.id.as_str(), &*one.stats));
            self.fill(&mut Page { page, label }, family, &all, in_vain)?;
        }
        Ok(())
    }
}

impl Scrape {
    /// `in_vain` are those of which only the answers count.
    fn fill<'a>(
        &'a self,
        page: &mut Page<'_>,
        family: &Family,
        all: &'a [Present],
        in_vain: impl Iterator<Item = (&'a str, &'a Stats)>,
    ) -> fmt::Result {
        let unrouted = family.unrouted.then(|| ("", &self.0.registry().unrouted));
        let routed = all.iter().map(|p| (name(p), &*p.revision.stats));
        let mut stats = unrouted.into_iter().chain(routed).chain(in_vain);
        match family.read {
            Read::Gauge(read) => all.iter().try_for_each(|present| {
                let mut numbers = read(present).into_iter();
                numbers.try_for_each(|(v, n)| page.put(name(present), v, &ConstGauge::new(n)))
            }),
            Read::Counter(read) => stats.try_for_each(|(revision, stats)| {
                let mut numbers = read(stats).into_iter();
                numbers.try_for_each(|(v, n)| page.put(revision, &v, &ConstCounter::new(n)))
            }),
            Read::Histogram(read) => stats.try_for_each(|(revision, stats)| {
                let mut histograms = read(stats).into_iter();
                histograms.try_for_each(|(v, histogram)| page.put(revision, v, histogram))
            }),
        }
    }
}

fn name(present: &Present) -> &str {
    present.revision.spec.id.as_str()
}

/// One family on the page.
struct Page<'p> {
    page: MetricEncoder<'p>,
    label: &'static str,
}

impl Page<'_> {
    fn put(&mut self, revision: &str, value: &str, metric: &impl EncodeMetric) -> fmt::Result {
        let both = [("revision", revision), (self.label, value)];
        let labels = if self.label.is_empty() {
            &both[..1]
        } else {
            &both[..]
        };
        metric.encode(self.page.encode_family(&labels)?)
    }
}
