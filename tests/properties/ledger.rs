//! What must be true of an admission, kept beside what it believes, whatever happens to it. Random
//! histories and fuzzing share it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use holdgate::admission::slots::Slots;
use holdgate::admission::{Admission, Grant, Left, Seat, Ticket, Verdict};
use holdgate::revision::{ContainerConcurrency, QueueLimits, ReplicaId};

/// One thing that happens. Numbers pick among whoever is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Arrive(u64),
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
};

/// Lives through a history from nothing until nobody is left, holding the laws after every event.
pub(crate) fn live_through(limit: u32, events: impl IntoIterator<Item = Event>) {
    let mut ledger = Ledger::new(limit);
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
    waiting: BTreeSet<Ticket>,
    bytes: BTreeMap<Ticket, u64>,
    /// What is ours where others use the same replicas.
    ours: Option<BTreeMap<ReplicaId, u32>>,
}

impl Ledger {
    fn new(limit: u32) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let limit = ContainerConcurrency::new(limit);
        let admission = Admission::new(limit, BOUNDS, now);
        let (running, waiting, bytes, ours) = Default::default();
        Self {
            admission,
            now,
            limit,
            running,
            waiting,
            bytes,
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
            assert_eq!(self.waiting.first(), Some(&ticket), "overtaken");
            self.waiting.remove(&ticket);
            self.bytes.remove(&ticket);
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

    fn arrive(&mut self, bytes: u64) {
        match self.admission.arrive(bytes, self.now) {
            Verdict::Admitted(ticket, seat) => {
                assert!(self.waiting.is_empty(), "overtaken by a newcomer");
                self.seated(ticket, seat);
            }
            Verdict::Queued(ticket) => {
                self.waiting.insert(ticket);
                self.bytes.insert(ticket, bytes);
            }
            Verdict::Refused => {
                let held: u64 = self.bytes.values().sum();
                let full = self.waiting.len() >= BOUNDS.max_requests;
                assert!(
                    full || held + bytes > BOUNDS.max_bytes,
                    "refused without need"
                );
            }
        }
    }

    fn pick<T: Copy>(from: impl IntoIterator<Item = T>, index: usize) -> Option<T> {
        let from: Vec<T> = from.into_iter().collect();
        (!from.is_empty()).then(|| from[index % from.len()])
    }

    fn take_running(&mut self, index: usize) -> Option<(Ticket, Seat, bool)> {
        let index = Self::pick(0..self.running.len(), index)?;
        Some(self.running.swap_remove(index))
    }

    fn rebuff(&mut self, index: usize) {
        let Some((ticket, seat, abandoned)) = self.take_running(index) else {
            return;
        };
        if abandoned {
            self.running.push((ticket, seat, abandoned));
            return;
        }
        match self.admission.rebuff(ticket, seat, 3, self.now) {
            Verdict::Admitted(ticket, seat) => {
                assert!(self.waiting.is_empty(), "a free slot beside a line");
                self.seated(ticket, seat);
            }
            Verdict::Queued(ticket) => {
                self.waiting.insert(ticket);
                self.bytes.insert(ticket, 3);
            }
            Verdict::Refused => panic!("what was accepted is not refused"),
        }
    }

    fn happen(&mut self, event: Event) {
        self.now += Duration::from_millis(1);
        match event {
            Event::Arrive(bytes) => self.arrive(bytes),
            Event::HoldMore(i, bytes) => {
                if let Some(ticket) = Self::pick(self.waiting.iter().copied(), i)
                    && self.admission.hold_more(ticket, bytes)
                {
                    *self.bytes.get_mut(&ticket).expect("it waits") += bytes;
                }
            }
            Event::Leave(i) => {
                if let Some((_, seat, abandoned)) = self.take_running(i) {
                    let took = Duration::from_millis(5);
                    let retired = self.is_retired(seat.replica);
                    let left = if abandoned {
                        self.admission.vacate(seat, self.now)
                    } else {
                        self.admission.leave(seat, took, self.now)
                    };
                    self.left(seat.replica, retired, left);
                }
            }
            Event::Cancel(i) => {
                if let Some(ticket) = Self::pick(self.waiting.iter().copied(), i) {
                    assert!(self.admission.cancel(ticket, self.now));
                    self.waiting.remove(&ticket);
                    self.bytes.remove(&ticket);
                    assert!(!self.admission.cancel(ticket, self.now), "cancelled twice");
                }
            }
            Event::Abandon(i) => {
                if let Some(index) = Self::pick(0..self.running.len(), i)
                    && !std::mem::replace(&mut self.running[index].2, true)
                {
                    self.admission.abandon(self.now);
                }
            }
            Event::Rebuff(i) => self.rebuff(i),
            Event::Restore(id) => {
                let grants = self.admission.restore(ReplicaId(id));
                self.granted(grants);
            }
            Event::Present(mask) => {
                let present = (0..5u64).filter(|id| mask & (1 << id) != 0);
                let present: Vec<_> = present.map(|id| (ReplicaId(id), ())).collect();
                let grants = self.admission.set_replicas(&present);
                self.granted(grants);
            }
            Event::Drain(mask) => {
                let drains = |id: ReplicaId| mask & (1 << id.0) != 0;
                self.admission.set_draining(drains);
                let there = self.admission.read().replicas.into_iter();
                let there: Vec<_> = there.filter(|s| s.present).map(|s| (s.id, ())).collect();
                let grants = self.admission.set_replicas(&there);
                self.granted(grants);
            }
            Event::Retire(count) => self.retire(count),
            Event::RetireOne(id) => self.admission.retire_one(ReplicaId(id)),
            Event::RetireIdle(id) => self.retire_idle(ReplicaId(id)),
            Event::Rest(enough) => self.rest((enough < 6).then_some(enough)),
            Event::Revive(id) => {
                let (_, grants) = self.admission.revive(&[ReplicaId(id)]);
                self.granted(grants);
            }
            Event::Limit(limit) => {
                self.limit = ContainerConcurrency::new(limit);
                let grants = self.admission.set_limits(self.limit, BOUNDS);
                self.granted(grants);
            }
            Event::Dismiss => {
                let dismissed = self.admission.dismiss(self.now);
                assert_eq!(dismissed, self.waiting.iter().copied().collect::<Vec<_>>());
                self.waiting.clear();
                self.bytes.clear();
            }
            Event::Divide(_)
            | Event::Unite
            | Event::Lend(..)
            | Event::Recall(_)
            | Event::Spare(_)
            | Event::Keep(..)
            | Event::GiveUp(_)
            | Event::Void(_) => self.share(event),
        }
    }

    fn share(&mut self, event: Event) {
        let among = |mask: u8| move |id: ReplicaId| mask & (1 << id.0) != 0;
        match event {
            Event::Divide(keep) => {
                self.admission.divide(keep);
                if self.ours.is_none() {
                    let held = self.admission.holdings().into_iter();
                    self.ours = Some(held.map(|h| (h.replica, h.slots)).collect());
                }
            }
            Event::Unite => {
                self.ours = None;
                let grants = self.admission.unite();
                self.granted(grants);
            }
            Event::Lend(id, slots) => {
                let id = ReplicaId(id);
                if let Some(ours) = &mut self.ours
                    && ours.get(&id).is_none_or(|ours| *ours < u32::MAX - slots)
                    && slots > 0
                {
                    *ours.entry(id).or_default() += slots;
                    let grants = self.admission.grant(id, slots);
                    self.granted(grants);
                }
            }
            Event::Recall(slots) => {
                let returned = self.admission.recall(slots);
                self.gone(returned);
            }
            Event::Spare(slots) => {
                let returned = self.admission.spare(slots);
                assert!(returned.iter().map(|(_, n)| n).sum::<u32>() <= slots);
                self.gone(returned);
            }
            Event::Keep(id, most) => {
                let returned = self.admission.keep(ReplicaId(id), most);
                self.gone(vec![(ReplicaId(id), returned)]);
            }
            Event::GiveUp(mask) => {
                let up: Vec<ReplicaId> = (0..5)
                    .map(ReplicaId)
                    .filter(|&id| among(mask)(id))
                    .collect();
                let returned = self.admission.give_up(&up);
                self.gone(returned);
            }
            Event::Void(mask) => self.admission.void_shares(|id| !among(mask)(id)),
            _ => unreachable!("it is none of sharing"),
        }
    }

    /// It was told that these are ours no longer.
    fn gone(&mut self, returned: Vec<(ReplicaId, u32)>) {
        for (id, slots) in returned.into_iter().filter(|(_, slots)| *slots > 0) {
            let ours = self.ours.as_mut().expect("they are shared");
            let left = ours.get_mut(&id).expect("it was ours");
            *left = left.checked_sub(slots).expect("no more than was ours");
            ours.retain(|_, slots| *slots > 0);
        }
    }

    fn check_shares(&mut self) {
        let Some(ours) = &self.ours else {
            assert!(!self.admission.is_due());
            return;
        };
        let held = self.admission.holdings().into_iter();
        let held: BTreeMap<_, _> = held.map(|h| (h.replica, h.slots)).collect();
        assert_eq!(&held, ours, "nothing is made, nothing is lost");
        let returned = self.admission.returned();
        self.gone(returned);
        for slots in &self.admission.read().replicas {
            assert!(slots.in_flight <= slots.ours(), "more runs than is ours");
            assert!(
                slots.owed == 0 || slots.idle() == 0,
                "it is owed, and idles"
            );
        }
    }

    fn retire(&mut self, count: usize) {
        let idle = |ledger: &Self| {
            let reading = ledger.admission.read();
            let idle = reading.replicas.into_iter().filter(Slots::is_in_service);
            idle.filter(|s| s.in_flight == 0).count()
        };
        let (before, retired) = (idle(self), self.admission.retire(count));
        let busy = retired.iter().filter(|id| self.held(**id) > 0).count();
        assert!(
            busy == 0 || retired.len() - busy == before,
            "a busy one went before an idle one"
        );
    }

    fn retire_idle(&mut self, replica: ReplicaId) {
        let idle = self.admission.idle().any(|(id, _)| id == replica);
        assert!(
            !idle || self.held(replica) == 0,
            "a busy one is called idle"
        );
        assert_eq!(self.admission.retire_idle(replica), idle);
        let mut left = self.admission.idle();
        assert!(left.all(|(id, _)| id != replica), "it is taken, and idle");
    }

    fn rest(&mut self, enough: Option<u32>) {
        self.admission.rest(enough);
        let serving = self.admission.read().replicas.into_iter();
        let serving = serving.filter(Slots::serves);
        let (rest, awake): (Vec<_>, Vec<_>) = serving.partition(|s| s.resting);
        let all = rest.len() + awake.len();
        let enough = enough.map_or(all, |enough| all.min(enough as usize));
        assert_eq!(awake.len(), enough, "so many stay awake");
        let least = awake.iter().map(|s| s.in_flight).min();
        let most = rest.iter().map(|s| s.in_flight).max();
        assert!(least.is_none_or(|least| most.is_none_or(|most| least >= most)));
    }

    fn check(&mut self) {
        self.check_shares();
        let reading = self.admission.read();
        assert_eq!(reading.waiting, self.waiting.len());
        assert_eq!(reading.waiting_bytes, self.bytes.values().sum::<u64>());
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
