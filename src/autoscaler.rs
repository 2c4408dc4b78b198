//! The loop around a decider: measures every second, decides every two, at once when somebody waits
//! at zero, and asks the world for the number decided on. Lets go of nothing by itself: what it
//! does not know it leaves as it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::autoscale::{Around, Decision, Measured, Memory, SAMPLE_EVERY, Spec, Steering};
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

/// What was last read of the replicas themselves. Every value counts for one measurement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauged(pub Vec<(ScaleMetric, Option<f64>)>);

/// What comes from an earlier life of the gate, and what is for the next one.
#[derive(Debug)]
pub struct Lasting {
    /// What was remembered, and how long ago; `None` begins without a history.
    pub recalled: Option<(Memory, Duration)>,
    /// What is to be remembered. Not worked out while nobody listens.
    pub kept: watch::Sender<Option<Memory>>,
}

impl Lasting {
    /// Nothing was remembered, and nothing will be.
    #[must_use]
    pub fn nothing() -> Self {
        let (recalled, kept) = (None, watch::Sender::new(None));
        Self { recalled, kept }
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
    /// What the replicas use and report.
    pub gauged: watch::Receiver<Gauged>,
    /// The lower bound that a schedule sets at this hour.
    pub scheduled: watch::Receiver<Option<u32>>,
    /// What outlives a restart.
    pub lasting: Lasting,
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
        let mut steering = self.steering(epoch);
        // After a restart, the first measurement may show what grew while nobody measured.
        let mut decide_next = self.lasting.recalled.is_none();
        let mut tick = tokio::time::interval_at((epoch + SAMPLE_EVERY).into(), SAMPLE_EVERY);
        // A late tick is not made up for: two samples in one second would count twice.
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.decide(&mut steering, &self.throttler.peek(), epoch)
            .await;
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
                if steering.poke(sample.in_flight, now) {
                    self.decide(&mut steering, &sample, now).await;
                }
                continue;
            }
            let sample = self.throttler.sample();
            let gauged = self.gauged(steering.spec());
            let report = sample.report;
            steering.record(&Measured { report, gauged }, now);
            decide_next = !decide_next;
            if !decide_next {
                continue;
            }
            self.decide(&mut steering, &sample, now).await;
        }
    }

    fn steering(&mut self, now: Instant) -> Steering {
        let spec = self.spec.borrow_and_update();
        match &self.lasting.recalled {
            Some((memory, away)) => Steering::recall(&spec, memory, *away, now),
            None => Steering::new(&spec, now),
        }
    }

    /// What was read of the replicas since the last measurement, in the order of the metrics.
    fn gauged(&mut self, spec: &Spec) -> Vec<Option<f64>> {
        let fresh = self.gauged.has_changed().unwrap_or(false);
        let Gauged(read) = &*self.gauged.borrow_and_update();
        let value = |metric: &ScaleMetric| {
            let found = read.iter().find(|(known, _)| known == metric);
            found.and_then(|(_, value)| *value).filter(|_| fresh)
        };
        spec.metrics()
            .map(|(metric, _)| metric)
            .filter(|metric| !metric.counts_requests())
            .map(value)
            .collect()
    }

    fn around(&self, sample: &Sample) -> Around {
        let world = self.world.borrow();
        Around {
            ready: world.count(ReplicaState::Ready),
            starting: world.count(ReplicaState::Starting),
            busy: sample.busy,
            idle_since: sample.idle_since,
            typical_start: world.typical_start,
            shortage: world.shortage,
            scheduled: *self.scheduled.borrow(),
        }
    }

    async fn decide(&self, steering: &mut Steering, sample: &Sample, now: Instant) {
        let decision = steering.decide(&self.around(sample), now);
        self.stats.decisions.count(decision.bound_by().as_str());
        let asked = steering.asked();
        if decision.changes(asked)
            && let Some(replicas) = decision.replicas
        {
            self.announce(asked, replicas, &decision);
            match self.scaler.scale_to(replicas).await {
                Ok(()) => steering.note_asked(replicas),
                Err(error) => tracing::warn!(revision = %self.id, %error, "asked in vain"),
            }
        }
        self.decisions.keep(decision);
        if !self.lasting.kept.is_closed() {
            self.lasting.kept.send_replace(Some(steering.remember(now)));
        }
    }

    fn announce(&self, asked: Option<u32>, replicas: u32, decision: &Decision) {
        let from = asked.unwrap_or(0);
        if from != replicas {
            let reason = decision.reason();
            tracing::info!(revision = %self.id, from, to = replicas, %reason, "scale");
        }
    }
}

/// The second that a tick now belongs to. A tick is heard a little late, and never equally so: with
/// that in it, two ticks thirty seconds apart would often be less than thirty seconds apart, and the
/// grace period would take another round.
fn on_time(epoch: Instant) -> Instant {
    let gone = now().saturating_duration_since(epoch);
    epoch + Duration::from_secs(gone.as_secs())
}
