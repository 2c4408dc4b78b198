//! Follows what is told of the pods: who has come, who is gone, who begins again, who takes requests.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::Crew;
use super::sky::{is_unplaced, is_unschedulable, nomination, promise};
use crate::autoscale::typical_start;
use crate::backend::kubernetes::door::{Ask, Door};
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::{PodView, Present, Stage};
use crate::backend::kubernetes::pods::course::Course;
use crate::backend::kubernetes::pods::hindrance::keeps;
use crate::backend::kubernetes::pods::looker::{Looker, Sight};
use crate::backend::kubernetes::pods::member::{Cost, Health, Member, Service};
use crate::backend::kubernetes::pods::trouble::is_backed_off;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::Occupancy;
use crate::revision::ReplicaId;
use crate::sync::wall;
use crate::trace::{Ending, Event, Phases, Step};

/// The API tells when a pod was made in whole seconds: one that is younger has just been made.
const YOUNG: Duration = Duration::from_secs(2);

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    /// What is there. While nobody tells of changes, nothing is taken away.
    pub(in crate::backend::kubernetes::pods) fn see(&mut self, present: Present, now: Instant) {
        let came_back = present.fresh && !self.present.fresh;
        self.present = present;
        self.watch.see(self.present.fresh, now);
        if came_back {
            self.try_at_once();
        }
        if let Some(workload) = self.present.workload.clone().filter(|_| self.present.fresh) {
            let foreign = self.number.see(&workload, now);
            if let Some(foreign) = foreign {
                self.overrule(foreign, now);
            }
        }
        self.find_door();
        if self.present.fresh {
            self.forget_the_gone(now);
        }
        self.see_pods(now);
        self.members
            .sort_by_key(|member| (member.pod.created, member.id));
        self.listed |= self.present.fresh;
        self.note_shortfall(now);
    }

    /// The API server is back: nobody waits for pauses that began while it was away.
    fn try_at_once(&mut self) {
        self.number.try_at_once();
        for member in &mut self.members {
            (member.cost.failures, member.cost.retry_at) = (0, None);
        }
    }

    fn forget_the_gone(&mut self, now: Instant) {
        let there: HashSet<&str> = self.present.pods.iter().map(|pod| &*pod.uid).collect();
        let is_gone = |member: &mut Member| !there.contains(&*member.pod.uid);
        let gone: Vec<Member> = self.members.extract_if(.., is_gone).collect();
        for member in &gone {
            self.forget(member, now);
        }
        if gone.iter().any(|member| !is_unplaced(&member.pod)) {
            // There is room where it was.
            self.relieve(now, wall());
        }
    }

    fn see_pods(&mut self, now: Instant) {
        // Thousands of them change one by one, so a change is not to look for each among all.
        let places = self.members.iter().map(|member| member.pod.uid.clone());
        let places: HashMap<Arc<str>, usize> = places.zip(0..).collect();
        let pods = std::mem::take(&mut self.present.pods);
        for pod in &pods {
            match places.get(&pod.uid) {
                None => {
                    let newcomer = self.welcome(pod, now);
                    self.members.push(newcomer);
                }
                // The network around it was made anew, and everything in it with it.
                Some(&at) if has_moved(&self.members[at].pod, pod) => {
                    self.forget(&self.members[at], now);
                    self.members[at] = self.welcome(pod, now);
                }
                Some(&at) => self.update(at, pod, now),
            }
        }
        self.present.pods = pods;
    }

    fn welcome(&mut self, pod: &Arc<PodView>, now: Instant) -> Member {
        self.newest += 1;
        let age = wall().duration_since(pod.created).unwrap_or_default();
        let age = if age < YOUNG { Duration::ZERO } else { age };
        let id = ReplicaId(self.newest);
        let since = now.checked_sub(age).unwrap_or(now);
        self.note(id, Step::Launched, now);
        self.hear_of_node(None, pod, now);
        Member {
            id,
            health: Health::Coming(now),
            port: None,
            since,
            unplaced: is_unschedulable(pod).then_some(since),
            promised: promise(pod, now),
            nominated: nomination(pod, now),
            seen_born: self.listed && age.is_zero(),
            running_at: (pod.stage == Stage::Running).then_some(now),
            stage_at: now,
            course: Course::begin(since, pod, now),
            life: 0,
            was_ready: false,
            proven: None,
            backed_off: false,
            says: None,
            service: Service::In,
            unheard: 0,
            cost: Cost::default(),
            looker: None,
            hindrance: keeps(pod),
            pod: Arc::clone(pod),
        }
    }

    fn update(&mut self, at: usize, pod: &Arc<PodView>, now: Instant) {
        let failed = self.settings.failed_starts.max(1);
        let only_kubelet_knows = self.door.asks.contains(&Ask::Kubelet);
        let member = &mut self.members[at];
        let failed_before = member.failed_starts();
        let was = std::mem::replace(&mut member.pod, Arc::clone(pod));
        let (before, after) = (&was.stage, &pod.stage);
        let runs = *after == Stage::Running;
        let stopped = *before == Stage::Running && !runs;
        let restarts = pod.restarts.saturating_sub(was.restarts);
        if before != after {
            member.stage_at = now;
        }
        // All of them are told of whenever one changes, and to read what is said takes long.
        if was != *pod {
            member.hindrance = keeps(pod);
        }
        member.see_node(&was, now);
        match after {
            Stage::Waiting(Some(why)) => member.backed_off |= is_backed_off(why),
            Stage::Running => member.backed_off = false,
            _ => {}
        }
        member.cost.see(pod.deletion_cost);
        let failed_now = member.failed_starts().saturating_sub(failed_before);
        if failed_now > 0 {
            self.trouble.crashed(failed_now.min(failed));
            self.settings.stats.start_failed();
        }
        if restarts > 0 || stopped {
            if member.is_ready() {
                let (revision, pod) = (&self.settings.revision, &pod.name);
                info!(%revision, %pod, "its containers have ended: looking whether they come back");
            }
            member.begin_again(now);
        } else if member.is_ready() && was.ready && pod.unready > 0 && only_kubelet_knows {
            member.look_anew("kubelet calls it ready no more", now);
        }
        if runs && member.running_at.is_none() {
            member.running_at = Some(now);
            // Now it is worth looking often.
            member.looker = None;
        }
        member.course.see(pod, now);
        if let Some(looker) = &member.looker {
            looker.hear(pod.ready);
        }
        self.hear_of_node(Some(&was), pod, now);
    }

    /// Nothing is left of it.
    fn forget(&self, member: &Member, now: Instant) {
        let left = member.pod.terminating || member.is_victim();
        let ending = match (member.was_ready, left) {
            (true, true) => Ending::Stopped,
            (true, false) => Ending::Lost,
            (false, _) if member.pod.crashes > 0 => Ending::StartFailed,
            (false, _) => Ending::TakenBack,
        };
        self.note(member.id, Step::Gone(ending), now);
    }

    /// What is written of it or what its pods are made of may have changed.
    pub(super) fn find_door(&mut self) {
        let Some(workload) = &self.present.workload else {
            return;
        };
        let door = Door::find(&self.settings.spec, &workload.template);
        if door != *self.door {
            self.door = Arc::new(door);
            self.members
                .iter_mut()
                .for_each(|member| member.looker = None);
        }
    }

    /// Those that may come to take requests are looked at from the moment they have an address.
    pub(super) fn look_at_them(&mut self) {
        let written = self.settings.spec.port;
        for member in &mut self.members {
            let comes = member.is_awaited(written);
            let Some(ip) = member.pod.ip.filter(|_| comes) else {
                member.looker = None;
                continue;
            };
            if member.looker.is_none() {
                let sight = Sight {
                    id: member.id,
                    life: member.life,
                    ip,
                    door: Arc::clone(&self.door),
                    kubelet: member.pod.ready,
                };
                let (eyes, occupancy) = (Arc::clone(&self.eyes), Arc::clone(&self.occupancy));
                member.looker = Some(Looker::start(sight, eyes, occupancy, self.tell.clone()));
            }
        }
    }

    pub(super) fn became_ready(&mut self, id: ReplicaId, life: u64, heard: Instant, now: Instant) {
        let (written, port) = (self.settings.spec.port, self.door.port);
        let coming = |m: &&mut Member| m.life == life && m.is_awaited(written);
        let Some(member) = self.member(id).filter(coming) else {
            return;
        };
        member.port = Some(port);
        if member.is_ready() {
            let pod = Arc::clone(&member.pod.name);
            info!(revision = %self.settings.revision, %pod, port, "takes requests at another port");
            return;
        }
        let (Health::Coming(began) | Health::Ready(began)) = member.health;
        member.health = Health::Ready(now);
        member.proven = Some(member.pod.crashes);
        member.looker = None;
        member.says = None;
        let first = !std::mem::replace(&mut member.was_ready, true);
        let (since, born) = (member.since, member.is_newborn());
        member.course = member.course.end(heard, now);
        let course = member.course;
        let runs = member
            .running_at
            .map_or(heard, |at| at.min(heard))
            .max(since);
        let name = Arc::clone(&member.pod.name);
        self.trouble.succeeded();
        let phases = Phases {
            spawn: runs - since,
            listen: heard.saturating_duration_since(runs),
            ready: now.saturating_duration_since(heard),
        };
        if first {
            self.note(id, Step::Ready(phases), now);
        }
        if first && born {
            self.settings.stats.start_succeeded(course.took());
            self.typical_phases = course.learned(self.typical_phases);
            self.typical_start = Some(typical_start(self.typical_start, phases.total()));
        }
        let began = if first { since } else { began };
        self.tell_ready(&name, first.then_some(born), now - began);
    }

    fn note(&self, replica: ReplicaId, step: Step, now: Instant) {
        let (tape, id) = (&self.settings.tape, replica.0);
        tape.note(now.into_std(), || Event::Replica { id, step });
    }
}

fn has_moved(from: &PodView, to: &PodView) -> bool {
    matches!((from.ip, to.ip), (Some(from), Some(to)) if from != to)
}
