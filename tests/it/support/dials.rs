//! What replicas are said to use and report.

use std::sync::Arc;

use holdgate::ports::{Gauges, Missing, ReplicaState, World};
use holdgate::revision::ScaleMetric;
use parking_lot::Mutex;
use tokio::sync::watch;

type Reading = Box<dyn FnMut() -> Result<f64, Missing> + Send>;

/// Dials that a test sets; clones are the same ones.
#[derive(Clone, Default)]
pub(crate) struct Dials(Arc<Mutex<Vec<(ScaleMetric, Reading)>>>);

impl Dials {
    /// From now on so much over all replicas.
    pub(crate) fn set(&self, metric: ScaleMetric, value: f64) {
        self.set_to(metric, move || Ok(value));
    }

    /// From now on nobody can read it.
    pub(crate) fn break_off(&self, metric: ScaleMetric) {
        self.set_to(metric, || Err(broken()));
    }

    /// From now on what this says, second by second.
    pub(crate) fn set_to(
        &self,
        metric: ScaleMetric,
        reading: impl FnMut() -> Result<f64, Missing> + Send + 'static,
    ) {
        let mut dials = self.0.lock();
        dials.retain(|(known, _)| *known != metric);
        dials.push((metric, Box::new(reading)));
    }

    /// What the autoscaler of one revision reads.
    pub(super) fn of(&self, world: watch::Receiver<World>) -> Watched {
        let dials = self.clone();
        Watched { dials, world }
    }
}

pub(crate) fn broken() -> Missing {
    Missing::Failed("the dial is broken".to_owned())
}

pub(super) struct Watched {
    dials: Dials,
    world: watch::Receiver<World>,
}

impl Gauges for Watched {
    async fn read(&mut self, metrics: &[ScaleMetric]) -> Vec<Result<f64, Missing>> {
        let nobody = self.world.borrow().count(ReplicaState::Ready) == 0;
        let mut dials = self.dials.0.lock();
        let mut read = |metric: &ScaleMetric| {
            if nobody {
                return Err(Missing::NotYet);
            }
            let dial = dials.iter_mut().find(|(known, _)| known == metric);
            dial.map_or(Err(Missing::NotYet), |(_, reading)| reading())
        };
        metrics.iter().map(&mut read).collect()
    }
}
