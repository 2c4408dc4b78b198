//! The loop around a decider: measures every second, decides every two, at once when somebody waits
//! at zero, and asks the world for the number decided on. Lets go of nothing by itself: what it
//! does not know it leaves as it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::autoscale::{Activation, Collector, Decider, Decision, SAMPLE_EVERY, Seen, Spec, wakes};
use crate::ports::{ReplicaState, Scaler, World};
use crate::revision::{RevisionId, ScaleMetric};
use crate::stats::Stats;
use crate::sync::now;
use crate::throttler::{Sample, Throttler};

/// How many decisions are kept to be looked at.
const KEPT: usize = 256;

/// The last decisions of one revision, newest last.
#[derive(Debug, Default)]
pub struct Decisions(parking_lot::Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: VecDeque<Decision>,
    desired: Option<u32>,
}

impl Decisions {
    /// All that are kept, oldest first.
    #[must_use]
    pub fn read(&self) -> Vec<Decision> {
        self.0.lock().last.iter().cloned().collect()
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<Decision> {
        self.0.lock().last.back().cloned()
    }

    /// The number decided on last. Decisions that leave it as it is do not change it; `None`
    /// before the first that names one.
    #[must_use]
    pub fn desired(&self) -> Option<u32> {
        self.0.lock().desired
    }

    fn keep(&self, decision: Decision) {
        let mut kept = self.0.lock();
        kept.desired = decision.replicas.or(kept.desired);
        if kept.last.len() == KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back(decision);
    }
}

/// Everything one revision's autoscaler reads and steers.
#[derive(Debug)]
pub struct PodAutoscaler<C, S> {
    /// Whose.
    pub id: RevisionId,
    /// What is measured.
    pub throttler: Arc<Throttler<C>>,
    /// Who is asked for replicas.
    pub scaler: S,
    /// What is there.
    pub world: watch::Receiver<World>,
    /// The settings; a change takes effect at the next decision.
    pub spec: watch::Receiver<Spec>,
    /// Where decisions are kept.
    pub decisions: Arc<Decisions>,
    /// Where they are counted.
    pub stats: Arc<Stats>,
}

impl<C, S> PodAutoscaler<C, S>
where
    C: Default + Send + Sync + 'static,
    S: Scaler,
{
    /// Runs until dropped.
    pub async fn run(mut self) {
        let epoch = now();
        let mut steering = Steering::new(&self.spec.borrow_and_update(), epoch);
        let mut tick = tokio::time::interval_at((epoch + SAMPLE_EVERY).into(), SAMPLE_EVERY);
        // A late tick is not made up for: two samples in one second would count twice.
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.decide(&mut steering, None, epoch).await;
        let mut decide_next = true;
        let mut latest = epoch;
        loop {
            let poked = tokio::select! {
                biased;
                _ = tick.tick() => false,
                () = self.throttler.poked() => true,
            };
            let now = if poked { now() } else { on_time(epoch) }.max(latest);
            latest = now;
            if self.spec.has_changed().unwrap_or(false) {
                steering.adopt(&self.spec.borrow_and_update(), now);
            }
            if poked {
                let sample = self.throttler.peek();
                if wakes(steering.asked, sample.in_flight) {
                    steering.push(&sample, now);
                    self.decide(&mut steering, sample.idle_since, now).await;
                }
                continue;
            }
            let sample = self.throttler.sample();
            steering.record(&sample, now);
            decide_next = !decide_next;
            if !decide_next {
                continue;
            }
            self.decide(&mut steering, sample.idle_since, now).await;
        }
    }

    async fn decide(&self, steering: &mut Steering, idle_since: Option<Instant>, now: Instant) {
        let (ready, starting) = {
            let world = self.world.borrow();
            (
                world.count(ReplicaState::Ready),
                world.count(ReplicaState::Starting),
            )
        };
        let seen = Seen {
            ready,
            starting,
            averages: steering.collector.read(now),
        };
        let decision = steering.decider.decide(&steering.spec, seen, now);
        let decision = steering
            .activation
            .settle(decision, &steering.spec, idle_since, now);
        self.stats.decisions.count(decision.bound_by().as_str());
        if decision.changes(steering.asked)
            && let Some(replicas) = decision.replicas
        {
            self.announce(steering.asked, replicas, &decision);
            match self.scaler.scale_to(replicas).await {
                Ok(()) => steering.asked = Some(replicas),
                Err(error) => tracing::warn!(revision = %self.id, %error, "asked in vain"),
            }
        }
        self.decisions.keep(decision);
    }

    fn announce(&self, asked: Option<u32>, replicas: u32, decision: &Decision) {
        let from = asked.unwrap_or(0);
        if from != replicas {
            let reason = decision.reason();
            tracing::info!(revision = %self.id, from, to = replicas, %reason, "scale");
        }
    }
}

/// What steers one revision: its windows, its decider, and what was asked for last.
#[derive(Debug)]
struct Steering {
    spec: Spec,
    collector: Collector,
    decider: Decider,
    activation: Activation,
    asked: Option<u32>,
    sampled: Instant,
}

impl Steering {
    fn new(spec: &Spec, now: Instant) -> Self {
        Self {
            spec: spec.clone(),
            collector: Collector::new(spec, now),
            decider: Decider::new(spec, 0, now),
            activation: Activation::new(spec, 0, now),
            asked: None,
            sampled: now,
        }
    }

    fn adopt(&mut self, spec: &Spec, now: Instant) {
        if self.spec.scaling.metric != spec.scaling.metric {
            // What was averaged so far is in another unit.
            self.collector = Collector::new(spec, now);
        }
        self.spec = spec.clone();
        self.collector.resize(spec, now);
    }

    /// Records a sample for the seconds it covers: usually one, more when the machine was busy. Its
    /// average is over all of them, so none is missing and none counts as zero.
    fn record(&mut self, sample: &Sample, now: Instant) {
        let covered = now.saturating_duration_since(self.sampled);
        self.sampled = now;
        let value = match self.spec.scaling.metric {
            ScaleMetric::Concurrency => sample.report.average_concurrency,
            ScaleMetric::Rps => per_second(sample.report.requests, covered),
        };
        let missed = covered.as_secs().saturating_sub(1);
        for back in (1..=missed.min(3600)).rev() {
            let then = now.checked_sub(Duration::from_secs(back));
            self.collector.record(then.unwrap_or(now), value);
        }
        self.collector.record(now, value);
    }

    /// Somebody waits at zero: what is known already counts now, not at the next sample.
    fn push(&mut self, sample: &Sample, now: Instant) {
        let value = match self.spec.scaling.metric {
            ScaleMetric::Concurrency => f64::from(sample.in_flight),
            ScaleMetric::Rps => 1.0,
        };
        self.collector.record(now, value);
    }
}

fn per_second(requests: u64, covered: Duration) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "far fewer than 2^52 requests a second"
    )]
    let requests = requests as f64;
    requests / covered.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The second that a tick now belongs to. A tick is heard a little late, and never equally so: with
/// that in it, two ticks thirty seconds apart would often be less than thirty seconds apart, and the
/// grace period would take another round.
fn on_time(epoch: Instant) -> Instant {
    let gone = now().saturating_duration_since(epoch);
    epoch + Duration::from_secs(gone.as_secs())
}
