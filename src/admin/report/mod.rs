//! What is told about a revision, as JSON. Times are lengths of time, never dates: they are worth
//! the same on every machine.

mod decision;
mod explained;
mod left_alone;
mod replica;
mod visit;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::board::{self, Present, Steered};
use super::gateways::Gateways;
use crate::admission::{self, Class};
use crate::guests;
use crate::ports::{Missing, Outage};

pub(super) use decision::decisions;
pub use decision::{Clamp, Decision, Panicking, Reading, Wishes};
pub use explained::Explained;
pub(super) use explained::{explained, explained_left_alone};
pub(super) use left_alone::left_alone;
pub use left_alone::{LeftAlone, Listed};
pub use replica::{Replica, Sidecar, Unmade};
pub use visit::Visit;
use visit::visit;

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
    /// Those that were asked for and cannot even be made, while something keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmade: Option<Unmade>,
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
    /// How this gateway stands to the others; left out where there never are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Gateways>,
    /// Measured time from start to ready; `null` before the first.
    pub typical_start_ms: Option<f64>,
    /// The same of its phases, as far as they were measured, by their words; of those in which a node had
    /// to be brought, the wait for it is `node`. Left out where there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub typical_phases_ms: BTreeMap<&'static str, f64>,
    /// How long until the first of the replicas on their way is likely to take requests; left out where
    /// none is, or nobody can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_seconds: Option<f64>,
    /// Measured time a request occupies a slot; `null` before the first.
    pub typical_service_ms: Option<f64>,
}

/// The line of waiting requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Requests in it.
    pub depth: usize,
    /// Bytes of bodies they hold or have announced.
    pub bytes: u64,
    /// How long the one that came first has waited; `null` if nobody waits.
    pub oldest_wait_ms: Option<f64>,
    /// Who is served first: `fifo` or `fair`.
    pub order: &'static str,
    /// How many wait of each class; left out where who came first is served first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<BTreeMap<&'static str, usize>>,
    /// The tenants that have most waiting, at most ten; left out where who came first is served first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<Tenant>>,
}

/// A tenant that waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// A word for it that is the same as long as this process runs, and says nothing of its name;
    /// `nobody` for those that name none.
    pub tenant: String,
    /// Requests that it has waiting.
    pub waiting: usize,
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
    let until = |at: Instant| seconds(at.saturating_duration_since(present.now));
    Revision {
        name: spec.id.to_string(),
        hosts: spec.hosts.clone(),
        models: spec.models.clone(),
        container_concurrency: spec.container_concurrency.written(),
        min_replicas: spec.scaling.min_replicas,
        max_replicas: spec.scaling.max_replicas,
        replicas: world.map_or_else(Vec::new, |world| replica::all(present, world)),
        unmade: world
            .and_then(|world| world.unmade.as_ref())
            .map(replica::unmade),
        queue: queue(present),
        in_flight: present.reading.running,
        oldest_requests: present
            .visits
            .iter()
            .map(|one| visit(one, position(present, one), present.now))
            .collect(),
        scaling: present.steered.as_ref().map(scaling),
        outage: world
            .and_then(|world| world.outage.as_deref())
            .map(|found| outage(found, present.now)),
        diagnosis: world.and_then(|world| world.diagnosis.clone()),
        remarks: steered.map_or_else(Vec::new, |steered| steered.remarks.clone()),
        gateways: present.gateways.clone(),
        typical_start_ms: world.and_then(|world| world.typical_start).map(millis),
        typical_phases_ms: world.map_or_else(BTreeMap::new, |world| {
            let known = world.typical_phases.known();
            known.map(|(word, took)| (word, millis(took))).collect()
        }),
        expected_seconds: world.and_then(|world| world.expected).map(until),
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

fn position(present: &Present, visit: &guests::Visit) -> Option<usize> {
    let throttler = &present.revision.throttler;
    visit.ticket.and_then(|ticket| throttler.position(ticket))
}

fn queue(present: &Present) -> Queue {
    let reading = &present.reading;
    let waited = |since| millis(present.now.saturating_duration_since(since));
    let parts = reading.parts.as_ref();
    let words = Class::ALL.map(Class::as_str);
    Queue {
        depth: reading.waiting,
        bytes: reading.waiting_bytes,
        oldest_wait_ms: reading.oldest.map(waited),
        order: if parts.is_some() { "fair" } else { "fifo" },
        classes: parts.map(|parts| words.into_iter().zip(parts.classes).collect()),
        tenants: parts.map(|parts| parts.tenants.iter().map(tenant).collect()),
    }
}

fn tenant((number, waiting): &(admission::Tenant, usize)) -> Tenant {
    let tenant = match *number {
        admission::Tenant::NOBODY => "nobody".to_owned(),
        admission::Tenant(number) => format!("{:08x}", number >> 32),
    };
    Tenant {
        tenant,
        waiting: *waiting,
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
