//! What people are told of replicas that do not come, as Events: each thing once for as long as it lasts.

use std::collections::HashSet;

use tokio::time::Instant;

use super::Crew;
use super::place::why_none;
use super::sky::{Prospect, is_unschedulable};
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
pub(super) struct Told(HashSet<Reason>);

impl<A: Api, N: Announcer, L: Look, O: Occupancy> Crew<A, N, L, O> {
    pub(super) fn tell_outage(&mut self, outage: Option<&Outage>) {
        let failed = outage.filter(|outage| outage.reason == OutageReason::ColdStartFailed);
        let message = failed.map(|outage| format!("no replica can come: {}", outage.detail));
        self.tell_once(Reason::ColdStartFailed, message);
    }

    /// Who steers tells, and nobody else.
    pub(super) fn tell_of_places(&mut self, now: Instant) {
        if !self.steers() {
            return;
        }
        self.tell_once(Reason::WaitingForNode, self.node_comes(now));
        self.tell_once(Reason::Unschedulable, self.no_node(now));
        self.tell_once(Reason::QuotaExceeded, self.not_made(true));
        self.tell_once(Reason::PodsRefused, self.not_made(false));
        self.tell_once(Reason::RolloutStuck, self.why_stuck());
    }

    /// Nothing more is told of it before it is over.
    fn tell_once(&mut self, reason: Reason, message: Option<String>) {
        let Some(message) = message else {
            self.told.0.remove(&reason);
            return;
        };
        if self.told.0.insert(reason) {
            self.announce(reason, message);
        }
    }

    fn node_comes(&self, now: Instant) -> Option<String> {
        let sky = self.sky(now);
        let waits = |m: &&Member| is_unschedulable(&m.pod) && m.is_in_service();
        let comes =
            |m: &&Member| m.pod.nominated.is_none() && sky.prospect(m) == Prospect::NodeComing;
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
            "{pods} cannot be placed, {wanted} wanted in all: {why}; {kept} kept to find a node that appears"
        ))
    }

    /// Pods that a quota, or else a policy, does not let be made.
    fn not_made(&self, by_quota: bool) -> Option<String> {
        let unmade = self.unmade()?;
        let is_meant = (unmade.kept_by == Hindrance::Quota) == by_quota;
        let pods = many(unmade.count, "pod");
        is_meant.then(|| format!("{pods} cannot be made: {}", unmade.detail))
    }

    /// Why a rollout does not go on, where it should have.
    pub(super) fn why_stuck(&self) -> Option<String> {
        let overdue = self.present.workload.as_ref()?.overdue.as_ref()?;
        let pod = self.alive().find(|m| is_unschedulable(&m.pod));
        let pod = pod.map(|m| format!("; pod {}: {}", m.pod.name, why_none(m)));
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
            "{missing} of {wanted} cannot be placed: {}",
            why_none(first)
        ))
    }
}
