//! One actor per revision that stands for its pods, as a supervisor does for processes: looks whether
//! they take requests, lets those go first that nobody needs, and asks their controller for more or
//! fewer. The handle is what the rest of the gate holds.

mod course;
mod crew;
mod hindrance;
mod looker;
mod member;
mod number;
mod plan;
mod trouble;
mod words;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::crew::Crew;
use super::doors::Exit;
use super::look::Look;
use super::objects::{ObjectRef, PodView, Present, Workload};
use super::seams::{Announcer, Api, ApiError, Tenure};
use crate::autoscale::TypicalPhases;
use crate::backend::spec::PodSpec;
use crate::ports::{Occupancy, ScaleError, Scaler, World};
use crate::revision::{ReplicaId, RevisionId};
use crate::stats::Stats;
use crate::sync::until;
use crate::trace::Tape;

/// What a revision says about its pods.
#[derive(Clone, Debug)]
pub struct PodSettings {
    /// Whose pods these are.
    pub revision: RevisionId,
    /// Where they take requests and how to look.
    pub spec: PodSpec,
    /// Its owner wants none of it.
    pub stopped: bool,
    /// Crashes in a row, with none ready, before waiting requests are told `cold_start_failed`.
    pub failed_starts: u32,
    /// Most replicas on their way at once; `None` is no bound.
    pub max_starting: Option<u32>,
    /// How long a pod may find no node, with none known to be on its way, before it counts as one that
    /// does not come.
    pub pending_grace: Duration,
    /// So many pods that do not come are kept.
    pub max_pending: u32,
    /// How its last pod leaves; `None` where nobody has to be led elsewhere before.
    pub exit: Option<Exit>,
    /// How long a start usually took in an earlier life of the gate; `None` before the first.
    pub typical_start: Option<Duration>,
    /// The same of its phases.
    pub typical_phases: TypicalPhases,
    /// Where starts are counted.
    pub stats: Arc<Stats>,
    /// Where starts and ends are noted.
    pub tape: Tape,
}

/// Stands for the pods of one revision. When the last clone is dropped they are left as they are.
#[derive(Clone, Debug)]
pub struct Pods {
    commands: mpsc::UnboundedSender<Command>,
    world: watch::Receiver<World>,
}

#[derive(Debug)]
enum Command {
    Scale(u32, String),
    Set(Box<PodSettings>),
}

/// What comes back to the actor from what it has begun.
#[derive(Debug)]
enum Note {
    /// A pod in this life takes requests; since when somebody has been listening.
    Ready(ReplicaId, u64, Instant),
    /// What it answers instead; `None` where nobody listens.
    Says(ReplicaId, u64, Option<String>),
    /// The number was to be changed, of the workload as it was then.
    Scaled(Arc<Workload>, Result<(), ApiError>),
    /// A deletion cost was to be written.
    Marked(Arc<PodView>, Result<(), ApiError>),
}

impl Pods {
    /// Starts to look after the pods, with nothing wanted yet. Must be called inside a tokio runtime.
    pub fn start<A: Api, N: Announcer, L: Look, O: Occupancy>(
        settings: PodSettings,
        owner: ObjectRef,
        present: watch::Receiver<Present>,
        tenure: watch::Receiver<Tenure>,
        (api, announcer, look): (A, N, L),
        occupancy: Arc<O>,
    ) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (tell, notes) = mpsc::unbounded_channel();
        let (publisher, world) = watch::channel(World::default());
        let vacancies = occupancy.vacancies();
        let seams = (api, announcer, look);
        let actor = Actor {
            crew: Crew::new(settings, owner, seams, occupancy, tell),
            inbox,
            notes,
            present: Some(present),
            tenure: Some(tenure),
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

    /// Goes on with other settings.
    pub fn set(&self, settings: PodSettings) {
        // The actor ends with the last handle, not before.
        let _ = self.commands.send(Command::Set(Box::new(settings)));
    }
}

impl Scaler for Pods {
    async fn scale_to(&self, replicas: u32, why: &str) -> Result<(), ScaleError> {
        self.commands
            .send(Command::Scale(replicas, why.to_owned()))
            .map_err(|_| ScaleError("nobody looks after these pods any more".into()))
    }
}

struct Actor<A, N, L, O> {
    crew: Crew<A, N, L, O>,
    inbox: mpsc::UnboundedReceiver<Command>,
    notes: mpsc::UnboundedReceiver<Note>,
    // `None` once the other side is gone.
    present: Option<watch::Receiver<Present>>,
    tenure: Option<watch::Receiver<Tenure>>,
    vacancies: Option<watch::Receiver<u64>>,
    world: watch::Sender<World>,
}

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Actor<A, N, L, O> {
    async fn run(mut self) {
        if let Some(tenure) = &mut self.tenure {
            self.crew.serve(*tenure.borrow_and_update());
        }
        if let Some(present) = &mut self.present {
            let first = present.borrow_and_update().clone();
            self.crew.see(first, Instant::now());
        }
        loop {
            // Whatever happened, the answer is the same: compare what is with what is wanted.
            let now = Instant::now();
            let mut led = self.crew.led();
            self.crew.reconcile(now);
            self.publish(now);
            tokio::select! {
                biased;
                // Before any wish: nobody acts by a right that was taken from him, or on what is not so
                // any more.
                open = changed(self.tenure.as_mut()) => match self.tenure.as_mut() {
                    Some(tenure) if open => self.crew.serve(*tenure.borrow_and_update()),
                    _ => self.tenure = None,
                },
                open = changed(self.present.as_mut()) => match self.present.as_mut() {
                    Some(present) if open => {
                        let seen = present.borrow_and_update().clone();
                        self.crew.see(seen, Instant::now());
                    }
                    _ => self.present = None,
                },
                command = self.inbox.recv() => match command {
                    Some(command) => self.crew.obey(command),
                    None => return,
                },
                Some(note) = self.notes.recv() => self.crew.hear(note, Instant::now()),
                open = changed(self.vacancies.as_mut()) => {
                    self.vacancies = self.vacancies.filter(|_| open);
                    self.crew.hurry();
                }
                _ = changed(led.as_mut()), if led.is_some() => {}
                () = until(self.crew.wake(now)) => {}
            }
        }
    }

    fn publish(&mut self, now: Instant) {
        let present = self.crew.world(now);
        self.world.send_if_modified(|world| {
            let changed = *world != present;
            *world = present;
            changed
        });
    }
}

async fn changed<T>(receiver: Option<&mut watch::Receiver<T>>) -> bool {
    match receiver {
        Some(receiver) => receiver.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
