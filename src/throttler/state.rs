//! What the lock guards: the admission, and everybody who waits for its word.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::{Replica, Sample};
use crate::admission::meter::Report;
use crate::admission::{Admission, Grant, Seat, Ticket};
use crate::ports::{Outage, ReplicaState, World};
use crate::revision::ReplicaId;

/// What the lock of a throttler guards.
#[derive(Debug)]
pub(super) struct State<C> {
    pub(super) admission: Admission<Arc<Replica<C>>>,
    /// Everybody who waits, or was granted a slot and has not picked it up.
    pub(super) places: HashMap<Ticket, Turn>,
    pub(super) outage: Option<Arc<Outage>>,
    /// When the number of serving replicas last left zero.
    pub(super) warm_since: Option<Instant>,
    pub(super) typical_start: Option<Duration>,
    /// When the oldest replica on its way was started.
    pub(super) starting_since: Option<Instant>,
    pub(super) diagnosis: Option<String>,
}

/// What a place in line has come to.
#[derive(Debug)]
pub(super) enum Turn {
    Waiting(Option<Waker>),
    Granted(Seat),
    Dismissed(Arc<Outage>),
}

impl<C: Default> State<C> {
    pub(super) fn replica(&self, seat: Seat) -> Arc<Replica<C>> {
        Arc::clone(
            self.admission
                .kept(seat)
                .expect("a replica stays listed while it holds a slot"),
        )
    }

    /// The ready replicas; one that was there before keeps its connections.
    pub(super) fn replicas_of(&self, world: &World) -> Vec<(ReplicaId, Arc<Replica<C>>)> {
        let ready = world
            .replicas
            .iter()
            .filter(|view| view.state != ReplicaState::Starting);
        ready
            .map(|view| {
                let known = self
                    .admission
                    .every_kept()
                    .find(|replica| replica.id == view.id);
                let replica = known.cloned().unwrap_or_else(|| {
                    Arc::new(Replica {
                        id: view.id,
                        endpoint: view.endpoint,
                        connections: C::default(),
                    })
                });
                (view.id, replica)
            })
            .collect()
    }

    pub(super) fn sample(&self, report: Report) -> Sample {
        let (in_flight, idle_since) = self.admission.demand();
        Sample {
            report,
            in_flight,
            idle_since,
        }
    }

    pub(super) fn note_warmth(&mut self, now: Instant) {
        self.warm_since = match (self.admission.serving(), self.warm_since) {
            (0, _) => None,
            (_, None) => Some(now),
            (_, since) => since,
        };
    }

    pub(super) fn seat(&mut self, Grant { ticket, seat }: Grant) -> Option<Waker> {
        let turn = self
            .places
            .get_mut(&ticket)
            .expect("a granted ticket is in the map");
        match std::mem::replace(turn, Turn::Granted(seat)) {
            Turn::Waiting(waker) => waker,
            Turn::Granted(_) | Turn::Dismissed(_) => None,
        }
    }

    pub(super) fn grant(&mut self, grants: Vec<Grant>) -> Vec<Waker> {
        grants
            .into_iter()
            .filter_map(|grant| self.seat(grant))
            .collect()
    }

    pub(super) fn dismiss(&mut self, outage: &Arc<Outage>, now: Instant) -> Vec<Waker> {
        let tickets = self.admission.dismiss(now);
        let dismiss = |ticket: Ticket| {
            let turn = self
                .places
                .get_mut(&ticket)
                .expect("a waiting ticket is in the map");
            match std::mem::replace(turn, Turn::Dismissed(Arc::clone(outage))) {
                Turn::Waiting(waker) => waker,
                Turn::Granted(_) | Turn::Dismissed(_) => None,
            }
        };
        tickets.into_iter().filter_map(dismiss).collect()
    }
}
