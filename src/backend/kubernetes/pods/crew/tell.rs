//! What is told: the world as it is, and what a person can follow as Events on the owner.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::Crew;
use super::expect::phase;
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::objects::Stage;
use crate::backend::kubernetes::pods::member::{Health, Member, Service};
use crate::backend::kubernetes::pods::number::Foreign;
use crate::backend::kubernetes::pods::plan::Rank;
use crate::backend::kubernetes::pods::words::{many, waits_for};
use crate::backend::kubernetes::reason::Reason;
use crate::backend::kubernetes::seams::{Announcer, Api, ApiError, Notice};
use crate::ports::{Occupancy, ReplicaState, ReplicaView, World};
use crate::revision::Endpoint;

/// From when on a start that is not ready is explained.
const SUSPICION: Duration = Duration::from_secs(3);

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(in crate::backend::kubernetes::pods) fn world(&mut self, now: Instant) -> World {
        let outage = self.outage(now);
        self.tell_outage(outage.as_deref());
        self.tell_of_places(now);
        let kept = self.lowered(now).filter(|(lowest, wanted)| lowest > wanted);
        let kept = kept.map(|_| (self.why_it_stays(), self.who_may_go()));
        let view = |member: &Member| {
            let kept = kept.as_ref().filter(|(_, who)| who.contains(&member.id));
            self.view(member, kept.map(|(why, _)| why.as_str()))
        };
        World {
            expected: self.expected(now),
            unmade: self.unmade(),
            replicas: self.members.iter().map(view).collect(),
            outage,
            typical_start: self.typical_start,
            typical_phases: self.typical_phases,
            diagnosis: self.diagnosis(now),
            shortage: self.shortage(now),
        }
    }

    /// `kept` says why it is still there though it may go.
    fn view(&self, member: &Member, kept: Option<&str>) -> ReplicaView {
        let (state, since, detail) = if member.pod.terminating || member.service != Service::In {
            (
                ReplicaState::Draining,
                member.since,
                why_it_drains(member, kept).map(Arc::from),
            )
        } else {
            match member.health {
                Health::Ready(since) => (
                    ReplicaState::Ready,
                    since,
                    self.why_it_stays_where_it_is(member).map(Arc::from),
                ),
                Health::Coming(_) => {
                    let state = match member.pod.stage {
                        Stage::Unscheduled(_) => ReplicaState::Pending,
                        _ => ReplicaState::Starting,
                    };
                    let detail = waits_for(member, self.door.port);
                    (state, member.since, Some(detail))
                }
            }
        };
        let port = member.port.unwrap_or(self.door.port);
        ReplicaView {
            kept_by: self.kept_by(member),
            phase: phase(member, state),
            uid: Some(Arc::clone(&member.pod.uid)),
            id: member.id,
            name: Some(Arc::clone(&member.pod.name)),
            endpoint: member.pod.ip.map(|ip| Endpoint((ip, port).into())),
            state,
            since: since.into_std(),
            detail,
        }
    }

    fn why_it_stays_where_it_is(&self, member: &Member) -> Option<String> {
        let (port, moves) = (member.port?, member.moves(self.settings.spec.port));
        let to = self.door.port;
        moves.then(|| format!("gets requests at port {port} until it is ready at port {to}"))
    }

    /// Why one that may go is still there.
    fn why_it_stays(&self) -> String {
        let workload = self.present.workload.as_ref();
        if workload.is_some_and(|workload| workload.rolling) {
            return "may go, and stays until the rollout is over".into();
        }
        let before = |m: &&Member| m.service == Service::In && m.rank() < Rank::Ready;
        match self.alive().find(before) {
            Some(other) => format!(
                "may go, and stays until kubelet calls {} ready: its controller would take that one first",
                other.pod.name
            ),
            None => "may go as soon as its controller takes no other instead".into(),
        }
    }

    /// Why replicas that are wanted are not there.
    fn diagnosis(&self, now: Instant) -> Option<String> {
        if !self.listed {
            return None;
        }
        let Some(workload) = &self.present.workload else {
            return Some("there is no workload to be scaled yet".into());
        };
        if let Some(trouble) = self.number.trouble() {
            return Some(format!(
                "the number of replicas could not be changed: {trouble}"
            ));
        }
        let asked = workload.replicas;
        if let Some(until) = self.number.yields_until(now) {
            let left = humantime::format_duration(Duration::from_secs((until - now).as_secs()));
            return Some(format!(
                "somebody else asks for {} again and again: set back in {left}",
                many(asked, "replica")
            ));
        }
        if let Some(why) = self.why_stuck() {
            return Some(why);
        }
        let coming = |m: &&Member| m.is_in_service() && !m.is_ready();
        if let Some(slow) = self.members.iter().filter(coming).find(|m| is_slow(m, now)) {
            return Some(waits_for(slow, self.door.port).to_string());
        }
        let late = self
            .short_since
            .is_some_and(|since| now >= since + SUSPICION);
        late.then(|| {
            let there = self.alive().count();
            let why = self.why_none_is_made();
            format!(
                "its controller has made {there} of {}{why}",
                many(asked, "pod")
            )
        })
    }

    /// When a start that takes long is explained for the first time.
    pub(super) fn explains_at(&self, now: Instant) -> Option<Instant> {
        let coming = self
            .members
            .iter()
            .filter(|m| m.is_in_service() && !m.is_ready());
        let slow = coming.map(|member| member.since + SUSPICION);
        let all = slow.chain(self.short_since.map(|since| since + SUSPICION));
        all.filter(|&at| at > now).min()
    }

    /// Whether its controller has made as many pods as it was asked for.
    pub(super) fn note_shortfall(&mut self, now: Instant) {
        let asked = self.present.workload.as_ref().map_or(0, |w| w.replicas);
        let short = self.alive().count() < asked as usize;
        self.short_since = short.then(|| self.short_since.unwrap_or(now));
    }

    // Events.

    pub(super) fn announce(&self, reason: Reason, message: String) {
        self.announcer.announce(Notice {
            about: self.owner.clone(),
            reason,
            message,
        });
    }

    fn why(&self) -> &str {
        let steers_no_more = "wanted before this gateway ceased to steer";
        let wish = self.wish.as_ref();
        wish.map_or(steers_no_more, |wish| wish.why.as_str())
    }

    pub(super) fn tell_scaled(&self, from: u32, to: u32, now: Instant) {
        let reason = if to > from {
            Reason::ScaledUp
        } else {
            Reason::ScaledDown
        };
        let why = self.why_not_more(to, now);
        let why = why.unwrap_or_else(|| self.why().to_owned());
        let message = format!("from {from} to {}: {why}", many(to, "replica"));
        self.announce(reason, message);
    }

    pub(super) fn tell_scale_failed(&self, why: &str) {
        let wanted = self.wish.as_ref().map_or(0, |wish| wish.replicas);
        let message = format!("could not ask for {}: {why}", many(wanted, "replica"));
        self.announce(Reason::ScaleFailed, message);
    }

    pub(super) fn tell_unmarked(&self, pod: &str, error: &ApiError) {
        let message = format!(
            "could not write the deletion cost of pod {pod}, without which its controller may take a busy one: {error}"
        );
        self.announce(Reason::ScaleFailed, message);
    }

    pub(super) fn tell_overruled(&self, foreign: Foreign, pause: Option<Duration>) {
        let Foreign { from, to } = foreign;
        let wanted = self.wish.as_ref().map_or(0, |wish| wish.replicas);
        let what = format!("somebody else changed {} to {to}", many(from, "replica"));
        let message = match pause {
            None => format!("{what}: asking for {wanted} again ({})", self.why()),
            Some(pause) => format!(
                "{what} again and again, {wanted} are wanted: left as it is for {}",
                humantime::format_duration(pause)
            ),
        };
        self.announce(Reason::Overruled, message);
    }

    /// `first` tells of a first life whether it began before our eyes; of a later one nothing.
    pub(super) fn tell_ready(&self, pod: &str, first: Option<bool>, took: Duration) {
        info!(revision = %self.settings.revision, %pod, "ready after {took:?}");
        let took = took.as_secs_f64();
        let message = match first {
            Some(true) => format!("{pod} is ready {took:.1} s after it was made"),
            // It has been there for longer than this gate: no news.
            Some(false) => return,
            None => format!("{pod} is ready again after {took:.1} s"),
        };
        self.announce(Reason::ReplicaReady, message);
    }

    pub(super) fn tell_stuck(&self, pod: &str) {
        let message = format!(
            "{pod} did not answer a request within any budget: it gets no other until that has ended; delete the pod if it does not recover"
        );
        self.announce(Reason::ReplicaStuck, message);
    }
}

fn why_it_drains(member: &Member, kept: Option<&str>) -> Option<String> {
    let why = match member.service {
        Service::Stuck => Some("holds requests that it did not answer within any budget"),
        _ => kept,
    };
    why.map(str::to_owned)
}

/// What somebody else keeps is told at once, everything else when it takes long.
fn is_slow(member: &Member, now: Instant) -> bool {
    let usual = |reason: &str| matches!(reason, "ContainerCreating" | "PodInitializing");
    let kept = match &member.pod.stage {
        Stage::Unscheduled(Some(_)) => true,
        Stage::Waiting(Some(why)) => !usual(&why.reason),
        _ => false,
    };
    kept || now >= member.since + SUSPICION
}
