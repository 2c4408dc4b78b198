//! One actor per revision that owns its processes: hears wishes and events, and leaves what to do
//! about them to the fleet. The handle is what the rest of the gate holds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::fleet::Fleet;
use super::life::Note;
use super::places::Places;
use super::seams::{Launcher, Probe};
use super::spec::ProcessSpec;
use crate::ports::{Occupancy, ScaleError, Scaler, World};
use crate::revision::RevisionId;
use crate::stats::Stats;
use crate::sync::until;
use crate::trace::Tape;

/// What a revision says about its supervision.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose processes these are.
    pub revision: RevisionId,
    /// Where starts are counted.
    pub stats: Arc<Stats>,
    /// Crashes in a row, with none ready, before waiting requests are told `cold_start_failed`.
    pub failed_starts: u32,
    /// How long a start usually took in an earlier life of the gate; `None` before the first.
    pub typical_start: Option<Duration>,
    /// So many replicas are never stopped for another revision's sake.
    pub min_replicas: u32,
    /// Most replicas on their way at once; `None` is no bound.
    pub max_starting: Option<u32>,
    /// Where starts and ends are noted.
    pub tape: Tape,
}

/// Holds the processes of one revision. When the last clone is dropped they are drained without
/// a deadline.
#[derive(Clone, Debug)]
pub struct Supervisor {
    commands: mpsc::UnboundedSender<Command>,
    world: watch::Receiver<World>,
}

#[derive(Debug)]
pub(super) enum Command {
    Scale(u32),
    Replace(ProcessSpec),
    FailedStarts(u32),
    MinReplicas(u32),
    MaxStarting(Option<u32>),
    /// Stop, however long it takes.
    Drain,
    Stop {
        deadline: Instant,
        done: oneshot::Sender<()>,
    },
    Kill {
        done: oneshot::Sender<()>,
    },
}

impl Supervisor {
    /// Starts supervising, with nothing wanted yet. Must be called inside a tokio runtime.
    pub fn start<L: Launcher, P: Probe, O: Occupancy>(
        settings: Settings,
        spec: ProcessSpec,
        (launcher, probe): (L, P),
        places: Places,
        occupancy: Arc<O>,
    ) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (tell, notes) = mpsc::unbounded_channel();
        let vacancies = occupancy.vacancies();
        let (publisher, world) = watch::channel(World::default());
        let fleet = Fleet::new(settings, spec, (launcher, probe), places, occupancy, tell);
        let actor = Actor {
            fleet,
            inbox,
            notes,
            vacancies: Some(vacancies),
            world: publisher,
        };
        tokio::spawn(actor.run());
        Self { commands, world }
    }

    /// What exists at present.
    #[must_use]
    pub fn world(&self) -> watch::Receiver<World> {
        self.world.clone()
    }

    /// Runs something else from now on: new replicas start at once, each that is ready lets a
    /// present one take no further request and go when it is vacant. While new ones cannot start,
    /// the present ones serve on. The same spec changes nothing.
    pub fn replace(&self, spec: ProcessSpec) {
        // After `stop` there is nothing to replace.
        let _ = self.commands.send(Command::Replace(spec));
    }

    /// Changes after how many crashes in a row waiting requests are told.
    pub fn set_failed_starts(&self, failed_starts: u32) {
        let _ = self.commands.send(Command::FailedStarts(failed_starts));
    }

    /// Changes how many replicas are never stopped for another revision's sake.
    pub fn set_min_replicas(&self, min_replicas: u32) {
        let _ = self.commands.send(Command::MinReplicas(min_replicas));
    }

    /// Changes how many replicas may be on their way at once.
    pub fn set_max_starting(&self, max_starting: Option<u32>) {
        let _ = self.commands.send(Command::MaxStarting(max_starting));
    }

    /// Takes every replica out of service and stops each when it is vacant, or at the deadline.
    /// Returns when nothing is left of any of them.
    pub async fn stop(&self, deadline: Instant) {
        self.ask(|done| Command::Stop { deadline, done }).await;
    }

    /// Ends every process now. Returns when nothing is left of any of them.
    pub async fn kill(&self) {
        self.ask(|done| Command::Kill { done }).await;
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, all_gone) = oneshot::channel();
        if self.commands.send(command(done)).is_ok() {
            // An error is the actor's end, which comes when all are gone.
            let _ = all_gone.await;
        }
    }
}

impl Scaler for Supervisor {
    async fn scale_to(&self, replicas: u32, _why: &str) -> Result<(), ScaleError> {
        self.commands
            .send(Command::Scale(replicas))
            .map_err(|_| ScaleError("this revision has been stopped".into()))
    }
}

struct Actor<L, P, O> {
    fleet: Fleet<L, P, O>,
    inbox: mpsc::UnboundedReceiver<Command>,
    notes: mpsc::UnboundedReceiver<Note>,
    /// `None` once the other side is gone.
    vacancies: Option<watch::Receiver<u64>>,
    world: watch::Sender<World>,
}

impl<L: Launcher, P: Probe, O: Occupancy> Actor<L, P, O> {
    async fn run(mut self) {
        let mut abandoned = false;
        while !self.fleet.is_closed() {
            // Whatever happened, the answer is the same: compare what is with what is wanted.
            let now = Instant::now();
            self.fleet.reconcile(now);
            self.publish(now);
            let wake = self.fleet.wake(now);
            tokio::select! {
                command = self.inbox.recv(), if !abandoned => {
                    abandoned = command.is_none();
                    self.fleet.obey(command.unwrap_or(Command::Drain), Instant::now());
                }
                Some(note) = self.notes.recv() => self.fleet.hear(note, Instant::now()),
                Some(ended) = self.fleet.lives.join_next() => {
                    // What a replica said before its end is heard before its end.
                    while let Ok(note) = self.notes.try_recv() {
                        self.fleet.hear(note, Instant::now());
                    }
                    self.fleet.bury(ended, Instant::now());
                }
                still_open = vacated(self.vacancies.as_mut()) => if !still_open {
                    self.vacancies = None;
                },
                () = self.fleet.desk.called() => {}
                () = until(wake) => {}
            }
        }
        self.publish(Instant::now());
        self.fleet.say_goodbye();
    }

    fn publish(&self, now: Instant) {
        let present = self.fleet.world(now);
        self.world.send_if_modified(|world| {
            let changed = *world != present;
            *world = present;
            changed
        });
    }
}

async fn vacated(vacancies: Option<&mut watch::Receiver<u64>>) -> bool {
    match vacancies {
        Some(vacancies) => vacancies.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
