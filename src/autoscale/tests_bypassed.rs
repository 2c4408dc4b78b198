//! Callers who reach replicas past the gate: what it counts says nothing then, what replicas tell does.

use std::time::Instant;

use super::support::{seconds, spec, start};
use super::*;
use crate::admission::meter::Report;
use crate::revision::{ContainerConcurrency, MetricTarget, ScaleMetric, Scaling, Scrape};

/// One revision that is steered, second after second.
struct Life {
    steering: Steering,
    begun: Instant,
    second: u64,
    ready: u32,
    /// Replicas come and go as they are asked to.
    follows: bool,
}

fn scraped() -> ScaleMetric {
    ScaleMetric::Scraped(std::sync::Arc::new(Scrape {
        name: "running".into(),
        path: "/metrics".into(),
    }))
}

impl Life {
    /// One replica is ready, and nobody was ever here.
    fn with(metrics: &[ScaleMetric], change: impl FnOnce(&mut Scaling)) -> Self {
        let further = metrics[1..].iter().map(|metric| MetricTarget {
            metric: metric.clone(),
            target: Some(4.0),
        });
        let mut scaling = Scaling {
            metric: metrics[0].clone(),
            further_metrics: further.collect(),
            ..spec(4.0).scaling
        };
        change(&mut scaling);
        let spec = Spec {
            bypassed: true,
            ..Spec::new(scaling, ContainerConcurrency::UNLIMITED)
        };
        let begun = start();
        let mut steering = Steering::new(&spec, begun);
        steering.note_asked(1);
        Self {
            steering,
            begun,
            second: 0,
            ready: 1,
            follows: true,
        }
    }

    /// So long the gate counts `here`, and the replicas tell of `told`; the last decision.
    fn lives(&mut self, lasts: u64, here: f64, told: Option<f64>) -> Decision {
        let mut last = None;
        for _ in 0..lasts {
            self.second += 1;
            let now = self.begun + seconds(self.second);
            let report = Report {
                average_concurrency: here,
                requests: 0,
            };
            let gauged = vec![told];
            self.steering.record(&Measured { report, gauged }, now);
            let around = Around {
                unheard: false,
                ready: self.ready,
                starting: 0,
                busy: 0,
                idle_since: (here == 0.0).then_some(self.begun),
                typical_start: None,
                shortage: None,
                scheduled: None,
            };
            let decision = self.steering.decide(&around, now);
            if let Some(replicas) = decision.replicas {
                self.steering.note_asked(replicas);
                if self.follows {
                    self.ready = replicas;
                }
            }
            last = Some(decision);
        }
        last.expect("it lived")
    }
}

#[test]
fn requests_that_nobody_counts_are_missing_and_not_none() {
    let mut life = Life::with(&[ScaleMetric::Concurrency], |_| {});
    let decision = life.lives(600, 0.0, None);
    assert_eq!((decision.replicas, life.steering.asked()), (None, Some(1)));
    assert_eq!(decision.seen.readings[0].averages, None);
    // None of those seconds counts as one without requests once they are counted again.
    (life.ready, life.follows) = (0, false);
    life.lives(2, 0.0, None);
    let decision = life.lives(2, 6.0, None);
    let averages = decision.seen.readings[0]
        .averages
        .expect("they are counted");
    assert!(averages.stable >= 4.0, "{averages:?}");
}

#[test]
fn where_nobody_would_count_who_comes_there_is_one_though_nobody_asks() {
    for metric in [ScaleMetric::Concurrency, ScaleMetric::Rps, ScaleMetric::Cpu] {
        let mut life = Life::with(std::slice::from_ref(&metric), |_| {});
        // It has crashed, and stays away for longer than any window.
        (life.ready, life.follows) = (0, false);
        let decision = life.lives(900, 0.0, None);
        assert_eq!(decision.replicas, Some(1), "{metric:?}");
        assert_eq!(decision.bound_by(), Bound::Path, "{metric:?}");
        // It was at none before anybody steered it, or remembers that it was.
        let remembered = crate::autoscale::Memory {
            initialized: true,
            ..Default::default()
        };
        let (spec, now) = (life.steering.spec().clone(), life.begun);
        for fresh in [
            Steering::new(&spec, now),
            Steering::recall(&spec, &remembered, seconds(1), now),
        ] {
            life = Life {
                steering: fresh,
                second: 0,
                ..life
            };
            assert_eq!(life.lives(3, 0.0, None).replicas, Some(1), "{metric:?}");
        }
    }
    let mut told = Life::with(&[scraped()], |_| {});
    (told.ready, told.follows) = (0, false);
    assert_eq!(told.lives(900, 0.0, None).replicas, Some(0));
}

#[test]
fn what_replicas_tell_says_whether_anybody_is_here() {
    for metrics in [vec![scraped()], vec![ScaleMetric::Concurrency, scraped()]] {
        let mut life = Life::with(&metrics, |_| {});
        let decision = life.lives(300, 0.0, Some(9.0));
        assert_eq!(decision.replicas, Some(3), "{metrics:?}");
        let decision = life.lives(300, 0.0, Some(0.0));
        assert_eq!((decision.replicas, life.ready), (Some(0), 0), "{metrics:?}");
    }
}

#[test]
fn what_replicas_use_never_says_that_nobody_is_here() {
    let mut life = Life::with(&[ScaleMetric::Cpu], |_| {});
    let decision = life.lives(600, 0.0, Some(0.0));
    assert_eq!(decision.replicas, Some(1));
    assert_eq!(decision.bound_by(), Bound::Path);
}

#[test]
fn the_time_since_the_last_request_here_ends_nothing() {
    let mut life = Life::with(&[scraped()], |scaling| {
        scaling.stop_after_idle = Some(seconds(30));
    });
    let decision = life.lives(300, 0.0, Some(3.0));
    assert_eq!(decision.replicas, Some(1));
}
