//! One revision of a gate: its parts, and what the gate has of them.

use std::sync::Arc;
use std::time::Duration;

use holdgate::admin::Watched;
use holdgate::autoscale::{Decision, Memory, Spec};
use holdgate::autoscaler::{Beat, Gauged, Lasting, PodAutoscaler};
use holdgate::backend::places::Places;
use holdgate::backend::{ProcessSpec, Settings, Supervisor};
use holdgate::decisions::Decisions;
use holdgate::ports::World;
use holdgate::proxy::{Revision, Throttler};
use holdgate::revision::RevisionSpec;
use holdgate::schedule::Schedule;
use holdgate::stats::Stats;
use holdgate::throttler::Crowd;
use holdgate::trace::Tape;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::support::{Machine, ms};

pub(super) struct Running {
    pub(super) spec: RevisionSpec,
    pub(super) throttler: Arc<Throttler>,
    pub(super) stats: Arc<Stats>,
    pub(super) supervisor: Supervisor,
    decisions: Arc<Decisions>,
    /// Every decision, one by one.
    pub(super) decided: Arc<Mutex<Vec<Decision>>>,
    pub(super) scaling: watch::Sender<Spec>,
}

impl Running {
    /// Its processes run on a machine from now on; nobody decides how many.
    pub(super) fn start(
        spec: RevisionSpec,
        process: ProcessSpec,
        tape: Tape,
        (machine, places, crowd): (Machine, Places, Arc<Crowd>),
        was_before: bool,
    ) -> Self {
        let throttler = Throttler::among(crowd, spec.container_concurrency, spec.queue, tape);
        let stats = Arc::new(Stats::new());
        let settings = Settings {
            typical_start: was_before.then(|| ms(2_500)),
            revision: spec.id.clone(),
            failed_starts: spec.scaling.failed_starts,
            min_replicas: spec.scaling.min_replicas,
            max_starting: spec.scaling.max_starting,
            stats: Arc::clone(&stats),
            tape: throttler.tape().clone(),
        };
        let machine = (machine.clone(), machine);
        let occupancy = Arc::clone(&throttler);
        let supervisor = Supervisor::start(settings, process, machine, places, occupancy);
        let decided = Arc::new(Mutex::new(Vec::new()));
        let tap = Arc::clone(&decided);
        let decisions = Decisions::tapped(move |decision: &Decision| {
            tap.lock().push(decision.clone());
        });
        Self {
            scaling: watch::Sender::new(scaling(&spec)),
            spec,
            throttler,
            stats,
            supervisor,
            decisions: Arc::new(decisions),
            decided,
        }
    }

    /// Decides how many, from what is remembered on.
    pub(super) fn autoscaler(
        &self,
        recalled: Option<(Memory, Duration)>,
        gauged: watch::Receiver<Gauged>,
    ) -> PodAutoscaler<Throttler, Supervisor> {
        PodAutoscaler {
            beat: Beat::begin(),
            lasting: Lasting {
                recalled,
                ..Lasting::nothing()
            },
            id: self.spec.id.clone(),
            demand: Arc::clone(&self.throttler),
            scaler: self.supervisor.clone(),
            world: self.supervisor.world(),
            gauged,
            scheduled: watch::channel(None).1,
            spec: self.scaling.subscribe(),
            decisions: Arc::clone(&self.decisions),
            stats: Arc::clone(&self.stats),
        }
    }

    /// As the admin port shows it.
    pub(super) fn watched(&self, gauged: watch::Receiver<Gauged>) -> Watched {
        Watched {
            world: self.supervisor.world(),
            gauged,
            schedule: watch::channel(Schedule::default()).1,
            remarks: watch::channel(Vec::new()).1,
            decisions: Arc::clone(&self.decisions),
            spec: self.scaling.subscribe(),
        }
    }

    /// As requests find it.
    pub(super) fn listed(&self) -> Revision {
        Revision {
            spec: self.spec.clone(),
            throttler: Arc::clone(&self.throttler),
            stats: Arc::clone(&self.stats),
            tls: None,
        }
    }
}

pub(super) fn scaling(spec: &RevisionSpec) -> Spec {
    Spec::new(spec.scaling.clone(), spec.container_concurrency)
}

/// Tells the throttler what the world looks like, now and whenever it changes.
pub(super) async fn follow(mut world: watch::Receiver<World>, throttler: Arc<Throttler>) {
    loop {
        let present = World::clone(&world.borrow_and_update());
        throttler.follow(&present);
        if world.changed().await.is_err() {
            return;
        }
    }
}
