//! The replicas of one revision and what is done about them: compares what is wanted with what is,
//! and remembers what has happened to them. All waiting is elsewhere: `now` is an argument.

mod balance;
mod member;
mod rolling;
mod view;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{info, warn};

use self::member::{Member, Phase};
use crate::autoscale::{StartPhase, typical_start};
use crate::backend::life::{Ending, Note};
use crate::backend::places::{Desk, Places};
use crate::backend::recovery::{Recovery, Supply};
use crate::backend::seams::{Launcher, Probe};
use crate::backend::spec::ProcessSpec;
use crate::backend::supervisor::{Command, Settings};
use crate::counting::millis;
use crate::ports::Occupancy;
use crate::revision::ReplicaId;
use crate::trace::{Event, Phases, Step};

pub(in crate::backend) struct Fleet<L, P, O> {
    settings: Settings,
    spec: Arc<ProcessSpec>,
    /// Grows when the spec is replaced. Members of an older one do not count towards what is wanted
    /// and are never revived.
    generation: u64,
    launcher: Arc<L>,
    probe: Arc<P>,
    occupancy: Arc<O>,
    pub(in crate::backend) desk: Desk,
    pub(in crate::backend) lives: JoinSet<(ReplicaId, Ending)>,
    tell: mpsc::UnboundedSender<Note>,
    wanted: u32,
    closing: Option<Closing>,
    members: Vec<Member>,
    newest: u64,
    recovery: Recovery,
    typical_start: Option<Duration>,
    /// Something could not be done yet: look again then.
    recheck: Option<Instant>,
}

#[derive(Default)]
struct Closing {
    /// `None` waits for as long as it takes.
    deadline: Option<Instant>,
    /// Who waits until nothing is left.
    waiting: Vec<oneshot::Sender<()>>,
}

impl<L: Launcher, P: Probe, O: Occupancy> Fleet<L, P, O> {
    pub(in crate::backend) fn new(
        settings: Settings,
        spec: ProcessSpec,
        (launcher, probe): (L, P),
        places: Places,
        occupancy: Arc<O>,
        tell: mpsc::UnboundedSender<Note>,
    ) -> Self {
        let (name, keeps) = (settings.revision.clone(), settings.min_replicas);
        Self {
            desk: Desk::new(places, name, keeps, occupancy.clone()),
            recovery: Recovery::new(settings.failed_starts),
            typical_start: settings.typical_start,
            settings,
            spec: Arc::new(spec),
            generation: 0,
            launcher: Arc::new(launcher),
            probe: Arc::new(probe),
            occupancy,
            lives: JoinSet::new(),
            tell,
            wanted: 0,
            closing: None,
            members: Vec::new(),
            newest: 0,
            recheck: None,
        }
    }

    // What is heard.

    pub(in crate::backend) fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Scale(wanted) => self.wanted = wanted,
            Command::FailedStarts(count) => self.recovery.set_failed_starts(count),
            Command::MinReplicas(count) => self.desk.keep(count),
            Command::MaxStarting(most) => self.settings.max_starting = most,
            Command::Replace(spec) if spec == *self.spec => {}
            Command::Replace(spec) => self.replace(spec, now),
            Command::Drain => self.close(None, now),
            Command::Stop { deadline, done } => {
                self.close(Some(deadline), now);
                self.closing.get_or_insert_default().waiting.push(done);
            }
            Command::Kill { done } => {
                self.close(Some(now), now);
                self.closing.get_or_insert_default().waiting.push(done);
                self.members.iter().for_each(|member| member.kill.cancel());
            }
        }
    }

    /// Nothing is wanted any more; the earliest deadline counts.
    fn close(&mut self, deadline: Option<Instant>, now: Instant) {
        let closing = self.closing.get_or_insert_default();
        closing.deadline = closing.deadline.into_iter().chain(deadline).min();
        self.retire_everything(now);
    }

    pub(in crate::backend) fn hear(&mut self, note: Note, now: Instant) {
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
        self.note(id, Step::Ready(phases), now);
        let total = phases.total();
        let load = [(StartPhase::Load, total)];
        self.settings.stats.start_succeeded(load);
        self.typical_start = Some(typical_start(self.typical_start, total));
        let [total, spawn, listen, ready] =
            [total, phases.spawn, phases.listen, phases.ready].map(to_millis);
        info!(
            revision = %self.settings.revision, replica = %id, %endpoint,
            "ready after {total:?} (spawn {spawn:?}, listen {listen:?}, ready {ready:?})"
        );
    }

    fn went_down(&mut self, id: ReplicaId, now: Instant) {
        // A start that failed is judged when its last words are known.
        if self.member(id).is_some_and(|m| m.phase != Phase::Starting) {
            self.fall(id, now);
        }
    }

    /// A replica that served is lost; another is started if it is still wanted.
    fn fall(&mut self, id: ReplicaId, now: Instant) {
        let Some(member) = self.member(id) else {
            return;
        };
        let was_ready = member.phase == Phase::Ready;
        let (generation, streak) = (member.generation, member.streak);
        let ready_for = now - member.since;
        member.leave(now);
        // That the old spec crashed says nothing about the new one.
        if was_ready && generation == self.generation {
            self.recovery.fell(streak, ready_for, now);
        }
    }

    /// Nothing is left of a replica.
    pub(in crate::backend) fn bury(
        &mut self,
        ended: Result<(ReplicaId, Ending), JoinError>,
        now: Instant,
    ) {
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
        self.note(id, Step::Gone(member.ended(&ending)), now);
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

    // What is seen from outside.

    /// When to reconcile again though nothing was heard.
    pub(in crate::backend) fn wake(&self, now: Instant) -> Option<Instant> {
        let deadline = self.deadline().filter(|&at| at > now);
        let recovery = self.recovery.wake(self.supply(), now);
        [
            deadline,
            recovery,
            self.recheck,
            self.expected(now).map(Into::into),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Closed, and nothing is left of any replica.
    pub(in crate::backend) fn is_closed(&self) -> bool {
        self.closing.is_some() && self.members.is_empty()
    }

    /// Tells who waits that nothing is left.
    pub(in crate::backend) fn say_goodbye(self) {
        for done in self.closing.into_iter().flat_map(|closing| closing.waiting) {
            // Who does not wait any more need not know.
            let _ = done.send(());
        }
    }

    /// Of the present spec: the starts of a changed one are judged by themselves.
    fn supply(&self) -> Supply {
        let present = || {
            let generation = self.generation;
            self.members
                .iter()
                .filter(move |m| m.generation == generation)
        };
        let count = |phase| present().filter(|m| m.phase == phase).count();
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

    fn note(&self, replica: ReplicaId, step: Step, now: Instant) {
        let (tape, id) = (&self.settings.tape, replica.0);
        tape.note(now.into_std(), || Event::Replica { id, step });
    }

    fn look_again(&mut self, at: Instant) {
        self.recheck = self.recheck.into_iter().chain([at]).min();
    }
}

impl Supply {
    const fn total(self) -> usize {
        self.starting + self.ready
    }
}

fn to_millis(duration: Duration) -> Duration {
    Duration::from_millis(millis(duration))
}
