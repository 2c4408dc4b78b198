//! What people are told of replicas that do not come, as Events: each thing once for as long as it lasts.

use tokio::time::Instant;

use super::Crew;
use super::place::{Prospect, is_unschedulable, why_none};
use crate::backend::kubernetes::look::Look;
use crate::backend::kubernetes::pods::member::Member;
use crate::backend::kubernetes::pods::plan::count;
use crate::backend::kubernetes::pods::trouble::told;
use crate::backend::kubernetes::pods::words::many;
use crate::backend::kubernetes::reason::Reason;
use crate::backend::kubernetes::seams::{Announcer, Api};
use crate::ports::{Hindrance, Occupancy, Outage, OutageReason};

/// What people have been told and what still lasts.
#[derive(Debug, Default)]
pub(super) struct Told {
    outage: bool,
    node_comes: bool,
    no_node: bool,
    unmade: Option<Hindrance>,
    overdue: bool,
}

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn tell_outage(&mut self, outage: Option<&Outage>) {
        let failed = outage.filter(|outage| outage.reason == OutageReason::ColdStartFailed);
        let told = std::mem::replace(&mut self.told.outage, failed.is_some());
        if let Some(outage) = failed.filter(|_| !told) {
            let message = format!("no replica can come: {}", outage.detail);
            self.announce(Reason::ColdStartFailed, message);
        }
    }

    /// Who steers tells, and nobody else.
    pub(super) fn tell_of_places(&mut self, now: Instant) {
        if !self.steers() {
            self.told = Told {
                outage: self.told.outage,
                ..Told::default()
            };
            return;
        }
        self.tell_of_nodes(now);
        self.tell_of_making();
        self.tell_of_rollout();
    }

    fn tell_of_nodes(&mut self, now: Instant) {
        let comes = self.node_comes(now);
        if std::mem::replace(&mut self.told.node_comes, comes.is_some()) {
            // It was told already.
        } else if let Some(message) = comes {
            self.announce(Reason::WaitingForNode, message);
        }
        let none = self.no_node(now);
        if std::mem::replace(&mut self.told.no_node, none.is_some()) {
            // So was this.
        } else if let Some(message) = none {
            self.announce(Reason::Unschedulable, message);
        }
    }

    fn node_comes(&self, now: Instant) -> Option<String> {
        let sky = self.sky(now);
        let waits = |m: &&Member| is_unschedulable(&m.pod) && m.is_in_service();
        let comes = |m: &&Member| sky.prospect(m) == Prospect::NodeComing;
        let coming: Vec<&Member> = self.alive().filter(waits).filter(comes).collect();
        let words = coming.iter().filter_map(|m| m.pod.node_word.as_ref());
        let word = words.max_by_key(|word| word.at)?;
        let pods = many(count(coming.len()), "pod");
        Some(format!(
            "a node is on its way for {pods}: {}",
            told(&word.said)
        ))
    }

    fn no_node(&self, now: Instant) -> Option<String> {
        let sky = self.sky(now);
        let hopeless: Vec<&Member> = self.hopeless(&sky).collect();
        let why = why_none(hopeless.first()?);
        let (pods, wanted) = (
            many(count(hopeless.len()), "pod"),
            self.wish.as_ref().map_or(0, |wish| wish.replicas),
        );
        let kept = self.settings.max_pending.min(count(hopeless.len()));
        Some(format!(
            "no node for {pods}, {wanted} wanted in all: {why}; {kept} kept to find one that appears"
        ))
    }

    fn tell_of_making(&mut self) {
        let unmade = self.unmade();
        let by = unmade.as_ref().map(|unmade| unmade.kept_by);
        if std::mem::replace(&mut self.told.unmade, by) == by {
            return;
        }
        if let Some(unmade) = unmade {
            let reason = match unmade.kept_by {
                Hindrance::Quota => Reason::QuotaExceeded,
                _ => Reason::PodsRefused,
            };
            let pods = many(unmade.count, "pod");
            self.announce(reason, format!("{pods} cannot be made: {}", unmade.detail));
        }
    }

    fn tell_of_rollout(&mut self) {
        let why = self.why_stuck();
        if std::mem::replace(&mut self.told.overdue, why.is_some()) {
            return;
        }
        if let Some(why) = why {
            self.announce(Reason::RolloutStuck, why);
        }
    }

    /// Why a rollout does not go on, where it should have.
    pub(super) fn why_stuck(&self) -> Option<String> {
        let overdue = self.present.workload.as_ref()?.overdue.as_ref()?;
        let keeps = |m: &&Member| m.is_in_service() && is_unschedulable(&m.pod);
        let pod = self.alive().find(keeps);
        let pod = pod.map(|m| format!("; no node for {}: {}", m.pod.name, why_none(m)));
        let pod = pod.unwrap_or_default();
        Some(format!(
            "the rollout does not go on ({}){pod}",
            told(overdue)
        ))
    }

    /// Why fewer pods are asked for than are wanted.
    pub(super) fn why_not_more(&self, asked: u32, now: Instant) -> Option<String> {
        let wanted = self.wish.as_ref()?.replicas;
        let sky = self.sky(now);
        let first = self.hopeless(&sky).next().filter(|_| asked < wanted)?;
        let missing = wanted - asked;
        Some(format!(
            "no node for {missing} of {wanted}: {}",
            why_none(first)
        ))
    }
}
