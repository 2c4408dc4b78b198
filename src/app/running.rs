//! One revision whose replicas are processes: its circle, its supervisor and what steers them.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::circle::Circle;
use crate::admin::Board;
use crate::autoscale::Spec;
use crate::autoscaler::Beat;
use crate::backend::{Host, ProcessSpec, Settings, Supervisor};
use crate::config::RevisionConfig;
use crate::proxy::Revision;
use crate::state::Notebook;
use crate::sync::wall;
use crate::throttler::Crowd;
use crate::trace::Tape;

/// One revision that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) config: RevisionConfig,
    circle: Circle,
    pub(super) supervisor: Supervisor,
    /// Steers it; ends when dropped.
    steering: JoinSet<()>,
}

impl Running {
    pub(super) fn start(
        host: &Host,
        revision: &RevisionConfig,
        process: ProcessSpec,
        board: &Board,
        tape: &Tape,
        notebook: Option<&Notebook>,
        (beat, crowd): (Beat, Arc<Crowd>),
    ) -> Self {
        let spec = &revision.spec;
        let recalled = notebook.and_then(|notebook| notebook.recall(&spec.id, wall()));
        let mut circle = Circle::open(spec, &revision.schedule, crowd, tape.clone(), beat);
        circle.reach_by(revision.tls.clone());
        let settings = Settings {
            revision: spec.id.clone(),
            stats: Arc::clone(circle.stats()),
            failed_starts: spec.scaling.failed_starts,
            typical_start: recalled.as_ref().and_then(|r| r.typical_start),
            min_replicas: spec.scaling.min_replicas,
            max_starting: spec.scaling.max_starting,
            tape: tape.clone(),
        };
        let throttler = Arc::clone(circle.throttler());
        let supervisor = host.supervise(settings, process, throttler, circle.tls());
        circle.follow(supervisor.world(), board);
        let floor = circle.floor();
        circle.spawn(protect(circle.scaling(), floor, supervisor.clone()));
        let steering = circle.reins().take(
            Arc::clone(circle.throttler()),
            (
                supervisor.clone(),
                host.gauges(supervisor.world(), circle.tls()),
                supervisor.world(),
            ),
            recalled.map(|r| (r.memory, r.away)),
            notebook,
        );
        Self {
            config: revision.clone(),
            circle,
            supervisor,
            steering,
        }
    }

    pub(super) fn change(&mut self, revision: &RevisionConfig) {
        let (old, new) = (&self.config, revision);
        self.circle.change(&new.spec, &new.schedule);
        self.circle.reach_by(new.tls.clone());
        self.supervisor
            .set_failed_starts(new.spec.scaling.failed_starts);
        self.supervisor
            .set_max_starting(new.spec.scaling.max_starting);
        if let Some(process) = new.process.clone().filter(|_| old.process != new.process) {
            self.supervisor.replace(process);
        }
        self.config = revision.clone();
    }

    /// This revision as the data path sees it.
    pub(super) fn entry(&self) -> Revision {
        self.circle.entry()
    }

    /// Nobody is served here any more: who waits is told, what runs goes on.
    pub(super) fn dismiss(&self, detail: &str) {
        self.circle.dismiss(detail);
    }

    /// Follows and steers nothing any longer: what is there may end, nothing comes.
    pub(super) fn let_go(&mut self) {
        self.steering.abort_all();
        self.circle.halt();
    }
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
