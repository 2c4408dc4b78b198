//! What the throttler notes for a record, under its lock, so that the order noted is the order in
//! which it happened.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::state::State;
use super::{Kept, Replica, Sample, Throttler};
use crate::admission::meter::Report;
use crate::admission::{Deadline, Seat, Terms, Ticket, Verdict};
use crate::ports::{Outage, ReplicaState, World};
use crate::revision::ReplicaId;
use crate::trace::{Event, Fate, Reason, Step, Tape};

impl<C> Throttler<C> {
    /// Where what happens to this revision is noted.
    #[must_use]
    pub const fn tape(&self) -> &Tape {
        &self.tape
    }
}

impl<C: Kept> State<C> {
    /// On what terms the next one arrives, where they are not those of everybody.
    pub(super) fn note_terms(&self, terms: Terms, now: Instant) {
        if terms != Terms::default() {
            self.tape.note_with(now, |nanos| Event::Terms {
                class: terms.class.number(),
                tenant: terms.tenant.0,
                deadline: terms.deadline.map(|deadline| match deadline {
                    Deadline::Whole(at) => (nanos(at), true),
                    Deadline::Begun(at) => (nanos(at), false),
                }),
            });
        }
    }

    pub(super) fn note_arrival(&self, verdict: Verdict, announced: u64, now: Instant) {
        self.tape.note(now, || match verdict {
            Verdict::Admitted(ticket, seat) => Event::Admitted {
                ticket: ticket.number(),
                announced,
                replica: seat.replica.0,
            },
            Verdict::Queued(ticket) | Verdict::QueuedInstead(ticket, _) => Event::Queued {
                ticket: ticket.number(),
                announced,
            },
            Verdict::Refused(_) => Event::TurnedAway {
                announced,
                reason: Reason::QueueFull,
            },
            Verdict::Late(_) => Event::TurnedAway {
                announced,
                reason: Reason::DeadlineUnmeetable,
            },
        });
        if let Verdict::QueuedInstead(_, other) = verdict {
            self.note_over(other, Fate::Refused(Reason::QueueFull), now);
        }
    }

    pub(super) fn note_turned_away(&self, announced: u64, reason: &str, now: Instant) {
        self.tape.note(now, || Event::TurnedAway {
            announced,
            reason: Reason::named(reason),
        });
    }

    pub(super) fn note_seated(&self, ticket: Ticket, seat: Seat, now: Instant) {
        self.tape.note(now, || Event::Seated {
            ticket: ticket.number(),
            replica: seat.replica.0,
        });
    }

    /// A request is over and holds nothing any more.
    pub(super) fn note_over(&self, ticket: Ticket, fate: Fate, now: Instant) {
        self.tape.note(now, || over(ticket, fate, true));
    }

    pub(super) fn note_step(&self, replica: ReplicaId, step: Step, now: Instant) {
        let id = replica.0;
        self.tape.note(now, || Event::Replica { id, step });
    }

    /// Which of those that were there are going away, and are told so.
    pub(super) fn note_leaving(&mut self, world: &World, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        let states = world.replicas.iter().map(|view| (view.id, view.state));
        let states: HashMap<ReplicaId, ReplicaState> = states.collect();
        let state = |id| states.get(&id).copied();
        for replica in self.admission.every_kept() {
            let serves = state(replica.id) == Some(ReplicaState::Ready);
            replica.connections.leaves(!serves);
        }
        let drains = |id| state(id).is_none_or(|state| state == ReplicaState::Draining);
        let changed = self.admission.set_draining(drains);
        for (replica, drains) in changed.into_iter().filter(|(id, _)| state(*id).is_some()) {
            let step = if drains { Step::Retired } else { Step::Listed };
            self.note_step(replica, step, now);
        }
    }

    /// Who is there that was not, and the other way round.
    pub(super) fn note_replicas(&self, ready: &[(ReplicaId, Arc<Replica<C>>)], now: Instant) {
        if !self.tape.is_on() {
            return;
        }
        let before: HashSet<ReplicaId> = self.admission.listed().collect();
        let after: HashSet<ReplicaId> = ready.iter().map(|(id, _)| *id).collect();
        for id in self.admission.listed().filter(|id| !after.contains(id)) {
            self.note_step(id, Step::Retired, now);
        }
        for (id, _) in ready.iter().filter(|(id, _)| !before.contains(id)) {
            self.note_step(*id, Step::Listed, now);
        }
    }
}

impl Sample {
    pub(super) fn note(&self, measured: Option<Report>, tape: &Tape, now: Instant) {
        let in_flight = self.in_flight;
        tape.note_with(now, |nanos| {
            let idle_since = self.idle_since.map(nanos);
            match measured {
                Some(report) => Event::Measured {
                    average_concurrency: report.average_concurrency,
                    requests: report.requests,
                    in_flight,
                    idle_since,
                },
                None => Event::Looked {
                    in_flight,
                    idle_since,
                },
            }
        });
    }
}

pub(super) const fn over(ticket: Ticket, fate: Fate, done: bool) -> Event {
    Event::Over {
        ticket: ticket.number(),
        done,
        fate,
    }
}

pub(super) fn refused(outage: &Outage) -> Fate {
    Fate::Refused(Reason::named(outage.reason.as_str()))
}
