//! The pods of one revision and what is done about them: compares what is wanted with what is. All
//! waiting is elsewhere: `now` is an argument.

mod balance;
mod exit;
mod expect;
mod kept;
mod marks;
mod news;
mod outage;
mod place;
mod remake;
mod sight;
mod sky;
mod steer;
mod tell;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use self::news::Told;
use self::remake::Remake;
use self::sky::{Relief, Watch};
use super::member::{Member, Service};
use super::number::Number;
use super::trouble::Trouble;
use super::{Command, Note, PodSettings};
use crate::autoscale::TypicalPhases;
use crate::backend::kubernetes::door::Door;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::{ObjectRef, Present, Template};
use crate::backend::kubernetes::seams::{Announcer, Api, Tenure};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;

/// How long the throttler may take to hear what we have published.
const SETTLE: Duration = Duration::from_millis(50);

pub(super) struct Crew<A, N, L, O> {
    settings: PodSettings,
    owner: ObjectRef,
    api: Arc<A>,
    announcer: N,
    eyes: Arc<L>,
    occupancy: Arc<O>,
    tell: mpsc::UnboundedSender<Note>,
    present: Present,
    tenure: Tenure,
    door: Arc<Door>,
    /// Oldest first.
    members: Vec<Member>,
    newest: u64,
    /// Everything was listed once: what comes from then on was made before our eyes.
    listed: bool,
    wish: Option<Wish>,
    number: Number,
    trouble: Trouble,
    typical_start: Option<Duration>,
    typical_phases: TypicalPhases,
    /// Deletion costs that are being written.
    marking: usize,
    /// When those were released that the call for fewer, if there is one, releases.
    releasing: Option<Instant>,
    /// The workload has fewer pods than it was asked for, since then.
    short_since: Option<Instant>,
    /// Something could not be done yet: look again then.
    recheck: Option<Instant>,
    watch: Watch,
    relief: Option<Relief>,
    /// Pods did not come: the newest of those that were there then. Others have no better prospects.
    forlorn: Option<u64>,
    remake: Option<Remake>,
    told: Told,
}

/// How many replicas are wanted, and why, in words.
#[derive(Debug)]
struct Wish {
    replicas: u32,
    why: String,
}

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn new(
        settings: PodSettings,
        owner: ObjectRef,
        (api, announcer, eyes): (A, N, L),
        occupancy: Arc<O>,
        tell: mpsc::UnboundedSender<Note>,
    ) -> Self {
        Self {
            door: Arc::new(Door::find(&settings.spec, &Template::default())),
            typical_start: settings.typical_start,
            typical_phases: settings.typical_phases,
            settings,
            owner,
            api: Arc::new(api),
            announcer,
            eyes: Arc::new(eyes),
            occupancy,
            tell,
            present: Present::default(),
            tenure: Tenure::default(),
            members: Vec::new(),
            newest: 0,
            listed: false,
            wish: None,
            number: Number::default(),
            trouble: Trouble::default(),
            marking: 0,
            releasing: None,
            short_since: None,
            recheck: None,
            watch: Watch::default(),
            relief: None,
            forlorn: None,
            remake: None,
            told: Told::default(),
        }
    }

    // What is heard.

    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Scale(replicas, why) => {
                let grows = self
                    .wish
                    .as_ref()
                    .is_none_or(|wish| wish.replicas < replicas);
                self.wish = Some(Wish { replicas, why });
                if grows {
                    self.hurry();
                }
            }
            Command::Set(settings) => {
                self.settings = *settings;
                self.find_door();
            }
        }
    }

    /// What this gateway may do beside others. What was wanted while it steered says nothing of when it
    /// does again: somebody else may have in between.
    pub(super) fn serve(&mut self, tenure: Tenure) {
        if self.tenure.steers && !tenure.steers {
            self.wish = None;
        }
        self.tenure = tenure;
    }

    /// Somebody may wait for what was not waited for before.
    pub(super) fn hurry(&mut self) {
        if self.occupancy.is_waited_for() {
            let lookers = self
                .members
                .iter()
                .filter_map(|member| member.looker.as_ref());
            lookers.for_each(super::looker::Looker::kick);
        }
    }

    pub(super) fn hear(&mut self, note: Note, now: Instant) {
        match note {
            Note::Ready(id, life, heard) => self.became_ready(id, life, heard, now),
            Note::Says(id, life, word) => {
                if let Some(member) = self.member(id).filter(|member| member.life == life) {
                    member.says = word;
                }
            }
            Note::Scaled(workload, result) => self.scaled(&workload, &result, now),
            Note::Marked(pod, result) => self.marked(&pod, &result, now),
        }
    }

    // What is done.

    /// Brings what is nearer to what is wanted. Calling it again changes nothing.
    pub(super) fn reconcile(&mut self, now: Instant) {
        self.recheck = None;
        self.give_up_stuck();
        self.suspect(now);
        self.note_forlorn(now);
        self.note_unmade(now);
        self.balance(now);
        self.mark(now);
        self.tell_exit(now);
        self.steer(now);
        self.look_at_them();
    }

    /// When to reconcile again though nothing was heard.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let costs = self
            .members
            .iter()
            .flat_map(|member| [member.cost.retry_at, member.cost.until])
            .flatten();
        let slow = self.explains_at(now);
        let phases = self.phases_end(now);
        costs
            .filter(|&at| at > now)
            .chain(self.number.wake(now))
            .chain(self.recheck)
            .chain(slow)
            .chain(phases)
            .chain(self.despairs_at(now))
            .chain(self.remakes_at(now))
            .min()
    }

    /// It and nobody else changes numbers and marks.
    fn steers(&self) -> bool {
        self.tenure.steers && !self.settings.stopped
    }

    /// What is seen is how it is, and what is told to be idle is idle.
    fn may_shrink(&self) -> bool {
        self.steers() && self.tenure.heard && self.present.fresh
    }

    fn alive(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_alive())
    }

    /// Those that were taken out of service, and in which nothing is left.
    fn who_may_go(&self) -> HashSet<ReplicaId> {
        let victims = self.alive().filter(|member| member.is_victim());
        let victims = victims.map(|member| member.id).collect();
        self.occupancy.vacant(victims).into_iter().collect()
    }

    fn member(&mut self, id: ReplicaId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    fn look_again(&mut self, at: Instant) {
        self.recheck = self.recheck.into_iter().chain([at]).min();
    }

    /// A replica that left requests unanswered beyond any budget: nobody here can end it.
    fn give_up_stuck(&mut self) {
        for id in self.occupancy.stuck() {
            let Some(member) = self.member(id).filter(|member| member.is_alive()) else {
                continue;
            };
            if !matches!(member.service, Service::Released(_)) {
                member.service = Service::Stuck;
            }
            let name = member.pod.name.clone();
            self.tell_stuck(&name);
        }
    }

    /// What could not be reached is looked at anew: another server may be behind its door by now.
    fn suspect(&mut self, now: Instant) {
        let suspects: HashSet<ReplicaId> = self.occupancy.suspects().into_iter().collect();
        let is_suspect = |m: &&mut Member| m.is_ready() && suspects.contains(&m.id);
        for member in self.members.iter_mut().filter(is_suspect) {
            member.look_anew("could not be reached", now);
        }
    }
}
