//! One revision in a simulation: its admission, its steering, its replicas and whom it has seen.
//! Here it measures and decides, at the moments at which its autoscaler would.

use std::iter::{Peekable, empty};
use std::time::{Duration, Instant};

use super::agenda::{Agenda, Event};
use super::beats::{Beat, Beats};
use super::fleet::Fleet;
use super::load::{Arrival, Reading, RevisionLoad};
use super::places::Places;
use super::requests::Requests;
use super::tally::Tally;
use super::{Keep, RevisionOutcome};
use crate::admission::{Admission, warm_since};
use crate::autoscale::{Around, DECIDE_EVERY, Measured, SAMPLE_EVERY, Spec, Steering};
use crate::autoscaler::Gauged;
use crate::config::RevisionConfig;
use crate::ports::ReplicaState;
use crate::revision::RevisionSpec;

/// What all revisions share: time, and the places on the machine.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) agenda: Agenda,
    pub(super) places: Places,
}

/// One revision in a simulation.
pub(super) struct Site {
    pub(super) index: u32,
    pub(super) spec: RevisionSpec,
    /// Devices that each replica has to itself.
    pub(super) gpus: u32,
    /// A start that takes longer has failed.
    pub(super) start_timeout: Option<Duration>,
    pub(super) load: RevisionLoad,
    arrivals: Peekable<Box<dyn Iterator<Item = Arrival> + Send>>,
    gauged: Peekable<Box<dyn Iterator<Item = Reading> + Send>>,
    pub(super) admission: Admission<()>,
    pub(super) requests: Requests,
    pub(super) fleet: Fleet,
    steering: Steering,
    /// When replicas began to serve; `None` while none does.
    pub(super) warm_since: Option<Instant>,
    pub(super) beats: Beats,
    /// Somebody waits and nothing serves: when the autoscaler hears of it.
    pub(super) poked: Option<Beat>,
    seconds: u32,
    pub(super) tally: Tally,
}

impl Site {
    pub(super) fn new(
        index: u32,
        config: &RevisionConfig,
        mut load: RevisionLoad,
        keep: Keep,
        epoch: Instant,
    ) -> Self {
        let spec = config.spec.clone();
        let begins = epoch + load.begins;
        let scaling = Spec::new(spec.scaling.clone(), spec.container_concurrency);
        let process = config.process.as_ref();
        let opened = epoch + load.opened.min(load.begins);
        let arrivals = std::mem::replace(&mut load.arrivals, Box::new(empty()));
        let gauged = std::mem::replace(&mut load.gauged, Box::new(empty()));
        let beats = std::mem::replace(&mut load.beats, Box::new(empty()));
        let pokes = std::mem::replace(&mut load.pokes, Box::new(empty()));
        Self {
            index,
            gpus: Self::devices(config),
            start_timeout: process.map(|process| process.readiness.timeout),
            arrivals: arrivals.peekable(),
            gauged: gauged.peekable(),
            admission: Admission::new(spec.container_concurrency, spec.queue, opened),
            requests: Requests::default(),
            fleet: Fleet::new(spec.scaling.failed_starts, load.typical_start),
            steering: match &load.recalled {
                Some((memory, away)) => Steering::recall(&scaling, memory, *away, begins),
                None => Steering::new(&scaling, begins),
            },
            warm_since: None,
            beats: Beats::new(load.begins, beats, pokes),
            poked: None,
            seconds: 0,
            tally: Tally::new(keep),
            spec,
            load,
        }
    }

    /// Devices that each replica of a revision has to itself.
    pub(super) fn devices(config: &RevisionConfig) -> u32 {
        config.process.as_ref().map_or(0, |process| process.gpus)
    }

    /// What happens without anybody's doing.
    pub(super) fn begin(&mut self, agenda: &mut Agenda) {
        self.expect_second(self.beats.present(), agenda);
        for (group, workers) in (0..).zip(&self.load.workers) {
            agenda.at(workers.from, self.index, Event::Begin(group));
        }
        self.expect_arrival(agenda);
    }

    /// A measurement sees what was there before.
    fn expect_second(&self, beat: Beat, agenda: &mut Agenda) {
        agenda.at(beat.sampled, self.index, Event::Tick);
    }

    pub(super) fn expect_arrival(&mut self, agenda: &mut Agenda) {
        if let Some(next) = self.arrivals.peek() {
            agenda.at_turn(next.at, next.turns.arrived, self.index, Event::Arrive);
        }
    }

    pub(super) fn next_arrival(&mut self) -> Option<Arrival> {
        self.arrivals.next()
    }

    pub(super) fn happen(&mut self, event: Event, scene: &mut Scene) {
        match event {
            Event::Tick => self.tick(scene),
            Event::Look => self.reconcile(scene),
            Event::Ready(id) => self.became_ready(id, scene),
            Event::Failed(id) => self.start_failed(id, scene),
            Event::Follow => self.follow(scene),
            Event::Leave(key) => self.leave(key, scene),
            Event::Done(key) => self.done(key, scene),
            Event::Cut(key) => self.cut(key, scene),
            Event::Due(key) => self.due(key, scene),
            Event::Arrive => self.arrive_next(scene),
            Event::Begin(group) => self.begin_workers(group, scene),
            Event::Again(group) => self.work(group, scene),
            Event::Poke => self.poke(scene),
        }
    }

    /// A second has passed: measured every time, decided upon every other time.
    fn tick(&mut self, scene: &mut Scene) {
        let Beat { now, .. } = self.beats.present();
        let next = self.beats.next();
        self.expect_second(next, &mut scene.agenda);
        if self.seconds > 0 {
            let report = self.admission.report(scene.agenda.now());
            let gauged = self.gauged(now);
            self.tally.measured(report);
            let at = scene.agenda.instant(now);
            self.steering.record(&Measured { report, gauged }, at);
        }
        if self.is_due() {
            self.decide(now, scene);
        }
        if self.seconds > 0 {
            self.count_second(now);
        }
        self.seconds += 1;
    }

    /// It decides at the beginning and every other second, after a restart from the first on.
    fn is_due(&self) -> bool {
        let each = DECIDE_EVERY.as_secs() / SAMPLE_EVERY.as_secs();
        let ahead = u64::from(self.seconds > 0 && self.load.recalled.is_some());
        (u64::from(self.seconds) + ahead).is_multiple_of(each)
    }

    /// Somebody waits and nothing serves.
    fn poke(&mut self, scene: &mut Scene) {
        let Some(Beat { now, .. }) = self.poked.take() else {
            return;
        };
        let (in_flight, _) = self.admission.demand();
        if self.steering.poke(in_flight, scene.agenda.instant(now)) {
            self.decide(now, scene);
        }
    }

    fn decide(&mut self, now: Duration, scene: &mut Scene) {
        let around = self.around(now, scene);
        let decision = self.steering.decide(&around, scene.agenda.instant(now));
        let changes = decision.changes(self.steering.asked());
        let asked = decision.replicas.filter(|_| changes);
        self.admission.rest(decision.enough);
        self.tally.decided(decision);
        if let Some(replicas) = asked {
            self.steering.note_asked(replicas);
            self.fleet.wanted = replicas;
            self.reconcile(scene);
        }
    }

    fn around(&self, now: Duration, scene: &Scene) -> Around {
        let (_, idle_since) = self.admission.demand();
        Around {
            ready: self.fleet.count(ReplicaState::Ready),
            starting: self.fleet.count(ReplicaState::Starting),
            busy: self.admission.busy(),
            idle_since,
            typical_start: self.fleet.typical_start,
            shortage: scene.places.lacks(self.index),
            scheduled: self.floor(now),
            unheard: false,
        }
    }

    /// What was read of the replicas since the last measurement.
    fn gauged(&mut self, at: Duration) -> Vec<Option<f64>> {
        let mut newest = Gauged::default();
        while let Some(reading) = self.gauged.next_if(|reading| reading.at <= at) {
            newest = reading.gauged;
        }
        newest.in_order(self.steering.spec())
    }

    fn floor(&self, at: Duration) -> Option<u32> {
        let past = self.load.floors.iter().take_while(|floor| floor.from <= at);
        past.last().and_then(|floor| floor.least)
    }

    fn count_second(&mut self, at: Duration) {
        let states = [
            ReplicaState::Ready,
            ReplicaState::Starting,
            ReplicaState::Draining,
        ];
        let replicas = states.map(|state| self.fleet.count(state));
        let waiting = self.admission.waiting();
        self.tally.second(at, replicas, waiting);
    }

    pub(super) fn note_warmth(&mut self, now: Instant) {
        self.warm_since = warm_since(self.admission.in_service(), self.warm_since, now);
    }

    /// What became of it all.
    pub(super) fn finish(mut self, now: Instant) -> RevisionOutcome {
        self.tally.replica_time += self.fleet.age(now);
        let unfinished = self.requests.unfinished();
        self.tally.finish(self.spec.id, unfinished)
    }
}
