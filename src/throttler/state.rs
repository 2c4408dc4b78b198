//! What the lock guards: the admission, and everybody who waits for its word.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Instant;

use super::longest::Longest;
use super::notes::refused;
use super::{Crowd, Kept, Replica, Sample};
use crate::admission::meter::Report;
use crate::admission::{
    Admission, Back, Full, Grant, Seat, Starts, Terms, Ticket, Verdict, warm_since,
};
use crate::autoscale::StartPhase;
use crate::ports::{Outage, ReplicaState, ReplicaView, World};
use crate::revision::ReplicaId;
use crate::trace::Tape;

/// What the lock of a throttler guards.
#[derive(Debug)]
pub(super) struct State<C> {
    pub(super) admission: Admission<Arc<Replica<C>>>,
    /// Everybody who waits, or was granted a slot and has not picked it up.
    pub(super) places: HashMap<Ticket, Turn>,
    pub(super) outage: Option<Arc<Outage>>,
    /// When the number of serving replicas last left zero.
    pub(super) warm_since: Option<Instant>,
    /// What is known of replicas on their way.
    pub(super) starts: Starts,
    /// Everybody who waits, here and elsewhere, and which part of it is counted as waiting here.
    pub(super) crowd: Arc<Crowd>,
    pub(super) told: (usize, u64),
    pub(super) diagnosis: Option<String>,
    /// The furthest phase of a replica on its way.
    pub(super) phase: Option<StartPhase>,
    /// The longest that a slot stayed in use.
    pub(super) longest: Longest,
    /// Set once no replica will ever come again.
    pub(super) closed: Option<Arc<Outage>>,
    /// Replicas found stuck, until the backend is told.
    pub(super) stuck: Vec<ReplicaId>,
    /// Somebody waits for a replica to fall idle.
    pub(super) tells_idle: bool,
    pub(super) tape: Tape,
}

/// What a place in line has come to.
#[derive(Debug)]
pub(super) enum Turn {
    Waiting(Option<Waker>),
    Granted(Seat),
    Dismissed(Arc<Outage>),
    /// Another has its place.
    GaveWay,
}

impl<C: Kept> State<C> {
    pub(super) fn replica(&self, seat: Seat) -> Arc<Replica<C>> {
        Arc::clone(
            self.admission
                .kept(seat)
                .expect("a replica stays listed while it holds a slot"),
        )
    }

    /// The replicas that are there; one that was before keeps its connections, unless it listens
    /// elsewhere now. A draining one that was never listed as ready is not begun with.
    pub(super) fn replicas_of(&self, world: &World) -> Vec<(ReplicaId, Arc<Replica<C>>)> {
        let known = self.admission.every_kept().map(|known| (known.id, known));
        let known: HashMap<ReplicaId, &Arc<Replica<C>>> = known.collect();
        let replica = |view: &ReplicaView| match (view.state, known.get(&view.id)) {
            (ReplicaState::Pending | ReplicaState::Starting, _)
            | (ReplicaState::Draining, None) => None,
            (ReplicaState::Draining, Some(replica)) => Some((view.id, Arc::clone(replica))),
            (ReplicaState::Ready, Some(replica)) if view.endpoint == Some(replica.endpoint) => {
                Some((view.id, Arc::clone(replica)))
            }
            (ReplicaState::Ready, known) => {
                let (id, endpoint) = (view.id, view.endpoint?);
                let is_new = match known {
                    Some(known) => known.is_new.load(Relaxed),
                    None => view.phase == Some(StartPhase::FirstAnswer),
                };
                let replica = Replica {
                    id,
                    endpoint,
                    connections: C::default(),
                    is_new: is_new.into(),
                };
                Some((id, Arc::new(replica)))
            }
        };
        world.replicas.iter().filter_map(replica).collect()
    }

    pub(super) fn sample(&self, report: Report) -> Sample {
        let (in_flight, idle_since) = self.admission.demand();
        Sample {
            report,
            in_flight,
            idle_since,
            busy: self.admission.busy(),
            unheard: false,
        }
    }

    /// A request arrives, and what becomes of it is noted. Before it may wait there must be room for it
    /// among all who do.
    pub(super) fn arrive(
        &mut self,
        bytes: u64,
        terms: impl FnOnce() -> Terms,
        now: Instant,
    ) -> Verdict {
        let (crowd, told) = (&self.crowd, &mut self.told);
        let mut known = None;
        let mut terms = Some(terms);
        if self.tape.is_on() {
            known = terms.take().map(|terms| terms());
        }
        let verdict = self.admission.arrive_on(bytes, now, || {
            crowd.enter(1, bytes)?;
            *told = (told.0 + 1, told.1 + bytes);
            let terms = known.or_else(|| terms.take().map(|terms| terms()));
            Ok(terms.unwrap_or_default())
        });
        self.tell_crowd();
        self.note_terms(known.unwrap_or_default(), now);
        self.note_arrival(verdict, bytes, now);
        verdict
    }

    /// It goes back to its place.
    pub(super) fn rebuff(
        &mut self,
        ticket: Ticket,
        seat: Seat,
        back: Back,
        now: Instant,
    ) -> Verdict {
        let verdict = self.admission.rebuff(ticket, seat, back, now);
        self.tell_crowd();
        verdict
    }

    /// It leaves the line.
    pub(super) fn cancel(&mut self, ticket: Ticket, now: Instant) {
        self.admission.cancel(ticket, now);
        self.tell_crowd();
    }

    /// More of a waiting request's body has to be held.
    pub(super) fn hold_more(&mut self, ticket: Ticket, bytes: u64) -> Result<(), Full> {
        self.crowd.enter(0, bytes)?;
        self.told.1 += bytes;
        let fits = self.admission.hold_more(ticket, bytes);
        self.tell_crowd();
        if fits { Ok(()) } else { Err(Full::Bytes) }
    }

    /// Everybody's count follows what waits here.
    fn tell_crowd(&mut self) {
        let here = (self.admission.waiting(), self.admission.waiting_bytes());
        if here != self.told {
            self.crowd.change(self.told, here);
            self.told = here;
        }
    }

    /// It has left the line for another.
    pub(super) fn send_away(&mut self, ticket: Ticket) -> Option<Waker> {
        let turn = self
            .places
            .get_mut(&ticket)
            .expect("a waiting ticket is in the map");
        match std::mem::replace(turn, Turn::GaveWay) {
            Turn::Waiting(waker) => waker,
            Turn::Granted(_) | Turn::Dismissed(_) | Turn::GaveWay => None,
        }
    }

    /// Somebody comes whom nobody can serve. Whose owner wants nothing is not wanted by asking for it.
    pub(super) fn turn_away(&mut self, outage: &Outage, bytes: u64, now: Instant) {
        self.note_turned_away(bytes, outage.reason.as_str(), now);
        if !outage.reason.shuts_out() {
            self.admission.turn_away(now);
        }
    }

    pub(super) fn note_warmth(&mut self, now: Instant) {
        self.warm_since = warm_since(self.admission.in_service(), self.warm_since, now);
    }

    pub(super) fn seat(&mut self, Grant { ticket, seat }: Grant, now: Instant) -> Option<Waker> {
        self.note_seated(ticket, seat, now);
        self.tell_crowd();
        let turn = self
            .places
            .get_mut(&ticket)
            .expect("a granted ticket is in the map");
        match std::mem::replace(turn, Turn::Granted(seat)) {
            Turn::Waiting(waker) => waker,
            Turn::Granted(_) | Turn::Dismissed(_) | Turn::GaveWay => None,
        }
    }

    pub(super) fn grant(&mut self, grants: Vec<Grant>, now: Instant) -> Vec<Waker> {
        grants
            .into_iter()
            .filter_map(|grant| self.seat(grant, now))
            .collect()
    }

    pub(super) fn dismiss(&mut self, outage: &Arc<Outage>, now: Instant) -> Vec<Waker> {
        let tickets = self.admission.dismiss(now);
        self.tell_crowd();
        for &ticket in &tickets {
            self.note_over(ticket, refused(outage), now);
        }
        let dismiss = |ticket: Ticket| {
            let turn = self
                .places
                .get_mut(&ticket)
                .expect("a waiting ticket is in the map");
            match std::mem::replace(turn, Turn::Dismissed(Arc::clone(outage))) {
                Turn::Waiting(waker) => waker,
                Turn::Granted(_) | Turn::Dismissed(_) | Turn::GaveWay => None,
            }
        };
        tickets.into_iter().filter_map(dismiss).collect()
    }
}
