//! One gateway: a real admission, the requests in it, and the words it has to say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use holdgate::admission::slots::Slots as Replica;
use holdgate::admission::{Admission, Grant, Left, Seat, Ticket, Verdict};
use holdgate::revision::{ContainerConcurrency, QueueLimits, ReplicaId};
use holdgate::shares::{MemberId, Order, Pod, Report, Slots, Word};

const BOUNDS: QueueLimits = QueueLimits {
    max_requests: 200,
    max_bytes: 1,
    timeout: Duration::ZERO,
    cold_timeout: Duration::ZERO,
    read_ahead: 0,
    order: holdgate::revision::QueueOrder::Fifo,
};

/// How the replicas are, as everybody sees it sooner or later.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub(super) limit: u32,
    pub(super) exist: BTreeSet<u64>,
    pub(super) ready: BTreeSet<u64>,
    pub(super) retired: BTreeSet<u64>,
}

/// A request in a replica.
pub(super) struct Running {
    pub(super) seat: Seat,
    began: Instant,
    pub(super) ends: Instant,
    /// Its client has left.
    abandoned: bool,
}

pub(super) struct Gate {
    pub(super) id: MemberId,
    pub(super) admission: Admission<()>,
    pub(super) running: Vec<Running>,
    /// The longest that an answer took.
    pub(super) longest: Option<Duration>,
    /// It takes nothing new.
    leaves: bool,
    pub(super) waiting: BTreeSet<Ticket>,
    pub(super) view: View,
    hungry: bool,
    /// When it reported last, and whether anything was asked of it then.
    was_asked: bool,
    reported: Option<Instant>,
}

pub(super) fn pod(id: u64) -> Pod {
    format!("{id}").into()
}

fn id(pod: &Pod) -> ReplicaId {
    ReplicaId(pod.parse().expect("pods are numbered here"))
}

impl Gate {
    pub(super) fn new(id: MemberId, view: &View, now: Instant) -> Self {
        let limit = ContainerConcurrency::new(view.limit);
        let mut gate = Self {
            id,
            admission: Admission::new(limit, BOUNDS, now),
            running: Vec::new(),
            longest: None,
            leaves: false,
            waiting: BTreeSet::new(),
            view: view.clone(),
            hungry: false,
            was_asked: false,
            reported: None,
        };
        gate.admission.divide(false);
        gate.see(view.clone(), now, now);
        gate
    }

    pub(super) fn see(&mut self, view: View, now: Instant, until: Instant) {
        let limit = ContainerConcurrency::new(view.limit);
        let grants = self.admission.set_limits(limit, BOUNDS, now);
        self.granted(grants, now, until);
        let ready: Vec<_> = view.ready.iter().map(|&id| (ReplicaId(id), ())).collect();
        let grants = self.admission.set_replicas(&ready, now);
        self.granted(grants, now, until);
        self.admission.void_shares(|id| view.exist.contains(&id.0));
        self.hungry |= self.admission.is_hungry();
        self.view = view;
        self.check(now);
    }

    pub(super) fn arrive(&mut self, now: Instant, until: Instant) {
        if self.leaves {
            return;
        }
        match self.admission.arrive(0, now) {
            Verdict::Admitted(_, seat) => {
                self.run(seat, now, until);
            }
            Verdict::Queued(ticket) => {
                self.waiting.insert(ticket);
                self.hungry |= self.admission.is_hungry();
            }
            Verdict::Refused(_) => {}
            Verdict::QueuedInstead(..) | Verdict::Late(_) => panic!("nobody has terms of his own"),
        }
        self.check(now);
    }

    fn granted(&mut self, grants: impl IntoIterator<Item = Grant>, now: Instant, until: Instant) {
        for grant in grants {
            assert!(self.waiting.remove(&grant.ticket), "it waited");
            self.run(grant.seat, now, until);
        }
    }

    fn run(&mut self, seat: Seat, began: Instant, ends: Instant) {
        self.running.push(Running {
            seat,
            began,
            ends,
            abandoned: false,
        });
    }

    /// Who waits is turned away, and who comes.
    pub(super) fn leave(&mut self, now: Instant) {
        self.leaves = true;
        let dismissed = self.admission.dismiss(now);
        assert!(dismissed.into_iter().eq(std::mem::take(&mut self.waiting)));
    }

    pub(super) fn has_left(&self) -> bool {
        self.leaves && self.running.is_empty()
    }

    /// What has ended by now leaves.
    pub(super) fn finish(&mut self, now: Instant, until: Instant) {
        while let Some(at) = self.running.iter().position(|request| request.ends <= now) {
            let over = self.running.swap_remove(at);
            self.longest = self.longest.max(Some(now - over.began));
            let Left { grant, .. } = if over.abandoned {
                self.admission.vacate(over.seat, now)
            } else {
                let took = now - over.began;
                self.admission.leave(over.seat, took, now)
            };
            self.granted(grant, now, until);
            self.check(now);
        }
    }

    pub(super) fn hang_up(&mut self, now: Instant) {
        if let Some(ticket) = self.waiting.pop_last() {
            assert!(self.admission.cancel(ticket, now));
        }
    }

    pub(super) fn abandon(&mut self, now: Instant) {
        if let Some(request) = self.running.iter_mut().find(|request| !request.abandoned) {
            request.abandoned = true;
            self.admission.abandon(now);
        }
    }

    pub(super) fn obey(&mut self, order: Order, now: Instant, until: Instant) -> Vec<Word> {
        let returned = match order {
            Order::Grant(slots) => {
                let grants = self.admission.grant(id(&slots.pod), slots.slots, now);
                self.granted(grants, now, until);
                Vec::new()
            }
            Order::Recall(slots) => self.admission.recall(slots),
            Order::Spare(slots) => self.admission.spare(slots),
            Order::Keep(slots) => {
                let replica = id(&slots.pod);
                vec![(replica, self.admission.keep(replica, slots.slots))]
            }
            Order::Retire(pods) => {
                let replicas: Vec<ReplicaId> = pods.iter().map(id).collect();
                self.admission.give_up(&replicas)
            }
            Order::Rest(pods) => {
                let replicas: Vec<ReplicaId> = pods.iter().map(id).collect();
                self.admission.rest_these(&replicas);
                Vec::new()
            }
        };
        self.check(now);
        words(returned)
    }

    /// What it has to say by now.
    pub(super) fn say(&mut self, now: Instant) -> Vec<Word> {
        let mut said = words(self.admission.returned());
        let since = self.reported.map_or(Duration::MAX, |at| now - at);
        let asked = self.admission.demand().0 > 0;
        let beat = since >= Duration::from_secs(1) && (asked || self.was_asked);
        if beat || (self.hungry && since >= Duration::from_millis(5)) {
            (self.hungry, self.reported, self.was_asked) = (false, Some(now), asked);
            said.push(Word::Report(self.report()));
        }
        said
    }

    fn report(&self) -> Report {
        let busy = self.admission.holdings().into_iter();
        let busy = busy.filter(|holding| holding.in_flight > 0);
        Report {
            in_flight: self.admission.demand().0,
            waiting: u32::try_from(self.waiting.len()).expect("few"),
            busy: busy.map(|h| slots(h.replica, h.in_flight)).collect(),
            longest_service: self.longest,
            ..Report::default()
        }
    }

    pub(super) fn holds(&self) -> Vec<Slots> {
        let holdings = self.admission.holdings().into_iter();
        holdings.map(|h| slots(h.replica, h.slots)).collect()
    }

    pub(super) fn ours(&self) -> BTreeMap<u64, u32> {
        let holdings = self.admission.holdings().into_iter();
        holdings.map(|h| (h.replica.0, h.slots)).collect()
    }

    pub(super) fn inside(&self, replica: u64) -> usize {
        let inside = |request: &&Running| request.seat.replica.0 == replica;
        self.running.iter().filter(inside).count()
    }

    /// Slots that a request would get here at once.
    pub(super) fn free(&self) -> bool {
        let limit = ContainerConcurrency::new(self.view.limit);
        let replicas = self.admission.read().replicas;
        replicas.iter().any(|replica| replica.is_free(limit))
    }

    fn check(&self, _now: Instant) {
        let reading = self.admission.read();
        assert_eq!(reading.waiting, self.waiting.len());
        assert!(
            self.waiting.is_empty() || !self.free(),
            "waits beside a slot"
        );
        let kept = |s: &Replica<()>| s.in_flight <= s.ours() && (s.owed == 0 || s.idle() == 0);
        assert!(reading.replicas.iter().all(kept), "more runs than is ours");
        for s in &reading.replicas {
            assert_eq!(s.in_flight as usize, self.inside(s.id.0));
        }
    }
}

fn slots(replica: ReplicaId, slots: u32) -> Slots {
    let pod = pod(replica.0);
    Slots { pod, slots }
}

fn words(returned: Vec<(ReplicaId, u32)>) -> Vec<Word> {
    let returned = returned.into_iter().filter(|(_, slots)| *slots > 0);
    let word = |(replica, n)| Word::Returned(slots(replica, n));
    returned.map(word).collect()
}
