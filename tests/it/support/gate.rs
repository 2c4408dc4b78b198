//! A gate as the program builds it, with the machine in memory in place of the real one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdgate::admin::{Board, Watched, router};
use holdgate::admission::Reading;
use holdgate::autoscale::{Decision, Memory, Spec};
use holdgate::autoscaler::{Beat, Gauged, Lasting, PodAutoscaler};
use holdgate::backend::places::Places;
use holdgate::backend::{ProcessSpec, Settings, Supervisor};
use holdgate::decisions::Decisions;
use holdgate::gauging::Gauging;
use holdgate::ports::{ReplicaState, World};
use holdgate::proxy::{Proxy, Registry, Revision, Throttler};
use holdgate::revision::RevisionSpec;
use holdgate::schedule::Schedule;
use holdgate::server::Server;
use holdgate::stats::Stats;
use holdgate::trace::{Recorder, Recording};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

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

struct Running {
    spec: RevisionSpec,
    throttler: Arc<Throttler>,
    stats: Arc<Stats>,
    supervisor: Supervisor,
    /// Every decision, one by one.
    decided: Arc<Mutex<Vec<Decision>>>,
    scaling: watch::Sender<Spec>,
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
        let (limit, queue) = (spec.container_concurrency, spec.queue);
        let throttler = Throttler::recorded(limit, queue, self.recorder.tape(&spec.id));
        let stats = Arc::new(Stats::new());
        let decided = Arc::new(Mutex::new(Vec::new()));
        let tap = Arc::clone(&decided);
        let decisions = Arc::new(Decisions::tapped(move |decision: &Decision| {
            tap.lock().push(decision.clone());
        }));
        let settings = Settings {
            typical_start: self.recalled.as_ref().map(|_| ms(2_500)),
            revision: spec.id.clone(),
            failed_starts: spec.scaling.failed_starts,
            min_replicas: spec.scaling.min_replicas,
            max_starting: spec.scaling.max_starting,
            stats: Arc::clone(&stats),
            tape: throttler.tape().clone(),
        };
        let machine = (self.machine.clone(), self.machine.clone());
        let occupancy = Arc::clone(&throttler);
        let places = self.places.clone();
        let supervisor = Supervisor::start(settings, process, machine, places, occupancy);
        let scaling = Spec::new(spec.scaling.clone(), spec.container_concurrency);
        let (sender, scaling) = watch::channel(scaling);
        let gauged = watch::Sender::new(Gauged::default());
        self.loops
            .spawn(follow(supervisor.world(), Arc::clone(&throttler)));
        let autoscaler = PodAutoscaler {
            beat: Beat::begin(),
            lasting: Lasting {
                recalled: self.recalled.take(),
                ..Lasting::nothing()
            },
            id: spec.id.clone(),
            demand: Arc::clone(&throttler),
            scaler: supervisor.clone(),
            world: supervisor.world(),
            gauged: gauged.subscribe(),
            scheduled: watch::channel(None).1,
            spec: scaling.clone(),
            decisions: Arc::clone(&decisions),
            stats: Arc::clone(&stats),
        };
        self.loops.spawn(autoscaler.run());
        let watched = Watched {
            world: supervisor.world(),
            gauged: gauged.subscribe(),
            schedule: watch::channel(Schedule::default()).1,
            remarks: watch::channel(Vec::new()).1,
            decisions,
            spec: scaling.clone(),
        };
        self.board.insert(spec.id.clone(), watched);
        let gauging = Gauging {
            id: spec.id.clone(),
            gauges: self.dials.of(supervisor.world()),
            spec: scaling,
            tell: gauged,
        };
        self.loops.spawn(gauging.run());
        self.registry.insert(Revision {
            spec: spec.clone(),
            throttler: Arc::clone(&throttler),
            stats: Arc::clone(&stats),
        });
        self.revisions.push(Running {
            spec,
            throttler,
            stats,
            supervisor,
            decided,
            scaling: sender,
        });
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
        let spec = &mut running.spec;
        change(spec);
        running
            .throttler
            .set_limits(spec.container_concurrency, spec.queue);
        let scaling = Spec::new(spec.scaling.clone(), spec.container_concurrency);
        running.scaling.send_replace(scaling);
        self.registry.insert(Revision {
            spec: spec.clone(),
            throttler: Arc::clone(&running.throttler),
            stats: Arc::clone(&running.stats),
        });
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
