//! The loop that has replicas themselves measured: once a second, half a second off the beat of the
//! autoscaler, and only where the settings of a revision ask for it. It waits for nobody and holds
//! up nobody; what could not be read is missing for that second, with the reason kept.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::autoscale::{SAMPLE_EVERY, Spec};
use crate::autoscaler::Gauged;
use crate::ports::{Gauges, Missing};
use crate::revision::{RevisionId, ScaleMetric};
use crate::sync::now;

/// So long after the autoscaler's beat: what is read then is there by the next one.
const OFF_BEAT: Duration = Duration::from_millis(500);

/// Everything one revision's loop reads and tells.
#[derive(Debug)]
pub struct Gauging<G> {
    /// Whose.
    pub id: RevisionId,
    /// What reads.
    pub gauges: G,
    /// What is to be read; a change takes effect at the next second.
    pub spec: watch::Receiver<Spec>,
    /// Where it is published.
    pub tell: watch::Sender<Gauged>,
}

impl<G: Gauges> Gauging<G> {
    /// Runs until dropped.
    pub async fn run(mut self) {
        let mut beat = tokio::time::interval_at((now() + OFF_BEAT).into(), SAMPLE_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut failing = Failing(Vec::new());
        loop {
            let metrics = measured(&self.spec.borrow_and_update());
            if metrics.is_empty() {
                self.tell.send_replace(Gauged::default());
                if self.spec.changed().await.is_err() {
                    return;
                }
                continue;
            }
            beat.tick().await;
            let read = self.gauges.read(&metrics).await;
            failing.note(&self.id, &metrics, &read);
            let gauged = Gauged(metrics.into_iter().zip(read).collect());
            self.tell.send_replace(gauged);
        }
    }
}

/// The metrics that could not be read when they were last asked for.
struct Failing(Vec<ScaleMetric>);

impl Failing {
    /// Says what has begun to fail, and what has ceased to, once each.
    fn note(
        &mut self,
        revision: &RevisionId,
        metrics: &[ScaleMetric],
        read: &[Result<f64, Missing>],
    ) {
        for (metric, read) in metrics.iter().zip(read) {
            let (known, name) = (self.0.contains(metric), metric.as_str());
            match read {
                Err(Missing::Failed(error)) if !known => {
                    tracing::warn!(%revision, metric = name, error, "a metric is missing");
                    self.0.push(metric.clone());
                }
                Ok(_) if known => {
                    tracing::info!(%revision, metric = name, "the metric is back");
                    self.0.retain(|failing| failing != metric);
                }
                _ => {}
            }
        }
    }
}

/// What of all that is averaged is measured at the replicas.
fn measured(spec: &Spec) -> Vec<ScaleMetric> {
    let metrics = spec.metrics().map(|(metric, _)| metric);
    let measured = metrics.filter(|metric| !metric.counts_requests());
    measured.cloned().collect()
}
