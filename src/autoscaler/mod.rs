//! The loop around a decider: measures every second, decides every two, at once when somebody waits
//! at zero, and asks the world for the number decided on. Lets go of nothing by itself: what it
//! does not know it leaves as it is.

mod beat;
mod demand;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

pub use self::beat::Beat;
pub use self::demand::Demand;
use crate::autoscale::{
    Around, Bound, Decision, Measured, Memory, Mode, SAMPLE_EVERY, Spec, Steering,
};
use crate::decisions::Decisions;
use crate::ports::{Missing, ReplicaState, Scaler, World};
use crate::revision::{RevisionId, ScaleMetric};
use crate::stats::Stats;
use crate::sync::now;
use crate::throttler::Sample;
use crate::trace::{Decided, Event, Recalled};

/// What was last read of the replicas themselves. Every value counts for one measurement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauged(pub Vec<(ScaleMetric, Result<f64, Missing>)>);

impl Gauged {
    /// What was read of a metric; `None` where it was not asked for.
    #[must_use]
    pub fn of(&self, metric: &ScaleMetric) -> Option<&Result<f64, Missing>> {
        let found = self.0.iter().find(|(known, _)| known == metric);
        found.map(|(_, read)| read)
    }

    /// The values of all metrics that do not count requests, in the order of the metrics.
    #[must_use]
    pub fn in_order(&self, spec: &Spec) -> Vec<Option<f64>> {
        let value = |metric: &ScaleMetric| self.of(metric)?.as_ref().ok().copied();
        let metrics = spec.metrics().map(|(metric, _)| metric);
        let gauged = metrics.filter(|metric| !metric.counts_requests());
        gauged.map(value).collect()
    }
}

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
pub struct PodAutoscaler<D, S> {
    /// Whose.
    pub id: RevisionId,
    /// What is measured.
    pub demand: Arc<D>,
    /// Who is asked for replicas.
    pub scaler: S,
    /// What is there.
    pub world: watch::Receiver<World>,
    /// What the replicas use and report.
    pub gauged: watch::Receiver<Gauged>,
    /// The lower bound that a schedule sets at this hour.
    pub scheduled: watch::Receiver<Option<u32>>,
    /// When its measurements fall.
    pub beat: Beat,
    /// What outlives a restart.
    pub lasting: Lasting,
    /// The settings; a change takes effect at the next decision.
    pub spec: watch::Receiver<Spec>,
    /// Where decisions are kept.
    pub decisions: Arc<Decisions>,
    /// Where they are counted.
    pub stats: Arc<Stats>,
}

impl<D: Demand, S: Scaler> PodAutoscaler<D, S> {
    /// Runs until dropped.
    pub async fn run(mut self) {
        let epoch = now();
        let steering = self.steering(epoch);
        self.decisions.begin(steering);
        // After a restart, the first measurement may show what grew while nobody measured.
        let mut decide_next = self.lasting.recalled.is_none();
        let first = self.beat.after(epoch + SAMPLE_EVERY);
        let mut tick = tokio::time::interval_at(first.into(), SAMPLE_EVERY);
        // A late tick is not made up for: two samples in one second would count twice.
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let sample = self.demand.peek();
        self.note_turn(epoch, true, &[]);
        self.decide(&sample, epoch).await;
        let mut latest = epoch;
        let demand = Arc::clone(&self.demand);
        // Kept over the ticks: to stand in line anew every second is a good part of a tick.
        let mut poke = pin!(demand.poked());
        loop {
            let poked = tokio::select! {
                biased;
                _ = tick.tick() => false,
                () = &mut poke => {
                    poke.set(demand.poked());
                    true
                }
            };
            let now = if poked { now() } else { on_time(epoch) }.max(latest);
            latest = now;
            if poked {
                self.answer_poke(now).await;
                continue;
            }
            decide_next = !decide_next;
            if decide_next {
                self.adopt(now);
            }
            let sample = self.demand.sample();
            self.record(&sample, now);
            if decide_next {
                self.decide(&sample, now).await;
            }
        }
    }

    /// Somebody begins to wait beside no replica: that may not last until the next tick.
    async fn answer_poke(&mut self, now: Instant) {
        self.adopt(now);
        let sample = self.demand.peek();
        self.note_turn(now, false, &[]);
        if self.decisions.steer(|s| s.poke(sample.in_flight, now)) {
            self.decide(&sample, now).await;
        }
    }

    /// Takes changed settings.
    fn adopt(&mut self, now: Instant) {
        if self.spec.has_changed().unwrap_or(false) {
            let spec = self.spec.borrow_and_update();
            self.decisions.steer(|steering| steering.adopt(&spec, now));
        }
    }

    fn record(&mut self, sample: &Sample, now: Instant) {
        let decisions = Arc::clone(&self.decisions);
        decisions.steer(|steering| {
            let gauged = if steering.gauges() {
                self.gauged(steering.spec())
            } else {
                Vec::new()
            };
            self.note_turn(now, false, &gauged);
            let report = sample.report;
            steering.record(&Measured { report, gauged }, now);
        });
    }

    fn steering(&mut self, now: Instant) -> Steering {
        let spec = self.spec.borrow_and_update();
        match &self.lasting.recalled {
            Some((memory, away)) => {
                let recalled = || Event::Recalled(Box::new(Recalled::new(memory, *away, &spec)));
                self.demand.tape().note(now, recalled);
                Steering::recall(&spec, memory, *away, now)
            }
            None => Steering::new(&spec, now),
        }
    }

    /// What was read of the replicas since the last measurement, in the order of the metrics.
    fn gauged(&mut self, spec: &Spec) -> Vec<Option<f64>> {
        let fresh = self.gauged.has_changed().unwrap_or(false);
        let read = self.gauged.borrow_and_update();
        if fresh {
            read.in_order(spec)
        } else {
            Gauged::default().in_order(spec)
        }
    }

    async fn decide(&self, sample: &Sample, now: Instant) {
        let scheduled = *self.scheduled.borrow();
        let around = around(&self.world.borrow(), sample, scheduled);
        let (decision, asked) = self
            .decisions
            .steer(|steering| (steering.decide(&around, now), steering.asked()));
        self.stats.decisions.count(decision.bound_by().as_str());
        self.demand.rest(decision.enough);
        let mut done = false;
        if decision.changes(asked)
            && let Some(replicas) = decision.replicas
        {
            let why = decision.reason().to_string();
            self.announce(asked, replicas, &why);
            match self.scaler.scale_to(replicas, &why).await {
                Ok(()) => {
                    self.decisions.steer(|s| s.note_asked(replicas));
                    done = true;
                }
                Err(error) => tracing::warn!(revision = %self.id, %error, "asked in vain"),
            }
        }
        let tape = self.demand.tape();
        if tape.is_on() {
            let noted = || Event::Decided(Some(Box::new(decided(&decision, done))));
            tape.note(crate::sync::now(), noted);
        }
        self.decisions.keep(decision);
        if !self.lasting.kept.is_closed() {
            let memory = self.decisions.steer(|steering| steering.remember(now));
            self.lasting.kept.send_replace(Some(memory));
        }
    }

    fn note_turn(&self, now: Instant, began: bool, gauged: &[Option<f64>]) {
        let tape = self.demand.tape();
        if !tape.is_on() {
            return;
        }
        tape.note_with(crate::sync::now(), |nanos| Event::Turned {
            now: nanos(now),
            began,
            gauged: gauged.to_vec(),
        });
    }

    fn announce(&self, asked: Option<u32>, replicas: u32, reason: &str) {
        let from = asked.unwrap_or(0);
        if from != replicas {
            tracing::info!(revision = %self.id, from, to = replicas, reason, "scale");
        }
    }
}

/// What is known of a revision at the moment of a sample.
#[must_use]
pub fn around(world: &World, sample: &Sample, scheduled: Option<u32>) -> Around {
    Around {
        ready: world.count(ReplicaState::Ready),
        starting: world.on_their_way(),
        busy: sample.busy,
        idle_since: sample.idle_since,
        typical_start: world.typical_start,
        shortage: world.shortage,
        scheduled,
        unheard: sample.unheard,
    }
}

/// A decision for a record.
fn decided(decision: &Decision, asked: bool) -> Decided {
    let seen = &decision.seen;
    let averages = seen.readings.iter().map(|reading| reading.averages);
    Decided {
        ready: seen.ready,
        starting: seen.starting,
        busy: seen.busy,
        typical_start: seen.typical_start,
        shortage: seen
            .shortage
            .map(|shortage| Bound::Shortage(shortage).as_str().to_owned()),
        scheduled: seen.scheduled,
        averages: averages
            .map(|averages| averages.map(|both| (both.stable, both.panic)))
            .collect(),
        replicas: decision.replicas,
        bound_by: decision.bound_by().as_str().to_owned(),
        panic: matches!(decision.mode, Mode::Panic { .. }),
        asked,
    }
}

/// The second that a tick now belongs to. A tick is heard a little late, and never equally so: with
/// that in it, two ticks thirty seconds apart would often be less than thirty seconds apart, and the
/// grace period would take another round.
fn on_time(epoch: Instant) -> Instant {
    let gone = now().saturating_duration_since(epoch);
    epoch + Duration::from_secs(gone.as_secs())
}
