//! One revision that runs: its throttler, its processes and what steers them.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admin::{Board, Watched};
use crate::autoscale::Spec;
use crate::autoscaler::{Gauged, Lasting, PodAutoscaler};
use crate::backend::{Host, ProcessSpec, Settings, Supervisor};
use crate::config::RevisionConfig;
use crate::decisions::Decisions;
use crate::gauging::Gauging;
use crate::ports::{Outage, OutageReason, World};
use crate::proxy::{Revision, Throttler};
use crate::revision::RevisionSpec;
use crate::schedule::{Schedule, publish};
use crate::state::Notebook;
use crate::stats::Stats;
use crate::sync::wall;
use crate::trace::Tape;

/// One revision that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) config: RevisionConfig,
    throttler: Arc<Throttler>,
    stats: Arc<Stats>,
    pub(super) supervisor: Supervisor,
    scaling: watch::Sender<Spec>,
    schedule: watch::Sender<Schedule>,
    /// Follows the world and steers it; ends when dropped.
    pub(super) loops: JoinSet<()>,
}

impl Running {
    pub(super) fn start(
        host: &Host,
        revision: &RevisionConfig,
        process: ProcessSpec,
        board: &Board,
        tape: &Tape,
        notebook: Option<&Notebook>,
    ) -> Self {
        let spec = &revision.spec;
        let recalled = notebook.and_then(|notebook| notebook.recall(&spec.id, wall()));
        let (limit, queue) = (spec.container_concurrency, spec.queue);
        let throttler = Throttler::recorded(limit, queue, tape.clone());
        let stats = Arc::new(Stats::new());
        let settings = Settings {
            revision: spec.id.clone(),
            stats: Arc::clone(&stats),
            failed_starts: spec.scaling.failed_starts,
            typical_start: recalled.as_ref().and_then(|r| r.typical_start),
            min_replicas: spec.scaling.min_replicas,
            max_starting: spec.scaling.max_starting,
            tape: tape.clone(),
        };
        let supervisor = host.supervise(settings, process, Arc::clone(&throttler));
        let scaling = watch::Sender::new(scaling(spec));
        let decisions = Arc::new(Decisions::default());
        let gauged = watch::Sender::new(Gauged::default());
        let mut loops = JoinSet::new();
        loops.spawn(follow(supervisor.world(), Arc::clone(&throttler)));
        let lasting = Lasting {
            recalled: recalled.map(|r| (r.memory, r.away)),
            ..Lasting::nothing()
        };
        if let Some(notebook) = notebook.cloned() {
            let kept = lasting.kept.subscribe();
            loops.spawn(notebook.follow(spec.id.clone(), kept, supervisor.world()));
        }
        let schedule = watch::Sender::new(revision.schedule.clone());
        let floor = watch::Sender::new(revision.schedule.floor_at(wall()));
        let scheduled = floor.subscribe();
        loops.spawn(protect(
            scaling.subscribe(),
            floor.subscribe(),
            supervisor.clone(),
        ));
        loops.spawn(publish(schedule.subscribe(), floor));
        let autoscaler = PodAutoscaler {
            id: spec.id.clone(),
            throttler: Arc::clone(&throttler),
            scaler: supervisor.clone(),
            world: supervisor.world(),
            gauged: gauged.subscribe(),
            scheduled,
            lasting,
            spec: scaling.subscribe(),
            decisions: Arc::clone(&decisions),
            stats: Arc::clone(&stats),
        };
        loops.spawn(autoscaler.run());
        let (world, spec) = (supervisor.world(), scaling.subscribe());
        let read = gauged.subscribe();
        let gauging = Gauging {
            id: revision.spec.id.clone(),
            gauges: host.gauges(supervisor.world()),
            spec: scaling.subscribe(),
            tell: gauged,
        };
        loops.spawn(gauging.run());
        board.insert(
            revision.spec.id.clone(),
            Watched {
                world,
                decisions,
                spec,
                gauged: read,
                schedule: schedule.subscribe(),
                remarks: watch::channel(Vec::new()).1,
            },
        );
        Self {
            config: revision.clone(),
            throttler,
            stats,
            supervisor,
            scaling,
            schedule,
            loops,
        }
    }

    pub(super) fn change(&mut self, revision: &RevisionConfig) {
        let (old, new) = (&self.config, revision);
        self.throttler
            .set_limits(new.spec.container_concurrency, new.spec.queue);
        self.supervisor
            .set_failed_starts(new.spec.scaling.failed_starts);
        self.supervisor
            .set_max_starting(new.spec.scaling.max_starting);
        self.scaling.send_replace(scaling(&new.spec));
        if old.schedule != new.schedule {
            self.schedule.send_replace(new.schedule.clone());
        }
        if let Some(process) = new.process.clone().filter(|_| old.process != new.process) {
            self.supervisor.replace(process);
        }
        self.config = revision.clone();
    }

    /// This revision as the data path sees it.
    pub(super) fn entry(&self) -> Revision {
        Revision {
            spec: self.config.spec.clone(),
            throttler: Arc::clone(&self.throttler),
            stats: Arc::clone(&self.stats),
        }
    }

    /// Nobody is served here any more: who waits is told, what runs goes on.
    pub(super) fn dismiss(&self, detail: &str) {
        let (reason, detail) = (OutageReason::Draining, detail.to_owned());
        self.throttler.close(Outage {
            reason,
            detail,
            next_attempt: None,
        });
    }
}

fn scaling(spec: &RevisionSpec) -> Spec {
    Spec::new(spec.scaling.clone(), spec.container_concurrency)
}

/// Has no place taken from the replicas that a setting or an hour asks for, now and whenever one
/// of them changes.
async fn protect(
    mut spec: watch::Receiver<Spec>,
    mut scheduled: watch::Receiver<Option<u32>>,
    supervisor: Supervisor,
) {
    loop {
        let floor = *scheduled.borrow_and_update();
        let least = spec.borrow_and_update().bounds(floor).min;
        supervisor.set_min_replicas(least);
        let changed = tokio::select! {
            changed = spec.changed() => changed,
            changed = scheduled.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Tells the throttler what the world looks like, now and whenever it changes.
async fn follow(mut world: watch::Receiver<World>, throttler: Arc<Throttler>) {
    loop {
        let present = World::clone(&world.borrow_and_update());
        throttler.follow(&present);
        if world.changed().await.is_err() {
            return;
        }
    }
}
