//! A gate as the program builds it, with the machine in memory in place of the real one.

mod running;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdgate::admin::{Board, router};
use holdgate::admission::Reading;
use holdgate::autoscale::{Decision, Memory};
use holdgate::autoscaler::Gauged;
use holdgate::backend::places::Places;
use holdgate::backend::{ProcessSpec, Supervisor};
use holdgate::gauging::Gauging;
use holdgate::ports::{ReplicaState, World};
use holdgate::proxy::{Proxy, Registry};
use holdgate::revision::RevisionSpec;
use holdgate::server::Server;
use holdgate::stats::Stats;
use holdgate::trace::{Recorder, Recording};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use self::running::{Running, follow, scaling};
use super::{Answer, Ask, Client, Dials, Machine, ms, process};

/// A running gate over one machine.
pub(crate) struct Gate {
    pub(crate) machine: Machine,
    /// What its replicas use and report.
    pub(crate) dials: Dials,
    pub(crate) server: Server<Machine>,
    pub(crate) registry: Arc<Registry>,
    board: Arc<Board>,
    revisions: Vec<Running>,
    loops: JoinSet<()>,
    places: Places,
    recorder: Recorder,
    /// What the next revision remembers of an earlier life.
    recalled: Option<(Memory, Duration)>,
}

impl Gate {
    /// No revision yet.
    pub(crate) fn empty() -> Self {
        Self::on(Places::new(1000))
    }

    /// The same on a machine with so many places and devices.
    pub(crate) fn on(places: Places) -> Self {
        let (machine, registry) = (Machine::default(), Arc::new(Registry::default()));
        let proxy = Arc::new(Proxy::new(Arc::clone(&registry), machine.clone()));
        Self {
            server: Server::new(proxy, 100_000),
            machine,
            dials: Dials::default(),
            board: Arc::new(Board::new(Arc::clone(&registry))),
            registry,
            revisions: Vec::new(),
            loops: JoinSet::new(),
            places,
            recorder: Recorder::default(),
            recalled: None,
        }
    }

    /// One revision, all of which is recorded.
    pub(crate) fn recorded(
        spec: RevisionSpec,
        load: Duration,
        file: &Path,
        limit: u64,
    ) -> (Self, Recording) {
        let mut gate = Self::empty();
        let (recorder, recording) = Recorder::begin(file, limit).expect("it can be written");
        gate.recorder = recorder;
        gate.add(spec, process(load));
        (gate, recording)
    }

    /// The same for one that was there before, so long ago.
    pub(crate) fn recorded_again(
        (spec, load): (RevisionSpec, Duration),
        recalled: (Memory, Duration),
        file: &Path,
    ) -> (Self, Recording) {
        let mut gate = Self::empty();
        let (recorder, recording) = Recorder::begin(file, 1 << 30).expect("it can be written");
        gate.recorder = recorder;
        gate.recalled = Some(recalled);
        gate.add(spec, process(load));
        (gate, recording)
    }

    /// One revision, whose model servers load for so long.
    pub(crate) fn new(spec: RevisionSpec, load: Duration) -> Self {
        let mut gate = Self::empty();
        gate.add(spec, process(load));
        gate
    }

    /// One revision whose first replicas are ready.
    pub(crate) async fn warm(spec: RevisionSpec) -> Self {
        let least = spec.scaling.min_replicas;
        let gate = Self::new(spec, ms(0));
        gate.until(|gate| gate.count(ReplicaState::Ready) == least)
            .await;
        gate
    }

    /// Another revision.
    pub(crate) fn add(&mut self, spec: RevisionSpec, process: ProcessSpec) {
        let tape = self.recorder.tape(&spec.id);
        let crowd = Arc::clone(&self.registry.crowd);
        let machine = (self.machine.clone(), self.places.clone(), crowd);
        let recalled = self.recalled.take();
        let running = Running::start(spec, process, tape, machine, recalled.is_some());
        let world = running.supervisor.world();
        let gauged = watch::Sender::new(Gauged::default());
        let follows = follow(world.clone(), Arc::clone(&running.throttler));
        self.loops.spawn(follows);
        let autoscaler = running.autoscaler(recalled, gauged.subscribe());
        self.loops.spawn(autoscaler.run());
        let watched = running.watched(gauged.subscribe());
        self.board.insert(running.spec.id.clone(), watched);
        let gauging = Gauging {
            id: running.spec.id.clone(),
            gauges: self.dials.of(world),
            spec: running.scaling.subscribe(),
            tell: gauged,
        };
        self.loops.spawn(gauging.run());
        self.registry.insert(running.listed());
        self.revisions.push(running);
    }

    /// A new client.
    pub(crate) fn client(&self) -> impl Future<Output = Client> + Send + use<> {
        Client::new(self.server.clone())
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: Ask) -> Answer {
        self.client().await.ask(request).await
    }

    /// One request on a connection of its own that comes in by a door.
    pub(crate) async fn ask_at(&self, door: u16, request: Ask) -> Answer {
        let mut client = Client::new(self.server.door(door)).await;
        client.ask(request).await
    }

    /// One request on a connection of its own, in a task of its own. Aborting it hangs up.
    pub(crate) fn asking(&self, request: Ask) -> AbortOnDropHandle<Answer> {
        let client = self.client();
        AbortOnDropHandle::new(tokio::spawn(async move { client.await.ask(request).await }))
    }

    fn first(&self) -> &Running {
        self.revisions.first().expect("there is a revision")
    }

    /// Changes the settings of the first revision, as a reload does.
    pub(crate) fn rewrite(&mut self, change: impl FnOnce(&mut RevisionSpec)) {
        let running = self.revisions.first_mut().expect("there is a revision");
        change(&mut running.spec);
        let spec = &running.spec;
        running
            .throttler
            .set_limits(spec.container_concurrency, spec.queue);
        running.scaling.send_replace(scaling(spec));
        self.registry.insert(running.listed());
    }

    pub(crate) fn world(&self) -> watch::Receiver<World> {
        self.first().supervisor.world()
    }

    pub(crate) fn supervisor(&self) -> &Supervisor {
        &self.first().supervisor
    }

    pub(crate) fn count(&self, state: ReplicaState) -> u32 {
        self.world().borrow().count(state)
    }

    pub(crate) fn reading(&self) -> Reading {
        self.first().throttler.read()
    }

    pub(crate) fn decisions(&self) -> Vec<Decision> {
        self.first().decided.lock().clone()
    }

    /// The last decision about a revision.
    pub(crate) fn last_decision(&self, name: &str) -> Decision {
        let mut revisions = self.revisions.iter();
        let running = revisions.find(|running| running.spec.id.as_str() == name);
        let decided = running.expect("it was added").decided.lock();
        decided.last().expect("something was decided").clone()
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.first().stats
    }

    /// A page of the admin port, as a person reads it.
    pub(crate) async fn admin(&self, path: &str) -> String {
        self.read(path, "*/*").await
    }

    /// The same, as a program does.
    pub(crate) async fn report(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path, "application/json").await).expect("JSON")
    }

    async fn read(&self, path: &str, accept: &str) -> String {
        let request = http::Request::get(path).header("accept", accept);
        let request = request.body(axum::body::Body::empty());
        let request = request.expect("a valid request");
        let answer = router(Arc::clone(&self.board)).oneshot(request).await;
        let body = answer.expect("it answers").into_body().collect().await;
        let body = body.expect("a whole body").to_bytes();
        String::from_utf8(body.into()).expect("text")
    }

    /// How often each status was counted.
    pub(crate) fn codes(&self) -> BTreeMap<u16, u64> {
        self.stats().codes.iter().collect()
    }

    /// How often each status was counted of a revision.
    pub(crate) fn codes_of(&self, name: &str) -> BTreeMap<u16, u64> {
        let mut revisions = self.revisions.iter();
        let running = revisions.find(|running| running.spec.id.as_str() == name);
        running.expect("it was added").stats.codes.iter().collect()
    }

    /// Lets time pass until something is so.
    pub(crate) async fn until(&self, so: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if so(self) {
                return;
            }
            sleep(ms(10)).await;
        }
        panic!("it never came to it");
    }
}
