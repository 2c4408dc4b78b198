//! One revision's circle, whatever its replicas are: what its requests wait at, what is told of it,
//! and the loop that leads from there through the world and back. Who makes that world, and when it
//! is steered, is left to who holds the circle.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::admin::{Board, Watched};
use crate::autoscale::{Memory, Spec};
use crate::autoscaler::{Beat, Demand, Gauged, Lasting, PodAutoscaler};
use crate::decisions::Decisions;
use crate::gauging::Gauging;
use crate::ports::{Gauges, Outage, OutageReason, Scaler, World};
use crate::proxy::{Revision, Throttler};
use crate::revision::{CallerPath, RevisionId, RevisionSpec};
use crate::schedule::{Schedule, publish};
use crate::state::Notebook;
use crate::stats::Stats;
use crate::sync::wall;
use crate::throttler::Crowd;
use crate::tls::ReplicaTls;
use crate::trace::Tape;

/// One revision's circle.
#[derive(Debug)]
pub(super) struct Circle {
    spec: RevisionSpec,
    throttler: Arc<Throttler>,
    stats: Arc<Stats>,
    scaling: watch::Sender<Spec>,
    schedule: watch::Sender<Schedule>,
    floor: watch::Receiver<Option<u32>>,
    gauged: watch::Sender<Gauged>,
    remarks: watch::Sender<Vec<String>>,
    /// How its replicas are reached by TLS; `None` where they do not speak it.
    tls: watch::Sender<Option<ReplicaTls>>,
    decisions: Arc<Decisions>,
    beat: Beat,
    /// What is there; nothing before somebody says.
    world: watch::Receiver<World>,
    /// Set while nobody is served here, whatever the world says.
    shut: watch::Sender<Option<Arc<Outage>>>,
    following: Option<AbortOnDropHandle<()>>,
    /// Follows the hours of the day, and whatever else was begun here; ends when dropped.
    loops: JoinSet<()>,
}

/// What steers a revision when it is steered.
#[derive(Clone, Debug)]
pub(super) struct Reins {
    id: RevisionId,
    stats: Arc<Stats>,
    scaling: watch::Receiver<Spec>,
    floor: watch::Receiver<Option<u32>>,
    gauged: watch::Sender<Gauged>,
    decisions: Arc<Decisions>,
    beat: Beat,
}

impl Circle {
    /// Nothing is there yet, and nobody is asked for anything.
    pub(super) fn open(
        spec: &RevisionSpec,
        schedule: &Schedule,
        crowd: Arc<Crowd>,
        tape: Tape,
        beat: Beat,
    ) -> Self {
        let (limit, queue) = (spec.container_concurrency, spec.queue);
        let schedule = watch::Sender::new(schedule.clone());
        let present = schedule.borrow().floor_at(wall());
        let (tell, floor) = watch::channel(present);
        let mut loops = JoinSet::new();
        loops.spawn(publish(schedule.subscribe(), tell));
        Self {
            spec: spec.clone(),
            throttler: Throttler::among(crowd, limit, queue, tape),
            stats: Arc::new(Stats::new()),
            scaling: watch::Sender::new(scaling(spec)),
            schedule,
            floor,
            gauged: watch::Sender::new(Gauged::default()),
            remarks: watch::Sender::new(Vec::new()),
            tls: watch::Sender::new(None),
            decisions: Arc::default(),
            beat,
            world: watch::channel(World::default()).1,
            shut: watch::Sender::new(None),
            following: None,
            loops,
        }
    }

    /// What its requests wait at.
    pub(super) const fn throttler(&self) -> &Arc<Throttler> {
        &self.throttler
    }

    /// What is counted.
    pub(super) const fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// The settings it is scaled by.
    pub(super) fn scaling(&self) -> watch::Receiver<Spec> {
        self.scaling.subscribe()
    }

    /// The lower bound at this hour.
    pub(super) fn floor(&self) -> watch::Receiver<Option<u32>> {
        self.floor.clone()
    }

    /// Sends requests to what is there in this world from now on, and shows it.
    pub(super) fn follow(&mut self, world: watch::Receiver<World>, board: &Board) {
        self.world = world;
        self.show(board);
        let (world, shut) = (self.world.clone(), self.shut.subscribe());
        let following = follow(world, shut, Arc::clone(&self.throttler));
        self.following = Some(AbortOnDropHandle::new(tokio::spawn(following)));
    }

    /// Shows it, in the place of what was shown by its name.
    pub(super) fn show(&self, board: &Board) {
        let watched = Watched {
            world: self.world.clone(),
            decisions: Arc::clone(&self.decisions),
            spec: self.scaling.subscribe(),
            gauged: self.gauged.subscribe(),
            schedule: self.schedule.subscribe(),
            remarks: self.remarks.subscribe(),
        };
        board.insert(self.spec.id.clone(), watched);
    }

    /// What it takes to steer it.
    pub(super) fn reins(&self) -> Reins {
        Reins {
            id: self.spec.id.clone(),
            stats: Arc::clone(&self.stats),
            scaling: self.scaling.subscribe(),
            floor: self.floor.clone(),
            gauged: self.gauged.clone(),
            decisions: Arc::clone(&self.decisions),
            beat: self.beat,
        }
    }

    /// Goes on as long as this circle does.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.loops.spawn(task);
    }

    /// How its replicas are reached by TLS, now and whenever that changes.
    pub(super) fn tls(&self) -> watch::Receiver<Option<ReplicaTls>> {
        self.tls.subscribe()
    }

    /// Reaches its replicas so from now on, if it is by TLS; what is under way goes on.
    pub(super) fn reach_by(&self, tls: Option<ReplicaTls>) {
        self.tls.send_if_modified(|present| {
            let changed = *present != tls;
            *present = tls;
            changed
        });
    }

    /// Takes changed settings; nobody is interrupted.
    pub(super) fn change(&mut self, spec: &RevisionSpec, schedule: &Schedule) {
        self.throttler
            .set_limits(spec.container_concurrency, spec.queue);
        self.scaling.send_replace(scaling(spec));
        self.schedule.send_if_modified(|present| {
            let changed = *present != *schedule;
            if changed {
                present.clone_from(schedule);
            }
            changed
        });
        self.spec = spec.clone();
    }

    /// This revision as the data path sees it.
    pub(super) fn entry(&self) -> Revision {
        Revision {
            spec: self.spec.clone(),
            throttler: Arc::clone(&self.throttler),
            stats: Arc::clone(&self.stats),
            tls: self.tls.borrow().clone(),
        }
    }

    /// What else a person should know of it, each a sentence.
    #[cfg(feature = "kubernetes")]
    pub(super) fn remark(&self, remarks: Vec<String>) {
        self.remarks.send_replace(remarks);
    }

    /// Nobody is served here as long as this holds: who waits or comes is told, what runs goes on.
    #[cfg(feature = "kubernetes")]
    pub(super) fn shut(&self, outage: Option<Outage>) {
        let outage = outage.map(Arc::new);
        let changed = self.shut.send_if_modified(|shut| {
            let changed = *shut != outage;
            *shut = outage;
            changed
        });
        if changed {
            // At once: whoever holds this circle may let go of it now.
            self.throttler
                .follow(&seen(&self.world.borrow(), self.shut.borrow().clone()));
        }
    }

    /// Nobody is served here ever again: who waits is told, what runs goes on.
    pub(super) fn dismiss(&self, detail: &str) {
        let (reason, detail) = (OutageReason::Draining, detail.to_owned());
        self.throttler.close(Outage {
            reason,
            detail,
            next_attempt: None,
        });
    }

    /// Follows nothing any more.
    pub(super) fn halt(&mut self) {
        self.following = None;
        self.loops.abort_all();
    }
}

impl Reins {
    /// Steers until dropped. Begins with what is recalled, and how long ago that was; notes in
    /// `notebook` what is to be known after a restart.
    pub(super) fn take<D: Demand, S: Scaler, G: Gauges>(
        &self,
        demand: Arc<D>,
        (scaler, gauges, world): (S, G, watch::Receiver<World>),
        recalled: Option<(Memory, Duration)>,
        notebook: Option<&Notebook>,
    ) -> JoinSet<()> {
        let mut loops = JoinSet::new();
        let lasting = Lasting {
            recalled,
            ..Lasting::nothing()
        };
        if let Some(notebook) = notebook.cloned() {
            let kept = lasting.kept.subscribe();
            loops.spawn(notebook.follow(self.id.clone(), kept, world.clone()));
        }
        let autoscaler = PodAutoscaler {
            id: self.id.clone(),
            demand,
            scaler,
            world,
            gauged: self.gauged.subscribe(),
            scheduled: self.floor.clone(),
            beat: self.beat,
            lasting,
            spec: self.scaling.clone(),
            decisions: Arc::clone(&self.decisions),
            stats: Arc::clone(&self.stats),
        };
        loops.spawn(autoscaler.run());
        let gauging = Gauging {
            id: self.id.clone(),
            gauges,
            spec: self.scaling.clone(),
            tell: self.gauged.clone(),
        };
        loops.spawn(gauging.run());
        loops
    }

    /// Nobody steers it at present: what was decided says nothing of now.
    #[cfg(feature = "kubernetes")]
    pub(super) fn forget(&self) {
        self.decisions.forget();
        self.gauged.send_replace(Gauged::default());
    }
}

/// What the throttler is to see.
fn seen(world: &World, shut: Option<Arc<Outage>>) -> World {
    match shut {
        Some(outage) => World {
            outage: Some(outage),
            ..world.clone()
        },
        None => world.clone(),
    }
}

fn scaling(spec: &RevisionSpec) -> Spec {
    Spec {
        bypassed: spec.path == CallerPath::Takeover,
        ..Spec::new(spec.scaling.clone(), spec.container_concurrency)
    }
}

/// Tells the throttler what the world looks like, now and whenever it changes; nothing of it while
/// nobody is served.
async fn follow(
    mut world: watch::Receiver<World>,
    mut shut: watch::Receiver<Option<Arc<Outage>>>,
    throttler: Arc<Throttler>,
) {
    loop {
        let present = seen(&world.borrow_and_update(), shut.borrow_and_update().clone());
        throttler.follow(&present);
        let changed = tokio::select! {
            changed = world.changed() => changed,
            changed = shut.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
