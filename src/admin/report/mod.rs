//! What is told about a revision, as JSON. Times are lengths of time, never dates: they are worth
//! the same on every machine.

mod decision;
mod explained;
mod left_alone;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::board::{self, Present, Steered};
use crate::admission::slots::{Slots, WHOLE};
use crate::guests::{self, Stage};
use crate::ports::{Missing, Outage, ReplicaView};
use crate::revision::ReplicaId;

pub(super) use decision::decisions;
pub use decision::{Clamp, Decision, Panicking, Reading, Wishes};
pub use explained::Explained;
pub(super) use explained::{explained, explained_left_alone};
pub(super) use left_alone::left_alone;
pub use left_alone::{LeftAlone, Listed};

/// A revision as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Its name.
    pub name: String,
    /// Host names that lead to it.
    pub hosts: Vec<String>,
    /// Models that lead to it by path.
    pub models: Vec<String>,
    /// The hard limit per replica; 0 is none.
    pub container_concurrency: u32,
    /// Never fewer replicas.
    pub min_replicas: u32,
    /// Never more replicas; `null` is no cap.
    pub max_replicas: Option<u32>,
    /// The replicas there are, oldest first.
    pub replicas: Vec<Replica>,
    /// Who waits.
    pub queue: Queue,
    /// Slots occupied, over all replicas.
    pub in_flight: u32,
    /// The requests that came first of those that are here.
    pub oldest_requests: Vec<Visit>,
    /// What should be there and why; absent if nothing decides on its replicas.
    #[serde(flatten)]
    pub scaling: Option<Scaling>,
    /// Why no replica can come, while none can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<OutageReport>,
    /// What seems to be wrong with a start that takes long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<String>,
    /// What else a person should know, each a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Measured time from start to ready; `null` before the first.
    pub typical_start_ms: Option<f64>,
    /// Measured time a request occupies a slot; `null` before the first.
    pub typical_service_ms: Option<f64>,
}

/// One running model server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Which one.
    pub id: u64,
    /// What it is called where it lives: a pod's name; left out for a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it listens; `null` before it has an address.
    pub endpoint: Option<String>,
    /// `pending`, `starting`, `ready` or `draining`.
    pub state: &'static str,
    /// What it waits for or is doing, for a person; left out where the state says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Slots occupied.
    pub in_flight: u32,
    /// Slots there are; `null` is no limit.
    pub slots: Option<u32>,
    /// Slots that are this gateway's; left out where no other uses them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// How long it has been in that state.
    pub since_seconds: f64,
    /// It could not be reached and gets no request until it can.
    pub suspect: bool,
}

/// The line of waiting requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Requests in it.
    pub depth: usize,
    /// Bytes of bodies they hold or have announced.
    pub bytes: u64,
    /// How long the first in line has waited; `null` if nobody waits.
    pub oldest_wait_ms: Option<f64>,
}

/// One request that is here.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// Its method and its path without the query, cut where it is long.
    pub request: String,
    /// `waiting`, `answering`, or `abandoned` by a client that has left while the replica works.
    pub state: &'static str,
    /// How long it has been so.
    pub since_seconds: f64,
    /// How long ago it arrived.
    pub arrived_seconds_ago: f64,
    /// The replica that works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u64>,
}

/// How many replicas there should be, and why. `null` is what is not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// The number decided on last.
    pub desired: Option<u32>,
    /// The metric that asked for most.
    #[serde(flatten)]
    pub steering: Option<Metric>,
    /// All that are averaged.
    pub metrics: Vec<Metric>,
    /// Which average steers: `stable` or `panic`.
    pub mode: Option<&'static str>,
    /// How far it is between nothing and serving: `activating`, `active` or `inactive`.
    pub condition: Option<&'static str>,
    /// What had the last word on the number.
    pub bound_by: Option<&'static str>,
    /// Why, in words.
    pub reason: Option<String>,
}

/// One metric that is averaged. `null` is what is not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// `concurrency`, `rps`, `cpu` (percent), `memory` (bytes), or what replicas report.
    pub metric: String,
    /// The long average.
    pub stable: Option<f64>,
    /// The short average.
    pub panic: Option<f64>,
    /// What one replica should carry, in the same unit.
    pub target: f64,
    /// Why it could not be read a moment ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// Why no replica can come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutageReport {
    /// The word in refusals.
    pub reason: &'static str,
    /// What happened.
    pub detail: String,
    /// Until the next attempt; `null` if none is planned.
    pub next_attempt_seconds: Option<f64>,
}

/// A revision as it is now.
pub(super) fn revision(present: &Present) -> Revision {
    let spec = &present.revision.spec;
    let steered = present.steered.as_ref();
    let world = steered.map(|steered| &steered.world);
    let replicas = world.map_or_else(Vec::new, |world| {
        let slots = present.reading.replicas.iter();
        let slots: HashMap<ReplicaId, &Slots<()>> = slots.map(|it| (it.id, it)).collect();
        let report = |view: &ReplicaView| replica(present, view, slots.get(&view.id).copied());
        world.replicas.iter().map(report).collect()
    });
    Revision {
        name: spec.id.to_string(),
        hosts: spec.hosts.clone(),
        models: spec.models.clone(),
        container_concurrency: spec.container_concurrency.written(),
        min_replicas: spec.scaling.min_replicas,
        max_replicas: spec.scaling.max_replicas,
        replicas,
        queue: queue(present),
        in_flight: present.reading.running,
        oldest_requests: present
            .visits
            .iter()
            .map(|one| visit(one, present.now))
            .collect(),
        scaling: present.steered.as_ref().map(scaling),
        outage: world
            .and_then(|world| world.outage.as_deref())
            .map(|found| outage(found, present.now)),
        diagnosis: world.and_then(|world| world.diagnosis.clone()),
        remarks: steered.map_or_else(Vec::new, |steered| steered.remarks.clone()),
        typical_start_ms: world.and_then(|world| world.typical_start).map(millis),
        typical_service_ms: present.reading.typical_service.map(millis),
    }
}

/// How many requests wait, by revision.
pub(super) fn depths(all: &[Present]) -> BTreeMap<&str, usize> {
    let depth = |present: &Present| present.reading.waiting;
    all.iter()
        .map(|present| (present.revision.spec.id.as_str(), depth(present)))
        .collect()
}

fn replica(present: &Present, view: &ReplicaView, slots: Option<&Slots<()>>) -> Replica {
    let limit = present.revision.spec.container_concurrency;
    Replica {
        id: view.id.0,
        name: view.name.as_deref().map(str::to_owned),
        endpoint: view.endpoint.map(|endpoint| endpoint.to_string()),
        detail: view.detail.as_deref().map(str::to_owned),
        state: view.state.as_str(),
        in_flight: slots.map_or(0, |slots| slots.in_flight),
        slots: (limit.written() > 0).then(|| limit.slots()),
        share: slots
            .map(|slots| slots.share)
            .filter(|share| *share != WHOLE),
        since_seconds: seconds(present.now.saturating_duration_since(view.since)),
        suspect: slots.is_some_and(|slots| slots.suspect),
    }
}

fn visit(visit: &guests::Visit, now: Instant) -> Visit {
    let (since, replica) = match visit.stage {
        Stage::Waiting => (visit.arrived, None),
        Stage::Answering { replica, since } | Stage::Abandoned { replica, since } => {
            (since, Some(replica.0))
        }
    };
    let ago = |at: Instant| seconds(now.saturating_duration_since(at));
    Visit {
        request: visit.name.clone(),
        state: visit.stage.as_str(),
        since_seconds: ago(since),
        arrived_seconds_ago: ago(visit.arrived),
        replica,
    }
}

fn queue(present: &Present) -> Queue {
    let reading = &present.reading;
    let waited = |since| millis(present.now.saturating_duration_since(since));
    Queue {
        depth: reading.waiting,
        bytes: reading.waiting_bytes,
        oldest_wait_ms: reading.oldest.map(waited),
    }
}

fn scaling(steered: &Steered) -> Scaling {
    let last = steered.last.as_ref().map(|last| &last.decision);
    Scaling {
        desired: steered.decisions.desired(),
        steering: steered.steering().as_ref().map(metric),
        metrics: steered.metrics().map(|found| metric(&found)).collect(),
        mode: last.map(|decision| decision.mode.as_str()),
        bound_by: last.map(|decision| decision.bound_by().as_str()),
        condition: last.map(|decision| decision.condition.as_str()),
        reason: last.map(|decision| decision.reason().to_string()),
    }
}

fn metric(found: &board::Metric<'_>) -> Metric {
    Metric {
        metric: found.of.as_str().to_owned(),
        stable: found.averages.map(|averages| averages.stable),
        panic: found.averages.map(|averages| averages.panic),
        target: found.target,
        missing: found.missing.map(Missing::to_string),
    }
}

fn outage(outage: &Outage, now: Instant) -> OutageReport {
    let until = |at: Instant| seconds(at.saturating_duration_since(now));
    OutageReport {
        reason: outage.reason.as_str(),
        detail: outage.detail.clone(),
        next_attempt_seconds: outage.next_attempt.map(until),
    }
}

/// To the millisecond: more digits say nothing.
fn seconds(length: Duration) -> f64 {
    (length.as_secs_f64() * 1000.0).round() / 1000.0
}

/// To the tenth of a millisecond.
fn millis(length: Duration) -> f64 {
    (length.as_secs_f64() * 10_000.0).round() / 10.0
}
