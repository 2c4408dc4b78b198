//! The revisions that run, and what becomes of them when the settings change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::devices::Devices;
use super::drain::Ends;
use super::reload::name_what_needs_a_restart;
use super::running::Running;
use crate::admin::Board;
use crate::autoscaler::Beat;
use crate::backend::{Host, Supervisor};
use crate::config::{Config, RevisionConfig};
use crate::proxy::Registry;
use crate::revision::RevisionId;
use crate::state::Notebook;
use crate::trace::Recorder;

/// How often unused connections to replicas are looked at. Whoever takes one looks itself: this only
/// gives back what nobody takes, and passes every revision.
const RETIRE_EVERY: Duration = Duration::from_secs(5);

/// Streams of a revision that was taken out of the configuration may go on this long: a change of
/// a file is no reason to cut anything.
const REMOVED_STREAMS: Duration = Duration::from_secs(24 * 60 * 60);

/// The revisions that run.
#[derive(Debug)]
pub(super) struct Gate {
    registry: Arc<Registry>,
    board: Arc<Board>,
    host: Host,
    /// Where what is remembered is noted; `None` where nothing is.
    notebook: Option<Notebook>,
    beat: Beat,
    pub(super) devices: Devices,
    running: BTreeMap<RevisionId, Running>,
    /// Taken out of the configuration, their processes not gone yet; each with its wait for that.
    leaving: Vec<(Supervisor, JoinHandle<()>)>,
    config: Config,
    recorder: Recorder,
    janitor: JoinHandle<()>,
}

impl Gate {
    /// Nothing runs yet.
    pub(super) fn new(
        registry: Arc<Registry>,
        board: Arc<Board>,
        exe: PathBuf,
        devices: Devices,
        config: &Config,
        recorder: Recorder,
        notebook: Option<Notebook>,
    ) -> Self {
        let janitor = tokio::spawn(retire_connections(Arc::clone(&registry)));
        let config = Config {
            revisions: Vec::new(),
            ..config.clone()
        };
        let host = Host::new(exe, devices.places().clone());
        Self {
            registry,
            board,
            host,
            notebook,
            beat: Beat::begin(),
            devices,
            running: BTreeMap::new(),
            leaving: Vec::new(),
            config,
            recorder,
            janitor,
        }
    }

    /// Makes what runs what is written. Only what changed is touched.
    pub(super) fn apply(&mut self, config: &Config) {
        self.name_what_needs_a_restart(config);
        let (requests, bytes) = (config.max_queued_requests, config.max_queued_bytes);
        self.registry.crowd.set_limits(requests, bytes);
        self.registry.set_keys(Arc::clone(&config.api_keys));
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
        self.config.replica_files.clone_from(&config.replica_files);
    }

    /// The files that say how replicas are reached by TLS.
    pub(super) fn replica_files(&self) -> &[PathBuf] {
        &self.config.replica_files
    }

    fn add(&mut self, revision: &RevisionConfig) {
        let Some(process) = revision.process.clone() else {
            tracing::error!(revision = %revision.spec.id, "it has no command to run");
            return;
        };
        let notebook = self.notebook.as_ref();
        let tape = self.recorder.tape(&revision.spec.id);
        let (host, board) = (&self.host, &self.board);
        let round = (self.beat, Arc::clone(&self.registry.crowd));
        let running = Running::start(host, revision, process, board, &tape, notebook, round);
        self.running.insert(revision.spec.id.clone(), running);
    }

    fn remove(&mut self, id: &RevisionId) {
        self.board.remove(id);
        if let Some(mut running) = self.running.remove(id) {
            tracing::info!(revision = %id, "it is no longer in the configuration");
            running.let_go();
            running.dismiss("the revision was removed");
            let supervisor = running.supervisor.clone();
            let gone = tokio::spawn(async move {
                let deadline = Instant::now() + REMOVED_STREAMS;
                running.supervisor.stop(deadline).await;
            });
            self.leaving.retain(|(_, gone)| !gone.is_finished());
            self.leaving.push((supervisor, gone));
        }
    }

    fn name_what_needs_a_restart(&self, config: &Config) {
        let old = &self.config;
        name_what_needs_a_restart(&[
            ("listen", old.listen != config.listen),
            ("admin", old.admin != config.admin),
            (
                "adminTokenFile",
                old.admin_token_file != config.admin_token_file,
            ),
            (
                "maxConnections",
                old.max_connections != config.max_connections,
            ),
            ("maxStreams", old.max_streams != config.max_streams),
            (
                "maxHeaderBytes, maxHeaders, headerTimeout, idleConnectionTimeout",
                old.bounds != config.bounds,
            ),
            ("state", old.state != config.state),
            ("maxProcesses", old.max_processes != config.max_processes),
            ("gpus", old.gpus != config.gpus),
            ("record", old.record != config.record),
            ("recordSize", old.record_size != config.record_size),
            ("modelScan", old.model_scan != config.model_scan),
        ]);
    }

    async fn every<F>(&self, end: impl Fn(Supervisor) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = self.running.values().map(|running| &running.supervisor);
        let leaving = self.leaving.iter().map(|(supervisor, _)| supervisor);
        running
            .chain(leaving)
            .cloned()
            .map(end)
            .collect::<JoinSet<()>>()
            .join_all()
            .await;
    }
}

impl Ends for Gate {
    fn dismiss(&self) {
        for running in self.running.values() {
            running.dismiss("the gate is going away");
        }
    }

    fn let_go(&mut self) {
        for running in self.running.values_mut() {
            running.let_go();
        }
    }

    async fn stop(&self, deadline: Instant) {
        let stop = |supervisor: Supervisor| async move { supervisor.stop(deadline).await };
        self.every(stop).await;
    }

    async fn kill(&self) {
        self.every(|supervisor| async move { supervisor.kill().await })
            .await;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.janitor.abort();
    }
}

/// Closes connections to replicas that nobody used for a while.
pub(super) async fn retire_connections(registry: Arc<Registry>) {
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
