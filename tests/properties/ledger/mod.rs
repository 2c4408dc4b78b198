//! What must be true of an admission, kept beside what it believes, whatever happens to it. Random
//! histories and fuzzing share it.

mod order;
mod replicas;
mod requests;
mod shares;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use holdgate::admission::slots::Slots;
use holdgate::admission::{Admission, Grant, Left, Seat, Terms, Ticket};
use holdgate::revision::{ContainerConcurrency, QueueLimits, QueueOrder, ReplicaId};

use order::{FAIR, Waiting};

/// One thing that happens. Numbers pick among whoever is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Arrive(u64),
    /// The same of some class and tenant.
    ArriveAs(u64, u8, u8),
    /// So many milliseconds pass.
    Pass(u8),
    /// The order is another from now on.
    Order(bool),
    HoldMore(usize, u64),
    Leave(usize),
    Cancel(usize),
    Abandon(usize),
    Rebuff(usize),
    Restore(u64),
    Present(u8),
    /// These of those that are there are going away, the others are not.
    Drain(u8),
    Retire(usize),
    RetireOne(u64),
    RetireIdle(u64),
    Revive(u64),
    /// So many replicas are enough; 6 wakes all of them.
    Rest(u32),
    Limit(u32),
    Dismiss,
    /// Others use the same replicas, or do so no longer.
    Divide(bool),
    Unite,
    /// So many slots of a replica more are ours.
    Lend(u64, u32),
    Recall(u32),
    Spare(u32),
    Keep(u64, u32),
    /// These get nothing new.
    GiveUp(u8),
    /// These are in the world no longer.
    Void(u8),
}

const BOUNDS: QueueLimits = QueueLimits {
    max_requests: 12,
    max_bytes: 200,
    timeout: Duration::ZERO,
    cold_timeout: Duration::ZERO,
    read_ahead: 0,
    order: holdgate::revision::QueueOrder::Fifo,
};

/// Lives through a history from nothing until nobody is left, holding the laws after every event.
pub(crate) fn live_through(limit: u32, fair: bool, events: impl IntoIterator<Item = Event>) {
    let mut ledger = Ledger::new(limit, fair);
    for event in events {
        ledger.happen(event);
        ledger.check();
    }
    while !ledger.running.is_empty() || !ledger.waiting.is_empty() {
        ledger.happen(Event::Leave(0));
        ledger.happen(Event::Cancel(0));
        ledger.check();
    }
}

/// What must be true, kept beside what the admission believes.
struct Ledger {
    admission: Admission<()>,
    now: Instant,
    limit: ContainerConcurrency,
    running: Vec<(Ticket, Seat, bool)>,
    order: QueueOrder,
    waiting: BTreeMap<Ticket, Waiting>,
    /// On what terms everybody came who was let in.
    came: BTreeMap<Ticket, (Terms, Instant)>,
    /// Who had a slot and could not be served.
    returned: Vec<Ticket>,
    /// Who is served before whom, as it was said before what happens now.
    expected: Vec<Ticket>,
    /// What is ours where others use the same replicas.
    ours: Option<BTreeMap<ReplicaId, u32>>,
}

impl Ledger {
    fn new(limit: u32, fair: bool) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let limit = ContainerConcurrency::new(limit);
        let order = if fair { FAIR } else { QueueOrder::Fifo };
        let admission = Admission::new(limit, QueueLimits { order, ..BOUNDS }, now);
        let (running, waiting, came, ours) = Default::default();
        let (returned, expected) = Default::default();
        Self {
            admission,
            now,
            limit,
            running,
            order,
            waiting,
            came,
            returned,
            expected,
            ours,
        }
    }

    fn held(&self, replica: ReplicaId) -> u32 {
        let held = self
            .running
            .iter()
            .filter(|(_, seat, _)| seat.replica == replica);
        u32::try_from(held.count()).expect("few")
    }

    fn seated(&mut self, ticket: Ticket, seat: Seat) {
        self.running.push((ticket, seat, false));
        assert!(
            self.held(seat.replica) <= self.limit.slots(),
            "over the limit"
        );
        let reading = self.admission.read();
        let slots = reading.replicas.iter().find(|s| s.id == seat.replica);
        assert!(
            slots.is_some_and(Slots::serves),
            "sent to a replica that takes nothing"
        );
        let awake = |s: &Slots<()>| !s.resting && s.is_free(self.limit);
        assert!(
            !slots.is_some_and(|s| s.resting) || !reading.replicas.iter().any(awake),
            "who rests was woken beside one that is awake"
        );
    }

    fn granted(&mut self, grants: impl IntoIterator<Item = Grant>) {
        for Grant { ticket, seat } in grants {
            self.is_next(ticket);
            assert_eq!(self.expected.remove(0), ticket, "it was not its place");
            self.waiting.remove(&ticket);
            self.seated(ticket, seat);
        }
    }

    /// Whether a replica that was taken out of service holds nothing any more.
    fn is_vacated(&self, replica: ReplicaId, retired: bool) -> bool {
        retired && self.held(replica) == 0
    }

    fn is_retired(&self, replica: ReplicaId) -> bool {
        let replicas = self.admission.read().replicas;
        replicas
            .iter()
            .any(|s| s.id == replica && (s.retired || s.draining))
    }

    fn left(&mut self, replica: ReplicaId, was_retired: bool, left: Left) {
        let vacated = self.is_vacated(replica, was_retired);
        assert_eq!(left.vacated, vacated, "it is told who may end");
        self.granted(left.grant);
        let idle = self.admission.idle().find(|(id, _)| *id == replica);
        assert_eq!(left.idled, idle.is_some(), "it is told who falls idle");
        assert!(idle.is_none_or(|(_, since)| since == Some(self.now)));
    }

    fn pick<T: Copy>(from: impl IntoIterator<Item = T>, index: usize) -> Option<T> {
        let from: Vec<T> = from.into_iter().collect();
        (!from.is_empty()).then(|| from[index % from.len()])
    }

    fn take_running(&mut self, index: usize) -> Option<(Ticket, Seat, bool)> {
        let index = Self::pick(0..self.running.len(), index)?;
        Some(self.running.swap_remove(index))
    }

    fn happen(&mut self, event: Event) {
        self.now += Duration::from_millis(1);
        self.expected = self.expected();
        match event {
            Event::Pass(ms) => self.now += Duration::from_millis(ms.into()),
            Event::Arrive(_)
            | Event::ArriveAs(..)
            | Event::HoldMore(..)
            | Event::Leave(_)
            | Event::Cancel(_)
            | Event::Abandon(_)
            | Event::Rebuff(_)
            | Event::Dismiss => self.request(event),
            Event::Divide(_)
            | Event::Unite
            | Event::Lend(..)
            | Event::Recall(_)
            | Event::Spare(_)
            | Event::Keep(..)
            | Event::GiveUp(_)
            | Event::Void(_) => self.share(event),
            _ => self.replica(event),
        }
    }

    fn check(&mut self) {
        self.check_shares();
        let reading = self.admission.read();
        assert_eq!(reading.waiting, self.waiting.len());
        let held = self.waiting.values().map(|waits| waits.bytes);
        assert_eq!(reading.waiting_bytes, held.sum::<u64>());
        let parts = reading.parts.map(|parts| parts.classes.iter().sum());
        let fair = self.order != QueueOrder::Fifo;
        assert_eq!(parts, fair.then_some(self.waiting.len()));
        assert_eq!(
            reading.running as usize,
            self.running.len(),
            "a slot leaked or was doubled"
        );
        for slots in &reading.replicas {
            assert_eq!(slots.in_flight, self.held(slots.id), "replica {}", slots.id);
            let idle = slots.is_free(self.limit);
            assert!(
                self.waiting.is_empty() || !idle,
                "somebody waits beside a free slot"
            );
        }
        let wanted = self
            .running
            .iter()
            .filter(|(_, _, abandoned)| !abandoned)
            .count();
        let (in_flight, idle_since) = self.admission.demand();
        assert_eq!(in_flight as usize, wanted + self.waiting.len());
        assert_eq!(idle_since.is_none(), in_flight > 0);
    }
}
