//! The replicas of one revision and what is done about them: compares what is wanted with what is,
//! starts, takes back, revives, retires and stops. Everything waits elsewhere: `now` is an argument.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::life::{Ending, Life, Note, Phases};
use super::places::{Desk, Places};
use super::recovery::{Attempt, Crash, Recovery, Supply};
use super::seams::{Launcher, Order, Probe};
use super::spec::ProcessSpec;
use super::supervisor::{Command, Settings};
use crate::ports::{Occupancy, Outage, OutageReason, ReplicaState, ReplicaView, World};
use crate::revision::{Endpoint, ReplicaId};

/// How long the throttler may take to hear what we have published. Within it a replica it does
/// not know may still be given a request, and one that has gone may still be offered.
const SETTLE: Duration = Duration::from_millis(50);
/// How much the newest start weighs in the typical one.
const NEWEST_WEIGHT: f64 = 0.3;

pub(super) struct Fleet<L, P, O> {
    settings: Settings,
    spec: Arc<ProcessSpec>,
    /// Grows when the spec is replaced; members of an older one are never revived.
    generation: u64,
    launcher: Arc<L>,
    probe: Arc<P>,
    occupancy: Arc<O>,
    pub(super) desk: Desk,
    pub(super) lives: JoinSet<(ReplicaId, Ending)>,
    tell: mpsc::UnboundedSender<Note>,
    wanted: u32,
    closing: Option<Closing>,
    members: Vec<Member>,
    newest: u64,
    recovery: Recovery,
    typical_start: Option<Duration>,
    /// When a draining replica last left the world.
    departed: Option<Instant>,
    /// Something could not be done yet: look again then.
    recheck: Option<Instant>,
}

struct Member {
    id: ReplicaId,
    endpoint: Endpoint,
    generation: u64,
    /// Crashes in a row that led to its start.
    streak: u32,
    phase: Phase,
    since: Instant,
    ready_at: Option<Instant>,
    diagnosis: Option<String>,
    stop: CancellationToken,
    kill: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    Draining,
    /// Asked to stop, or found dead: out of the world, its group still to be gone.
    Leaving,
}

#[derive(Default)]
struct Closing {
    /// `None` waits for as long as it takes.
    deadline: Option<Instant>,
    /// Dropped with the fleet, which tells who waits.
    _done: Vec<oneshot::Sender<()>>,
}

impl<L: Launcher, P: Probe, O: Occupancy> Fleet<L, P, O> {
    pub(super) fn new(
        settings: Settings,
        spec: ProcessSpec,
        (launcher, probe): (L, P),
        places: Places,
        occupancy: Arc<O>,
        tell: mpsc::UnboundedSender<Note>,
    ) -> Self {
        Self {
            recovery: Recovery::new(settings.failed_starts),
            settings,
            spec: Arc::new(spec),
            generation: 0,
            launcher: Arc::new(launcher),
            probe: Arc::new(probe),
            occupancy,
            desk: Desk::new(places),
            lives: JoinSet::new(),
            tell,
            wanted: 0,
            closing: None,
            members: Vec::new(),
            newest: 0,
            typical_start: None,
            departed: None,
            recheck: None,
        }
    }

    // What is heard.

    pub(super) fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Scale(wanted) => self.wanted = wanted,
            Command::FailedStarts(count) => self.recovery.set_failed_starts(count),
            Command::Replace(spec) if spec == *self.spec => {}
            Command::Replace(spec) => {
                self.spec = Arc::new(spec);
                self.generation += 1;
                self.recovery.reset();
                self.retire_everything(now);
            }
            Command::Stop { deadline, done } => {
                self.close(Some(deadline), now);
                self.closing.get_or_insert_default()._done.push(done);
            }
            Command::Kill { done } => {
                self.close(Some(now), now);
                self.closing.get_or_insert_default()._done.push(done);
                self.members.iter().for_each(|member| member.kill.cancel());
            }
        }
    }

    /// Nothing is wanted any more; the earliest deadline counts.
    pub(super) fn close(&mut self, deadline: Option<Instant>, now: Instant) {
        let closing = self.closing.get_or_insert_default();
        closing.deadline = closing.deadline.into_iter().chain(deadline).min();
        self.retire_everything(now);
    }

    pub(super) fn hear(&mut self, note: Note, now: Instant) {
        match note {
            Note::Ready(id, phases) => self.became_ready(id, phases, now),
            Note::Slow(id, why) => {
                if let Some(member) = self.member(id) {
                    member.diagnosis = Some(why);
                }
            }
            Note::Down(id) => self.went_down(id, now),
        }
    }

    fn became_ready(&mut self, id: ReplicaId, phases: Phases, now: Instant) {
        let Some(member) = self.member(id).filter(|m| m.phase == Phase::Starting) else {
            return;
        };
        member.enter(Phase::Ready, now);
        member.ready_at = Some(now);
        member.diagnosis = None;
        let endpoint = member.endpoint;
        self.recovery.succeeded(now);
        let listen = phases.spawn + phases.listen;
        self.settings.stats.start_succeeded(listen, phases.ready);
        let total = phases.total();
        self.typical_start = Some(self.typical_start.map_or(total, |typical| {
            typical.mul_f64(1.0 - NEWEST_WEIGHT) + total.mul_f64(NEWEST_WEIGHT)
        }));
        let [total, spawn, listen, ready] =
            [total, phases.spawn, phases.listen, phases.ready].map(to_millis);
        info!(
            revision = %self.settings.revision, replica = %id, %endpoint,
            "ready after {total:?} (spawn {spawn:?}, listen {listen:?}, ready {ready:?})"
        );
    }

    fn went_down(&mut self, id: ReplicaId, now: Instant) {
        let Some(member) = self.member(id) else {
            return;
        };
        match member.phase {
            // A start that failed is judged when its last words are known.
            Phase::Starting | Phase::Leaving => {}
            Phase::Draining => {
                member.enter(Phase::Leaving, now);
                self.departed = Some(now);
            }
            Phase::Ready => {
                let ready_for = now - member.since;
                let streak = member.streak;
                member.enter(Phase::Leaving, now);
                self.recovery.fell(streak, ready_for, now);
            }
        }
    }

    /// Nothing is left of a replica.
    pub(super) fn bury(&mut self, ended: Result<(ReplicaId, Ending), JoinError>, now: Instant) {
        let (id, ending) = match ended {
            Ok(ended) => ended,
            // Only a bug gets here; the keeper still knows the group.
            Err(error) => {
                return warn!(revision = %self.settings.revision, %error, "lost sight of a replica");
            }
        };
        let Some(at) = self.members.iter().position(|m| m.id == id) else {
            return;
        };
        let member = self.members.remove(at);
        let revision = &self.settings.revision;
        match ending {
            Ending::Stopped => info!(%revision, replica = %id, "stopped"),
            Ending::Crashed(crash) => {
                warn!(%revision, replica = %id, detail = crash.detail, "crashed");
                if member.phase == Phase::Starting {
                    self.start_failed(member.streak, crash, now);
                }
            }
        }
    }

    fn start_failed(&mut self, streak: u32, crash: Crash, now: Instant) {
        self.settings.stats.start_failed();
        self.recovery.failed(streak, crash, now);
    }

    // What is done.

    /// Brings what is nearer to what is wanted. Calling it again changes nothing.
    pub(super) fn reconcile(&mut self, now: Instant) {
        self.recheck = None;
        let wanted = if self.closing.is_some() {
            0
        } else {
            self.wanted as usize
        };
        self.shrink(wanted, now);
        self.grow(wanted, now);
        self.stop_vacant(now);
    }

    /// Starting ones are taken back first, newest first; then ready ones drain, idle ones first.
    fn shrink(&mut self, wanted: usize, now: Instant) {
        let mut surplus = self.supply().total().saturating_sub(wanted);
        for member in self.members.iter_mut().rev() {
            if surplus > 0 && member.phase == Phase::Starting {
                member.leave(now);
                surplus -= 1;
            }
        }
        if surplus == 0 {
            return;
        }
        for id in self.occupancy.retire(surplus) {
            if let Some(member) = self.member(id).filter(|m| m.phase == Phase::Ready) {
                member.enter(Phase::Draining, now);
                info!(revision = %self.settings.revision, replica = %id, "draining");
            }
        }
        if self.supply().total() > wanted {
            // The throttler has not heard of all of them yet.
            self.look_again(now + SETTLE);
        }
    }

    /// Draining ones come back first; then processes are started, if there are places for them.
    fn grow(&mut self, wanted: usize, now: Instant) {
        let missing = wanted.saturating_sub(self.supply().total());
        let missing = missing - self.revive(missing, now);
        self.recovery.resize(missing, now);
        let mut waits = false;
        while let Some(attempt) = self.recovery.take(self.supply(), now) {
            let Some(place) = self.desk.take() else {
                self.recovery.put_back(attempt);
                waits = true;
                break;
            };
            match self.launcher.endpoint() {
                Ok(endpoint) => self.start(attempt, endpoint, place, now),
                Err(error) => {
                    let detail = format!("could not find a free port: {error}");
                    let crash = Crash {
                        detail,
                        hopeless: false,
                    };
                    self.start_failed(attempt.streak, crash, now);
                }
            }
        }
        if !waits {
            self.desk.leave();
        }
    }

    fn start(
        &mut self,
        attempt: Attempt,
        endpoint: Endpoint,
        place: super::places::Place,
        now: Instant,
    ) {
        self.newest += 1;
        let member = Member {
            id: ReplicaId(self.newest),
            endpoint,
            generation: self.generation,
            streak: attempt.streak,
            phase: Phase::Starting,
            since: now,
            ready_at: None,
            diagnosis: None,
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
        };
        info!(revision = %self.settings.revision, replica = %member.id, %endpoint, "starting");
        let life = Life {
            launcher: self.launcher.clone(),
            probe: self.probe.clone(),
            order: Order {
                replica: member.id,
                endpoint,
                spec: self.spec.clone(),
            },
            place,
            stop: member.stop.clone(),
            kill: member.kill.clone(),
            notes: self.tell.clone(),
        };
        self.lives.spawn(life.run());
        self.members.push(member);
    }

    /// Puts draining replicas back into service; returns how many of `missing` that covers.
    fn revive(&mut self, missing: usize, now: Instant) -> usize {
        let is_current =
            |m: &&Member| m.phase == Phase::Draining && m.generation == self.generation;
        let revivable = self.members.iter().filter(is_current).count().min(missing);
        if revivable == 0 {
            return 0;
        }
        if let Some(settled) = self.departed.map(|at| at + SETTLE).filter(|&at| at > now) {
            // The throttler might still offer the one that has just gone.
            self.look_again(settled);
            return revivable;
        }
        // It cannot know which are of an older spec: ask for those too, and send them back.
        let outdated = self
            .members
            .iter()
            .filter(|m| m.phase == Phase::Draining)
            .count()
            - self.members.iter().filter(is_current).count();
        let generation = self.generation;
        let mut revived = 0;
        for id in self.occupancy.revive(revivable + outdated) {
            match self.member(id) {
                Some(member)
                    if revived < revivable
                        && member.phase == Phase::Draining
                        && member.generation == generation =>
                {
                    member.enter(Phase::Ready, now);
                    revived += 1;
                    info!(revision = %self.settings.revision, replica = %id, "back in service");
                }
                _ => self.occupancy.retire_one(id),
            }
        }
        revived
    }

    fn stop_vacant(&mut self, now: Instant) {
        let overdue = self.deadline().is_some_and(|at| at <= now);
        let mut unsettled = None;
        for member in &mut self.members {
            if member.phase != Phase::Draining {
                continue;
            }
            let settled = member.ready_at.map_or(now, |at| at + SETTLE);
            if overdue || (settled <= now && self.occupancy.is_vacant(member.id)) {
                member.leave(now);
                self.departed = Some(now);
            } else if settled > now {
                unsettled = unsettled.max(Some(settled));
            }
        }
        if let Some(at) = unsettled {
            self.look_again(at);
        }
    }

    fn retire_everything(&mut self, now: Instant) {
        for member in &mut self.members {
            match member.phase {
                Phase::Starting => member.leave(now),
                Phase::Ready => {
                    self.occupancy.retire_one(member.id);
                    member.enter(Phase::Draining, now);
                    info!(revision = %self.settings.revision, replica = %member.id, "draining");
                }
                Phase::Draining | Phase::Leaving => {}
            }
        }
    }

    // What is seen from outside.

    pub(super) fn world(&self, now: Instant) -> World {
        let outage = match self.closing {
            Some(_) => Some(Arc::new(Outage {
                reason: OutageReason::Draining,
                detail: "the gate is shutting down".into(),
                next_attempt: None,
            })),
            None => self.recovery.outage(self.supply(), now),
        };
        let slow = self.members.iter().find(|m| m.phase == Phase::Starting);
        World {
            replicas: self.members.iter().filter_map(Member::view).collect(),
            outage,
            typical_start: self.typical_start,
            diagnosis: self
                .desk
                .complaint()
                .or_else(|| slow.and_then(|m| m.diagnosis.clone())),
        }
    }

    /// When to reconcile again though nothing was heard.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let deadline = self.deadline().filter(|&at| at > now);
        let recovery = self.recovery.wake(self.supply(), now);
        [deadline, recovery, self.recheck]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closed, and nothing is left of any replica.
    pub(super) fn is_closed(&self) -> bool {
        self.closing.is_some() && self.members.is_empty()
    }

    fn supply(&self) -> Supply {
        let count = |phase| self.members.iter().filter(|m| m.phase == phase).count();
        Supply {
            starting: count(Phase::Starting),
            ready: count(Phase::Ready),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.closing.as_ref().and_then(|closing| closing.deadline)
    }

    fn member(&mut self, id: ReplicaId) -> Option<&mut Member> {
        self.members.iter_mut().find(|m| m.id == id)
    }

    fn look_again(&mut self, at: Instant) {
        self.recheck = self.recheck.into_iter().chain([at]).min();
    }
}

impl Member {
    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }

    fn leave(&mut self, now: Instant) {
        self.stop.cancel();
        self.enter(Phase::Leaving, now);
    }

    fn view(&self) -> Option<ReplicaView> {
        let state = match self.phase {
            Phase::Starting => ReplicaState::Starting,
            Phase::Ready => ReplicaState::Ready,
            Phase::Draining => ReplicaState::Draining,
            Phase::Leaving => return None,
        };
        Some(ReplicaView {
            id: self.id,
            endpoint: self.endpoint,
            state,
            since: self.since.into_std(),
        })
    }
}

impl Supply {
    const fn total(self) -> usize {
        self.starting + self.ready
    }
}

fn to_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
