//! The replicas there are, and those that do not come to be.

use std::collections::HashMap;

use serde::Serialize;

use super::{Present, seconds};
use crate::admission::slots::{Slots, WHOLE};
use crate::autoscale::StartPhase;
use crate::ports::{self, Hindrance, ReplicaView, World};
use crate::revision::ReplicaId;

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
    /// Of one on its way, how far its start has come: `schedule`, `pull`, `init` or `load`; else left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
    /// What it waits for or is doing, for a person; left out where the state says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What keeps it from coming, in one word; left out while nothing does but the start itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<&'static str>,
    /// Slots occupied.
    pub in_flight: u32,
    /// Slots there are; `null` is no limit.
    pub slots: Option<u32>,
    /// Those of them that are this gateway's; left out where no other uses the replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// How long it has been in that state.
    pub since_seconds: f64,
    /// It could not be reached and gets no request until it can.
    pub suspect: bool,
    /// What its sidecar said a moment ago; left out where none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<Sidecar>,
}

/// What a sidecar said of the requests at its door.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// Requests at the model server.
    pub in_flight: u32,
    /// Requests that wait at the door.
    pub queued: u32,
    /// Those of both that came past every gateway.
    pub direct: u32,
    /// Requests there at once, averaged over the last second.
    pub average_concurrency: f64,
}

/// Replicas that were asked for and cannot even be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmade {
    /// How many.
    pub count: u32,
    /// What keeps them, in one word.
    pub kept_by: &'static str,
    /// In the words of whoever keeps them.
    pub detail: String,
}

/// Every replica there is, oldest first.
pub(super) fn all(present: &Present, world: &World) -> Vec<Replica> {
    let slots = present.reading.replicas.iter();
    let slots: HashMap<ReplicaId, &Slots<()>> = slots.map(|it| (it.id, it)).collect();
    let report = |view: &ReplicaView| replica(present, view, slots.get(&view.id).copied());
    world.replicas.iter().map(report).collect()
}

fn replica(present: &Present, view: &ReplicaView, slots: Option<&Slots<()>>) -> Replica {
    let limit = present.revision.spec.container_concurrency;
    let phase = view.phase.filter(|_| view.state.is_on_its_way());
    Replica {
        id: view.id.0,
        name: view.name.as_deref().map(str::to_owned),
        endpoint: view.endpoint.map(|endpoint| endpoint.to_string()),
        detail: view.detail.as_deref().map(str::to_owned),
        kept_by: view.kept_by.map(Hindrance::as_str),
        state: view.state.as_str(),
        phase: phase.map(StartPhase::as_str),
        in_flight: slots.map_or(0, |slots| slots.in_flight),
        slots: (limit.written() > 0).then(|| limit.slots()),
        share: slots.map(|it| it.share).filter(|share| *share != WHOLE),
        since_seconds: seconds(present.now.saturating_duration_since(view.since)),
        suspect: slots.is_some_and(|slots| slots.suspect),
        sidecar: view.uid.as_deref().and_then(|uid| sidecar(present, uid)),
    }
}

fn sidecar(present: &Present, uid: &str) -> Option<Sidecar> {
    let load = present.loads.of(uid, present.now)?;
    Some(Sidecar {
        in_flight: load.in_flight,
        queued: load.queued,
        direct: load.direct_now(),
        average_concurrency: load.rates.average_concurrency,
    })
}

pub(super) fn unmade(unmade: &ports::Unmade) -> Unmade {
    Unmade {
        count: unmade.count,
        kept_by: unmade.kept_by.as_str(),
        detail: unmade.detail.to_string(),
    }
}
