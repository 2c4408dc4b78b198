//! What is told of the other gateways of an installation.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::Serialize;

/// How a gateway stands to the others of its installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateways {
    /// The UID of the pod that leads; left out while nobody is heard to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// It is this one, which shares replicas out or has nobody to share them with.
    pub leads: bool,
    /// Others that answer requests and are heard. Only who leads hears them.
    pub heard: u32,
    /// Others that answer requests and are not: while there is one, nothing shrinks.
    pub unheard: u32,
}

impl Gateways {
    /// As metrics.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let help = "Other gateways that answer requests, as the one that leads hears them.";
        let mut page = encoder.encode_descriptor("holdgate_gateways", help, None, gauge)?;
        for (state, n) in [("heard", self.heard), ("unheard", self.unheard)] {
            let number = ConstGauge::new(f64::from(n));
            number.encode(page.encode_family(&[("state", state)])?)?;
        }
        let help = "1 where this gateway leads the others, or is the only one.";
        let page = encoder.encode_descriptor("holdgate_leader", help, None, gauge)?;
        ConstGauge::new(f64::from(u8::from(self.leads))).encode(page)
    }
}
