//! The loop that has replicas themselves measured: once a second, half a second off the beat of the
//! autoscaler, and only where the settings of a revision ask for it. It waits for nobody and holds
//! up nobody; what could not be read is missing for that second, with the reason kept.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::autoscale::Spec;
use crate::autoscaler::Gauged;
use crate::ports::{Gauges, Missing};
use crate::revision::{RevisionId, ScaleMetric};
use crate::sync::now;

/// So long after the autoscaler's beat, which comes every second: what is read then is there by the
/// next one.
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
        let first = now() + OFF_BEAT;
        let mut failing = Failing::default();
        loop {
            let metrics = measured(&self.spec.borrow_and_update());
            if metrics.is_empty() {
                self.tell.send_replace(Gauged::default());
                if self.spec.changed().await.is_err() {
                    return;
                }
                continue;
            }
            sleep_until(beat_after(first, now()).into()).await;
            let read = self.gauges.read(&metrics).await;
            failing.0.retain(|metric| metrics.contains(metric));
            for (metric, read) in metrics.iter().zip(&read) {
                announce(&self.id, metric, failing.turn(metric, read).as_ref());
            }
            let gauged = Gauged(metrics.into_iter().zip(read).collect());
            self.tell.send_replace(gauged);
        }
    }
}

/// The metrics that could not be read when they were last asked for.
#[derive(Debug, Default)]
struct Failing(Vec<ScaleMetric>);

/// What is worth a line in the log.
#[derive(Debug, PartialEq)]
enum Turn<'a> {
    Lost(&'a str),
    Back,
}

impl Failing {
    /// What has begun to fail, and what has ceased to, once each.
    fn turn<'a>(
        &mut self,
        metric: &ScaleMetric,
        read: &'a Result<f64, Missing>,
    ) -> Option<Turn<'a>> {
        let known = self.0.contains(metric);
        match read {
            Err(Missing::Failed(why)) if !known => {
                self.0.push(metric.clone());
                Some(Turn::Lost(why))
            }
            Ok(_) if known => {
                self.0.retain(|failing| failing != metric);
                Some(Turn::Back)
            }
            _ => None,
        }
    }
}

fn announce(revision: &RevisionId, metric: &ScaleMetric, turn: Option<&Turn<'_>>) {
    let metric = metric.as_str();
    match turn {
        Some(Turn::Lost(why)) => {
            tracing::warn!(%revision, metric, why, "a metric is missing, nothing shrinks");
        }
        Some(Turn::Back) => tracing::info!(%revision, metric, "the metric is back"),
        None => {}
    }
}

/// The next beat; those that were missed are not made up for.
fn beat_after(first: Instant, now: Instant) -> Instant {
    match now.checked_duration_since(first) {
        Some(gone) => first + Duration::from_secs(gone.as_secs() + 1),
        None => first,
    }
}

/// What of all that is averaged is measured at the replicas.
fn measured(spec: &Spec) -> Vec<ScaleMetric> {
    let metrics = spec.metrics().map(|(metric, _)| metric);
    let measured = metrics.filter(|metric| !metric.counts_requests());
    measured.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscale::SAMPLE_EVERY;
    use crate::revision::{ContainerConcurrency, Scaling, samples};

    /// Counts how often it is asked, for each metric.
    struct Counts(f64);

    impl Gauges for Counts {
        async fn read(&mut self, metrics: &[ScaleMetric]) -> Vec<Result<f64, Missing>> {
            self.0 += 1.0;
            metrics.iter().map(|_| Ok(self.0)).collect()
        }
    }

    fn by(metric: ScaleMetric) -> Spec {
        let scaling = Scaling {
            metric,
            ..samples::scaling()
        };
        Spec::new(scaling, ContainerConcurrency::UNLIMITED)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_to_be_read_is_read_once_a_second_and_nothing_else_is() {
        let spec = watch::Sender::new(by(ScaleMetric::Rps));
        let (tell, told) = watch::channel(Gauged::default());
        let gauging = Gauging {
            id: RevisionId::new("m"),
            gauges: Counts(0.0),
            spec: spec.subscribe(),
            tell,
        };
        tokio::spawn(gauging.run());
        tokio::time::sleep(10 * SAMPLE_EVERY).await;
        assert_eq!(*told.borrow(), Gauged::default());

        spec.send_replace(by(ScaleMetric::Cpu));
        for second in 1..=5 {
            tokio::time::sleep(SAMPLE_EVERY).await;
            let read = Ok(f64::from(second));
            assert_eq!(told.borrow().of(&ScaleMetric::Cpu), Some(&read));
        }

        spec.send_replace(by(ScaleMetric::Rps));
        tokio::time::sleep(2 * SAMPLE_EVERY).await;
        assert_eq!(*told.borrow(), Gauged::default());
    }

    #[test]
    fn a_metric_that_fails_is_told_once_until_it_is_back() {
        let mut failing = Failing::default();
        let (cpu, memory) = (ScaleMetric::Cpu, ScaleMetric::Memory);
        let why = Err(Missing::Failed("broken".to_owned()));
        assert_eq!(failing.turn(&cpu, &Ok(1.0)), None);
        assert_eq!(failing.turn(&cpu, &why), Some(Turn::Lost("broken")));
        assert_eq!(failing.turn(&memory, &why), Some(Turn::Lost("broken")));
        for read in [&why, &Err(Missing::NotYet), &why] {
            assert_eq!(failing.turn(&cpu, read), None);
        }
        assert_eq!(failing.turn(&cpu, &Ok(1.0)), Some(Turn::Back));
        assert_eq!(failing.turn(&cpu, &Ok(1.0)), None);
    }
}
