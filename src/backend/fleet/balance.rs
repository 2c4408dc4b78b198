//! Brings what is nearer to what is wanted: takes back, retires, revives, starts, stops.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Fleet;
use super::member::{Member, Phase};
use crate::backend::life::Life;
use crate::backend::places::{Ask, Place, Taken};
use crate::backend::recovery::{Attempt, Crash};
use crate::backend::seams::{Launcher, Order, Probe};
use crate::ports::Occupancy;
use crate::revision::{Endpoint, ReplicaId};
use crate::trace::Step;

/// How long the throttler may take to hear what we have published. Within it a replica it does
/// not know may still be given a request, and one that has gone may still be offered.
pub(super) const SETTLE: Duration = Duration::from_millis(50);

impl<L: Launcher, P: Probe, O: Occupancy> Fleet<L, P, O> {
    /// Brings what is nearer to what is wanted. Calling it again changes nothing.
    pub(in crate::backend) fn reconcile(&mut self, now: Instant) {
        self.recheck = None;
        self.give_up_taken(now);
        self.give_up_stuck(now);
        let wanted = if self.closing.is_some() {
            0
        } else {
            self.wanted as usize
        };
        // Old ones go before the present ones are looked at: what is surplus then is surplus.
        self.relieve_old(wanted, now);
        self.shrink(wanted, now);
        self.grow(wanted, now);
        self.stop_vacant(now);
        let standings: Vec<_> = self.members.iter().map(Member::standing).collect();
        self.desk.get_up(&standings);
    }

    /// Idle replicas whose places another revision needs more: the throttler gives them nothing
    /// more, so they can end at once.
    fn give_up_taken(&mut self, now: Instant) {
        for Taken { replica, by } in self.desk.sit_down() {
            let revision = self.settings.revision.clone();
            if let Some(member) = self.member(replica).filter(|m| m.phase == Phase::Ready) {
                member.leave(now);
                info!(%revision, %replica, "stopping: it was idle, and {by} needs its place");
            }
        }
    }

    /// A replica that does not answer is as good as crashed: its connections break when it ends,
    /// and with them what waits for it.
    fn give_up_stuck(&mut self, now: Instant) {
        for id in self.occupancy.stuck() {
            let Some(member) = self.member(id) else {
                continue;
            };
            let phase = member.phase;
            if matches!(phase, Phase::Ready | Phase::Draining) {
                let revision = &self.settings.revision;
                warn!(%revision, replica = %id, "did not answer a request within any budget: replacing it");
                self.fall(id, now);
            }
        }
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
        while self.may_start()
            && let Some(attempt) = self.recovery.take(self.supply(), now)
        {
            let Some(place) = self.desk.take(self.ask()) else {
                self.recovery.put_back(attempt);
                self.make_room(now);
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

    /// Those of an older spec are on their way no longer.
    fn may_start(&self) -> bool {
        let on_their_way = self.supply().starting;
        let most = self.settings.max_starting.map(|most| most as usize);
        most.is_none_or(|most| on_their_way < most)
    }

    fn ask(&self) -> Ask {
        let serves = |m: &Member| matches!(m.phase, Phase::Starting | Phase::Ready);
        Ask {
            replica: ReplicaId(self.newest + 1),
            devices: self.spec.gpus,
            is_bare: !self.members.iter().any(serves),
        }
    }

    fn start(&mut self, attempt: Attempt, endpoint: Endpoint, place: Place, now: Instant) {
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
                devices: place.devices.clone(),
            },
            place,
            stop: member.stop.clone(),
            kill: member.kill.clone(),
            notes: self.tell.clone(),
        };
        self.lives.spawn(life.run());
        self.note(member.id, Step::Launched, now);
        self.members.push(member);
    }

    /// Puts draining replicas back into service; returns how many of `missing` that covers.
    fn revive(&mut self, missing: usize, now: Instant) -> usize {
        let generation = self.generation;
        let revivable: Vec<ReplicaId> = self
            .members
            .iter()
            .filter(|m| m.phase == Phase::Draining && m.generation == generation)
            .map(|member| member.id)
            .take(missing)
            .collect();
        let revived = self.occupancy.revive(&revivable);
        for &id in &revived {
            if let Some(member) = self.member(id) {
                member.enter(Phase::Ready, now);
                info!(revision = %self.settings.revision, replica = %id, "back in service");
            }
        }
        revived.len()
    }

    fn stop_vacant(&mut self, now: Instant) {
        let overdue = self.deadline().is_some_and(|at| at <= now);
        for member in &mut self.members {
            let draining = member.phase == Phase::Draining;
            if draining && (overdue || self.occupancy.is_vacant(member.id)) {
                member.leave(now);
            }
        }
    }

    pub(super) fn retire_everything(&mut self, now: Instant) {
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
}
