//! The replicas of one revision: what is there, and what is done about the difference to what is
//! wanted, in the order in which the fleet of local processes does it. A process that is stopped
//! is gone at once.

mod start;

use std::time::{Duration, Instant};

use super::agenda::Event;
use super::site::{Scene, Site};
use crate::admission::Starts;
use crate::autoscale::typical_start;
use crate::backend::places::arbiter::{PlaceId, Standing};
use crate::backend::recovery::{Crash, Recovery, Supply};
use crate::counting::count;
use crate::ports::ReplicaState;
use crate::revision::ReplicaId;

/// The replicas of one revision.
#[derive(Debug)]
pub(super) struct Fleet {
    members: Vec<Member>,
    pub(super) wanted: u32,
    newest: u64,
    recovery: Recovery,
    pub(super) typical_start: Option<Duration>,
    /// The admission is about to hear of them.
    told: bool,
    /// As the admission knows them.
    listed: Vec<(ReplicaId, ())>,
    /// No replica can come for now.
    pub(super) outage: bool,
}

#[derive(Debug)]
struct Member {
    id: ReplicaId,
    state: ReplicaState,
    began: Instant,
    place: PlaceId,
    /// Crashes in a row that led to its start.
    streak: u32,
    /// How long its start takes for those who count it.
    counted: Duration,
    /// When it entered its state, as far as that is being ready.
    since: Instant,
    /// From when on it may be given requests, once it is ready.
    heard_of: Instant,
    /// From being ready until then.
    unheard: Duration,
}

impl Fleet {
    pub(super) fn new(failed_starts: u32, typical_start: Option<Duration>) -> Self {
        Self {
            members: Vec::new(),
            wanted: 0,
            newest: 0,
            recovery: Recovery::new(failed_starts),
            typical_start,
            told: false,
            listed: Vec::new(),
            outage: false,
        }
    }

    pub(super) fn count(&self, state: ReplicaState) -> u32 {
        count(self.members.iter().filter(|m| m.state == state).count())
    }

    /// What is known of replicas on their way.
    pub(super) fn starts(&self) -> Starts {
        let starting = |m: &&Member| m.state == ReplicaState::Starting;
        let starting = self.members.iter().filter(starting);
        Starts {
            since: starting.map(|member| member.began).min(),
            typical: self.typical_start,
            expected: None,
        }
    }

    fn supply(&self) -> Supply {
        let count = |state| self.members.iter().filter(|m| m.state == state).count();
        Supply {
            starting: count(ReplicaState::Starting),
            ready: count(ReplicaState::Ready),
        }
    }

    fn total(&self) -> usize {
        let Supply { starting, ready } = self.supply();
        starting + ready
    }

    fn starting(&mut self, id: ReplicaId) -> Option<usize> {
        let is_it = |m: &Member| m.id == id && m.state == ReplicaState::Starting;
        self.members.iter().position(is_it)
    }

    /// As the places see them.
    fn standings(&self) -> Vec<(ReplicaId, Standing)> {
        let standing = |m: &Member| match m.state {
            ReplicaState::Ready => (m.id, Standing::Serving(m.since)),
            _ => (m.id, Standing::Kept),
        };
        self.members.iter().map(standing).collect()
    }

    fn enter(&mut self, ids: &[ReplicaId], state: ReplicaState) {
        for member in self.members.iter_mut().filter(|m| ids.contains(&m.id)) {
            member.state = state;
        }
    }

    /// How long all of them together have been there.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let ages = self.members.iter();
        ages.map(|m| now.saturating_duration_since(m.began)).sum()
    }
}

impl Site {
    /// A process that was started can take requests.
    pub(super) fn became_ready(&mut self, id: ReplicaId, scene: &mut Scene) {
        let now = scene.agenda.now();
        let Some(at) = self.fleet.starting(id) else {
            return;
        };
        let member = &mut self.fleet.members[at];
        member.state = ReplicaState::Ready;
        member.since = now;
        member.heard_of = now + member.unheard;
        let took = member.counted;
        let (index, unheard) = (self.index, member.unheard);
        if !unheard.is_zero() {
            scene.agenda.after(unheard, index, Event::Follow);
        }
        self.fleet.recovery.succeeded(now.into());
        self.fleet.typical_start = Some(typical_start(self.fleet.typical_start, took));
        self.reconcile(scene);
    }

    /// A process that was started has ended and was never ready.
    pub(super) fn start_failed(&mut self, id: ReplicaId, scene: &mut Scene) {
        let Some(at) = self.fleet.starting(id) else {
            return;
        };
        let streak = self.fleet.members[at].streak;
        self.end(at, scene);
        let (supply, now) = (self.fleet.supply(), scene.agenda.now());
        let crash = Crash {
            detail: String::new(),
            hopeless: false,
        };
        self.fleet
            .recovery
            .failed(streak, crash, supply, now.into());
        self.reconcile(scene);
    }

    /// Brings what is there nearer to what is wanted. Calling it again changes nothing.
    pub(super) fn reconcile(&mut self, scene: &mut Scene) {
        self.shrink(scene);
        self.grow(scene);
        self.stop_vacant(scene);
        scene.places.stand(self.index, &self.fleet.standings());
        if !self.fleet.told {
            self.fleet.told = true;
            let (index, no_time) = (self.index, Duration::ZERO);
            scene.agenda.after(no_time, index, Event::Follow);
        }
    }

    /// Starting ones are taken back first, newest first; then ready ones drain, idle ones first.
    fn shrink(&mut self, scene: &mut Scene) {
        let mut surplus = self
            .fleet
            .total()
            .saturating_sub(self.fleet.wanted as usize);
        let is_starting = |m: &Member| m.state == ReplicaState::Starting;
        while surplus > 0
            && let Some(newest) = self.fleet.members.iter().rposition(is_starting)
        {
            self.end(newest, scene);
            surplus -= 1;
        }
        if surplus > 0 {
            let retired = self.admission.retire(surplus);
            self.fleet.enter(&retired, ReplicaState::Draining);
            self.note_warmth(scene.agenda.now());
        }
    }

    /// Draining ones come back first; then processes are started, if there are places for them.
    fn grow(&mut self, scene: &mut Scene) {
        let now = scene.agenda.now();
        let missing = (self.fleet.wanted as usize).saturating_sub(self.fleet.total());
        let missing = missing - self.revive(missing, scene);
        self.fleet.recovery.resize(missing, now.into());
        let mut waits = false;
        while self.may_start()
            && let Some(attempt) = self.fleet.recovery.take(self.fleet.supply(), now.into())
        {
            let is_bare = self.fleet.total() == 0;
            let Some(place) = scene.places.take(self.index, self.gpus, is_bare) else {
                self.fleet.recovery.put_back(attempt);
                waits = true;
                break;
            };
            self.start(attempt, place, scene);
        }
        if !waits {
            scene.places.leave(self.index);
        }
        let wake = self.fleet.recovery.wake(self.fleet.supply(), now.into());
        if let Some(at) = wake {
            scene.agenda.when(at.into(), self.index, Event::Look);
        }
    }

    fn may_start(&self) -> bool {
        let most = self.spec.scaling.max_starting.map(|most| most as usize);
        most.is_none_or(|most| self.fleet.supply().starting < most)
    }

    fn revive(&mut self, missing: usize, scene: &mut Scene) -> usize {
        if missing == 0 {
            return 0;
        }
        let draining = |m: &&Member| m.state == ReplicaState::Draining;
        let members = self.fleet.members.iter().filter(draining).take(missing);
        let ids: Vec<ReplicaId> = members.map(|member| member.id).collect();
        let (revived, grants) = self.admission.revive(&ids, scene.agenda.now());
        self.fleet.enter(&revived, ReplicaState::Ready);
        self.note_warmth(scene.agenda.now());
        self.seat_all(grants, scene);
        revived.len()
    }

    fn stop_vacant(&mut self, scene: &mut Scene) {
        let (fleet, admission) = (&self.fleet, &self.admission);
        let ends = |m: &Member| m.state == ReplicaState::Draining && admission.is_vacant(m.id);
        let ended: Vec<usize> = (0..fleet.members.len())
            .filter(|&at| ends(&fleet.members[at]))
            .collect();
        for at in ended.into_iter().rev() {
            self.end(at, scene);
        }
    }

    /// Nothing is left of a replica.
    fn end(&mut self, at: usize, scene: &mut Scene) {
        let member = self.fleet.members.remove(at);
        self.tally.replica_time += scene.agenda.now().saturating_duration_since(member.began);
        scene.places.release(member.place);
    }

    /// Tells the admission who is there; and who waits, if nobody can come. Replicas that come at
    /// one moment come together, so that the line is spread over all of them.
    pub(super) fn follow(&mut self, scene: &mut Scene) {
        let now = scene.agenda.now();
        self.fleet.told = false;
        let members = self.fleet.members.iter();
        let listed = members.filter(|m| m.state != ReplicaState::Starting && m.heard_of <= now);
        let listed: Vec<(ReplicaId, ())> = listed.map(|m| (m.id, ())).collect();
        if listed != self.fleet.listed {
            let grants = self.admission.set_replicas(&listed, now);
            self.fleet.listed = listed;
            self.note_warmth(now);
            self.seat_all(grants, scene);
        }
        let supply = self.fleet.supply();
        let outage = supply.ready == 0 && self.fleet.recovery.outage(supply, now.into()).is_some();
        self.fleet.outage = outage && self.admission.serving() == 0;
        if self.fleet.outage {
            self.dismiss(scene);
        }
    }

    /// An idle replica ends because another revision needs its place more.
    pub(super) fn yield_place(&mut self, replica: ReplicaId, scene: &mut Scene) {
        if !self.admission.retire_idle(replica) {
            return;
        }
        if let Some(at) = self.fleet.members.iter().position(|m| m.id == replica) {
            self.end(at, scene);
        }
        self.note_warmth(scene.agenda.now());
        self.reconcile(scene);
    }
}
