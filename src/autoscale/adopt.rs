//! Changed settings while a revision is steered: which of its measurements go on, and what holds
//! until there are new ones. Who changes them, and when, is left to others.

use std::time::Instant;

use super::steering::needs_presence;
use super::{Bound, Collector, Spec, Steering};
use crate::revision::ScaleMetric;

impl Steering {
    /// Takes changed settings, and keeps what was measured where it still means the same. Where
    /// nothing of it does, nothing shrinks before there is a window of fresh data.
    pub fn adopt(&mut self, spec: &Spec, now: Instant) {
        let kept: Vec<_> = spec.metrics().map(|(m, _)| self.kept(m)).collect();
        let here = self.presence.take();
        let here = here.or_else(|| self.kept(&ScaleMetric::Concurrency));
        if let Some(asked) = self.asked.filter(|n| *n > 0)
            && kept.iter().all(Option::is_none)
        {
            self.decider.hold(asked, Bound::NewMetrics, now);
        }
        let go_on = |kept: Option<Collector>| match kept {
            Some(mut collector) => {
                collector.resize(spec, now);
                collector
            }
            None => Collector::new(spec, now),
        };
        self.collectors = kept.into_iter().map(go_on).collect();
        self.presence = needs_presence(spec).then(|| go_on(here));
        self.spec = spec.clone();
    }

    /// What was measured of a metric so far.
    fn kept(&self, metric: &ScaleMetric) -> Option<Collector> {
        let mut known = self.spec.metrics().zip(&self.collectors);
        let found = known.find(|((known, _), _)| *known == metric)?;
        Some(found.1.clone())
    }
}
