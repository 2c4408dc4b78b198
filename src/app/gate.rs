//! The revisions that run, and what becomes of them when the settings change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::admin::{Board, Watched};
use crate::autoscale::Spec;
use crate::autoscaler::{Decisions, PodAutoscaler};
use crate::backend::{Host, ProcessSpec, Settings, Supervisor};
use crate::config::{Config, RevisionConfig};
use crate::ports::{Outage, OutageReason, World};
use crate::proxy::{Registry, Revision, Throttler};
use crate::revision::{RevisionId, RevisionSpec};
use crate::stats::Stats;

/// How often unused connections to replicas are looked at.
const RETIRE_EVERY: Duration = Duration::from_secs(1);

/// Streams of a revision that was taken out of the configuration may go on this long: a change of
/// a file is no reason to cut anything.
const REMOVED_STREAMS: Duration = Duration::from_secs(24 * 60 * 60);

/// The revisions that run.
#[derive(Debug)]
pub(super) struct Gate {
    registry: Arc<Registry>,
    board: Arc<Board>,
    host: Host,
    running: BTreeMap<RevisionId, Running>,
    config: Config,
    janitor: JoinHandle<()>,
}

/// One revision that runs.
#[derive(Debug)]
struct Running {
    config: RevisionConfig,
    throttler: Arc<Throttler>,
    stats: Arc<Stats>,
    supervisor: Supervisor,
    scaling: watch::Sender<Spec>,
    /// Follows the world and steers it; ends when dropped.
    loops: JoinSet<()>,
}

impl Gate {
    /// Nothing runs yet.
    pub(super) fn new(
        registry: Arc<Registry>,
        board: Arc<Board>,
        exe: PathBuf,
        config: &Config,
    ) -> Self {
        let most = usize::try_from(config.max_processes).unwrap_or(usize::MAX);
        let janitor = tokio::spawn(retire_connections(Arc::clone(&registry)));
        let config = Config {
            revisions: Vec::new(),
            ..config.clone()
        };
        let host = Host::new(exe, most);
        Self {
            registry,
            board,
            host,
            running: BTreeMap::new(),
            config,
            janitor,
        }
    }

    /// Makes what runs what is written. Only what changed is touched.
    pub(super) fn apply(&mut self, config: &Config) {
        self.name_what_needs_a_restart(config);
        for revision in &config.revisions {
            match self.running.get_mut(&revision.spec.id) {
                Some(running) if running.config == *revision => {}
                Some(running) => {
                    running.change(revision);
                    tracing::info!(revision = %revision.spec.id, "its settings have changed");
                }
                None => self.add(revision),
            }
        }
        let written = |id: &RevisionId| config.revisions.iter().any(|r| r.spec.id == *id);
        let (stays, gone): (Vec<_>, Vec<_>) = self.running.keys().cloned().partition(written);
        // Led elsewhere first, ended after: no request finds nothing in between.
        let entries = stays.iter().filter_map(|id| self.running.get(id));
        self.registry.set(entries.map(Running::entry).collect());
        for id in gone {
            self.remove(&id);
        }
        self.config.revisions.clone_from(&config.revisions);
    }

    fn add(&mut self, revision: &RevisionConfig) {
        let Some(process) = revision.process.clone() else {
            tracing::error!(revision = %revision.spec.id, "it has no command to run");
            return;
        };
        let running = Running::start(&self.host, revision, process, &self.board);
        self.running.insert(revision.spec.id.clone(), running);
    }

    fn remove(&mut self, id: &RevisionId) {
        self.board.remove(id);
        if let Some(mut running) = self.running.remove(id) {
            tracing::info!(revision = %id, "it is no longer in the configuration");
            running.loops.abort_all();
            running.dismiss("the revision was removed");
            tokio::spawn(async move {
                running
                    .supervisor
                    .stop(Instant::now() + REMOVED_STREAMS)
                    .await;
            });
        }
    }

    fn name_what_needs_a_restart(&self, config: &Config) {
        let old = &self.config;
        let changed = [
            ("listen", old.listen != config.listen),
            ("admin", old.admin != config.admin),
            (
                "maxConnections",
                old.max_connections != config.max_connections,
            ),
            ("maxProcesses", old.max_processes != config.max_processes),
        ];
        for (key, _) in changed.into_iter().filter(|(_, changed)| *changed) {
            tracing::warn!(key, "a change of this takes effect at the next start");
        }
    }

    /// Nobody is waited for any longer: who still waits is told so.
    pub(super) fn dismiss(&self) {
        for running in self.running.values() {
            running.dismiss("the gate is going away");
        }
    }

    /// Steers nothing any longer: what is there may end, nothing comes.
    pub(super) fn let_go(&mut self) {
        for running in self.running.values_mut() {
            running.loops.abort_all();
        }
    }

    /// Ends every model server, once vacant or at the deadline.
    pub(super) async fn stop(&self, deadline: Instant) {
        let stop = |supervisor: Supervisor| async move { supervisor.stop(deadline).await };
        self.every(stop).await;
    }

    /// Ends every model server now.
    pub(super) async fn kill(&self) {
        self.every(|supervisor| async move { supervisor.kill().await })
            .await;
    }

    async fn every<F>(&self, end: impl Fn(Supervisor) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let supervisors = self
            .running
            .values()
            .map(|running| running.supervisor.clone());
        supervisors
            .map(end)
            .collect::<JoinSet<()>>()
            .join_all()
            .await;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.janitor.abort();
    }
}

impl Running {
    fn start(host: &Host, revision: &RevisionConfig, process: ProcessSpec, board: &Board) -> Self {
        let spec = &revision.spec;
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        let stats = Arc::new(Stats::new());
        let settings = Settings {
            revision: spec.id.clone(),
            stats: Arc::clone(&stats),
            failed_starts: spec.scaling.failed_starts,
        };
        let supervisor = host.supervise(settings, process, Arc::clone(&throttler));
        let scaling = watch::Sender::new(scaling(spec));
        let decisions = Arc::new(Decisions::default());
        let mut loops = JoinSet::new();
        loops.spawn(follow(supervisor.world(), Arc::clone(&throttler)));
        let autoscaler = PodAutoscaler {
            id: spec.id.clone(),
            throttler: Arc::clone(&throttler),
            scaler: supervisor.clone(),
            world: supervisor.world(),
            spec: scaling.subscribe(),
            decisions: Arc::clone(&decisions),
            stats: Arc::clone(&stats),
        };
        loops.spawn(autoscaler.run());
        let (world, spec) = (supervisor.world(), scaling.subscribe());
        board.insert(
            revision.spec.id.clone(),
            Watched {
                world,
                decisions,
                spec,
            },
        );
        Self {
            config: revision.clone(),
            throttler,
            stats,
            supervisor,
            scaling,
            loops,
        }
    }

    fn change(&mut self, revision: &RevisionConfig) {
        let (old, new) = (&self.config, revision);
        self.throttler
            .set_limits(new.spec.container_concurrency, new.spec.queue);
        self.supervisor
            .set_failed_starts(new.spec.scaling.failed_starts);
        self.scaling.send_replace(scaling(&new.spec));
        if let Some(process) = new.process.clone().filter(|_| old.process != new.process) {
            self.supervisor.replace(process);
        }
        self.config = revision.clone();
    }

    /// This revision as the data path sees it.
    fn entry(&self) -> Revision {
        Revision {
            spec: self.config.spec.clone(),
            throttler: Arc::clone(&self.throttler),
            stats: Arc::clone(&self.stats),
        }
    }

    fn dismiss(&self, detail: &str) {
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

/// Closes connections to replicas that nobody used for a while.
async fn retire_connections(registry: Arc<Registry>) {
    let mut every = tokio::time::interval(RETIRE_EVERY);
    loop {
        let now = every.tick().await.into_std();
        for revision in registry.all() {
            for replica in revision.throttler.replicas() {
                replica.connections.retire(now);
            }
        }
    }
}
