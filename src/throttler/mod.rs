//! The throttler: admission plus waiting. It hands out permits for one revision, wakes whoever's
//! turn it is, and carries what the world says (replicas, an outage) to those who wait.
//!
//! Handle / shared / state are three types, so that the scope of the one lock is visible. Wakers
//! are collected under the lock and woken after it. How long a request may wait is its own affair.

mod crowd;
mod longest;
mod look;
#[cfg(all(test, model_check))]
mod model;
mod notes;
mod occupancy;
mod permit;
mod place;
mod replica;
mod sharing;
mod state;
#[cfg(all(test, not(model_check)))]
mod tests;
#[cfg(all(test, not(model_check)))]
mod tests_cold;
#[cfg(all(test, not(model_check)))]
mod tests_idle;
#[cfg(all(test, not(model_check)))]
mod tests_leaving;
#[cfg(all(test, not(model_check)))]
mod tests_order;
#[cfg(all(test, not(model_check)))]
mod tests_outage;
#[cfg(all(test, not(model_check)))]
mod tests_sharing;
#[cfg(test)]
mod tests_support;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::admission::{Admission, Full, Left, Seat, Starts, Terms, Ticket, Verdict};
use crate::guests::Guests;
use crate::ports::{Outage, World};
use crate::revision::{ContainerConcurrency, QueueLimits, ReplicaId};
use crate::sync::{Mutex, now};
use crate::trace::{Event, Fate, Tape};

use notes::refused;
use state::{State, Turn};

pub use crowd::Crowd;
pub use longest::Longest;
pub use look::{Outlook, Sample};
pub use permit::Permit;
pub use place::{Denied, Place};
pub use replica::{Kept, Replica};
pub use sharing::Asked;

/// What becomes of an arriving request.
#[derive(Debug)]
pub enum Arrival<C: Kept> {
    /// It has a slot.
    Admitted(Permit<C>),
    /// It has a place in line.
    Waiting(Place<C>),
    /// The line is full.
    QueueFull(Full),
    /// Its deadline would pass before its answer could be there: it would wait at least so long.
    Late(Duration),
    /// No replica can come.
    Outage(Arc<Outage>),
}

impl<C: Kept> Arrival<C> {
    /// How the request will have ended, should what it was given be dropped.
    pub fn ends(&mut self, fate: Fate) {
        match self {
            Self::Admitted(permit) => permit.ends(fate),
            Self::Waiting(place) => place.ends(fate),
            Self::QueueFull(_) | Self::Late(_) | Self::Outage(_) => {}
        }
    }
}

/// Hands out permits for one revision.
#[derive(Debug)]
pub struct Throttler<C> {
    state: Mutex<State<C>>,
    /// Somebody waits and no replica serves.
    poke: Notify,
    vacancies: watch::Sender<u64>,
    /// For those with whom the replicas are shared.
    news: watch::Sender<u64>,
    guests: Arc<Guests>,
    tape: Tape,
}

impl<C: Kept> Throttler<C> {
    /// No replicas, nobody waiting.
    #[must_use]
    pub fn new(limit: ContainerConcurrency, bounds: QueueLimits) -> Arc<Self> {
        Self::recorded(limit, bounds, Tape::default())
    }

    /// The same, and what happens is noted.
    #[must_use]
    pub fn recorded(limit: ContainerConcurrency, bounds: QueueLimits, tape: Tape) -> Arc<Self> {
        Self::among(Arc::default(), limit, bounds, tape)
    }

    /// The same for one of several that may not let more wait than all of them together may.
    #[must_use]
    pub fn among(
        crowd: Arc<Crowd>,
        limit: ContainerConcurrency,
        bounds: QueueLimits,
        tape: Tape,
    ) -> Arc<Self> {
        let now = now();
        tape.note(now, || Event::Opened);
        let state = State {
            admission: Admission::new(limit, bounds, now),
            places: HashMap::new(),
            outage: None,
            warm_since: None,
            starts: Starts::default(),
            crowd,
            told: (0, 0),
            diagnosis: None,
            phase: None,
            stuck: Vec::new(),
            tells_idle: false,
            closed: None,
            longest: Longest::new(now),
            tape: tape.clone(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            poke: Notify::new(),
            vacancies: watch::Sender::new(0),
            news: watch::Sender::new(0),
            guests: Arc::default(),
            tape,
        })
    }

    /// A request arrives, announcing `bytes` of body to be held should it have to wait.
    pub fn arrive(self: &Arc<Self>, bytes: u64) -> Arrival<C> {
        self.arrive_on(bytes, Terms::default)
    }

    /// The same on terms of its own. They are asked for, under the lock, where it does not get a slot at
    /// once or what happens is recorded.
    pub fn arrive_on(self: &Arc<Self>, bytes: u64, terms: impl FnOnce() -> Terms) -> Arrival<C> {
        let now = now();
        let mut state = self.state.lock();
        if let Some(outage) = state.outage.clone() {
            state.turn_away(&outage, bytes, now);
            return Arrival::Outage(outage);
        }
        let verdict = state.arrive(bytes, terms, now);
        match verdict {
            Verdict::Admitted(ticket, seat) => {
                let replica = state.replica(seat);
                drop(state);
                Arrival::Admitted(Permit::new(Arc::clone(self), replica, ticket, seat, now))
            }
            Verdict::Queued(ticket) => self.queue(&mut state, ticket, now),
            Verdict::QueuedInstead(ticket, other) => {
                let waker = state.send_away(other);
                let arrival = self.queue(&mut state, ticket, now);
                drop(state);
                wake(waker.into_iter().collect());
                arrival
            }
            Verdict::Refused(full) => Arrival::QueueFull(full),
            Verdict::Late(wait) => Arrival::Late(wait),
        }
    }

    /// A request that admission has put in line: it waits, and whoever can start a replica is told,
    /// unless none can come.
    fn queue(self: &Arc<Self>, state: &mut State<C>, ticket: Ticket, now: Instant) -> Arrival<C> {
        if let Some(outage) = &state.outage {
            state.note_over(ticket, refused(outage), now);
            let outage = Arc::clone(outage);
            state.cancel(ticket, now);
            return Arrival::Outage(outage);
        }
        state.places.insert(ticket, Turn::Waiting(None));
        if state.admission.serving() == 0 {
            self.poke.notify_one();
            if state.admission.waiting() == 1 {
                self.stir();
            }
        } else if state.admission.is_divided() {
            self.tell_news();
        }
        Arrival::Waiting(Place::new(Arc::clone(self), ticket))
    }

    /// The backend's present view: who is ready, whether anybody can come.
    pub fn follow(&self, world: &World) {
        let now = now();
        let mut state = self.state.lock();
        state.starts = Starts {
            since: world.starting_since(),
            typical: world.typical_start,
            expected: world.expected,
        };
        let starts = state.starts;
        state.admission.expect(starts);
        state.diagnosis.clone_from(&world.diagnosis);
        state.phase = world.phase();
        let replicas = match state.closed {
            Some(_) => Vec::new(),
            None => state.replicas_of(world),
        };
        state.note_leaving(world, now);
        state.note_replicas(&replicas, now);
        let grants = state.admission.set_replicas(&replicas, now);
        state.note_warmth(now);
        let mut wakers = state.grant(grants, now);
        let outage = state.closed.clone().or_else(|| world.outage.clone());
        let nobody_serves = state.admission.serving() == 0;
        state.outage = outage.filter(|outage| nobody_serves || outage.reason.shuts_out());
        if let Some(outage) = state.outage.clone() {
            wakers.extend(state.dismiss(&outage, now));
        }
        sharing::follow(&mut state, world);
        self.wake(state, wakers);
    }

    /// No replica will come any more, whatever the world says from now on: who waits is told, and
    /// so is everybody who comes. What runs goes on.
    pub fn close(&self, outage: Outage) {
        self.state.lock().closed = Some(Arc::new(outage));
        self.follow(&World::default());
    }

    /// Changes limits in place; nobody is interrupted.
    pub fn set_limits(&self, limit: ContainerConcurrency, bounds: QueueLimits) {
        let now = now();
        let mut state = self.state.lock();
        let grants = state.admission.set_limits(limit, bounds, now);
        state.tape.note(now, || Event::Changed);
        let wakers = state.grant(grants, now);
        drop(state);
        wake(wakers);
    }

    /// So many replicas are enough (`None`: all of them are wanted): the others take a request only
    /// where no other can, until they are idle.
    pub fn rest(&self, enough: Option<u32>) {
        self.state.lock().admission.rest(enough);
    }

    /// A replica that could not be reached can be again.
    pub fn restore(&self, replica: ReplicaId) {
        let now = now();
        let mut state = self.state.lock();
        let grants = state.admission.restore(replica, now);
        state.note_warmth(now);
        let wakers = state.grant(grants, now);
        self.wake(state, wakers);
    }

    /// Whether a replica is still among the ready ones.
    pub fn lists(&self, replica: ReplicaId) -> bool {
        self.state.lock().admission.lists(replica)
    }

    /// The book of the requests that are here, for the data path to keep.
    pub fn guests(&self) -> &Arc<Guests> {
        &self.guests
    }

    /// Waits until somebody is in line and no replica serves.
    pub async fn poked(&self) {
        self.poke.notified().await;
    }

    /// The request is over: the slot goes to whoever is next.
    fn release(&self, seat: Seat, occupied: Duration, now: Instant, over: Event) {
        let mut state = self.state.lock();
        state.longest.saw(occupied, now);
        let left = state.admission.leave(seat, occupied, now);
        state.tape.note(now, || over);
        self.pass_on(state, left, now);
    }

    /// The replica is done with a request whose client left before.
    fn vacate(&self, seat: Seat, used_since: Option<Instant>, ticket: Ticket) {
        let now = now();
        let mut state = self.state.lock();
        if let Some(since) = used_since {
            let occupied = now.saturating_duration_since(since);
            state.longest.saw(occupied, now);
        }
        let left = state.admission.vacate(seat, now);
        let ticket = ticket.number();
        state.tape.note(now, || Event::Vacated { ticket });
        self.pass_on(state, left, now);
    }

    fn pass_on(&self, mut state: Guard<'_, C>, left: Left, now: Instant) {
        let waker = left.grant.and_then(|grant| state.seat(grant, now));
        let stirs = left.vacated || (left.idled && state.tells_idle);
        let due = state.admission.is_due();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        if stirs {
            self.stir();
        }
        if due {
            self.tell_news();
        }
    }
}

#[cfg(model_check)]
type Guard<'a, C> = loom::sync::MutexGuard<'a, State<C>>;
#[cfg(not(model_check))]
type Guard<'a, C> = std::sync::MutexGuard<'a, State<C>>;

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
