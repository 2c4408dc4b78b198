//! What is told of the certificates that clients are shown.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// When certificates end, by the first name of each; of several with one name, the first that ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates(BTreeMap<String, SystemTime>);

impl FromIterator<(String, SystemTime)> for Certificates {
    fn from_iter<I: IntoIterator<Item = (String, SystemTime)>>(all: I) -> Self {
        let mut ends = BTreeMap::new();
        for (name, end) in all {
            let known = ends.entry(name).or_insert(end);
            *known = end.min(*known);
        }
        Self(ends)
    }
}

impl Certificates {
    /// As a metric.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let name = "holdgate_certificate_expiry_timestamp_seconds";
        let help = "When a certificate that clients are shown ends, by its first name.";
        let mut page = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (name, end) in &self.0 {
            let end = end.duration_since(SystemTime::UNIX_EPOCH);
            let end = ConstGauge::new(end.unwrap_or_default().as_secs_f64());
            end.encode(page.encode_family(&[("name", name.as_str())])?)?;
        }
        Ok(())
    }
}
