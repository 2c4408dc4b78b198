//! What a leader knows of one revision: the book of its shares, and what its members say is asked of
//! them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::others::{Idle, Others};
use super::tally::Tally;
use crate::counting::count;
use crate::shares::{Book, Holdings, MemberId, Order, Orders, Pod, Report, Slots};
use crate::throttler::Longest;

/// What a leader knows of one revision.
#[derive(Debug)]
pub(super) struct Ledger {
    book: Book,
    /// Everybody but the leader itself.
    members: BTreeMap<MemberId, Told>,
    /// The replicas that the book knows to be retired.
    retired: BTreeSet<Pod>,
    /// Those that are to fall idle.
    resting: Vec<Pod>,
    /// Replicas that were said to be stuck, until somebody asks.
    stuck: Vec<Pod>,
    /// The longest that an answer took anywhere, of late.
    longest: Longest,
}

/// What a member has said last.
#[derive(Debug)]
struct Told {
    report: Report,
    tally: Tally,
    /// Which replicas it was told to let fall idle.
    rests: Vec<Pod>,
    /// Since when nobody asks anything of it; `None` while somebody does.
    idle_since: Option<Instant>,
}

/// What a report changes for those who look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stirs {
    /// Somebody waits.
    pub(super) waits: bool,
    /// A replica has fallen idle, or is stuck.
    pub(super) pods: bool,
}

impl Ledger {
    /// A reign begins. Of a replica with a hard limit, what no member claims may be held by somebody
    /// unheard.
    pub(super) fn open(now: Instant) -> Self {
        let mut book = Book::new();
        book.withhold_unclaimed();
        Self {
            book,
            members: BTreeMap::new(),
            retired: BTreeSet::new(),
            resting: Vec::new(),
            stuck: Vec::new(),
            longest: Longest::new(now),
        }
    }

    /// These replicas are ready, and of these nobody is to hold anything.
    pub(super) fn set(&mut self, pods: &[Slots], retired: &BTreeSet<Pod>, now: Instant) -> Orders {
        self.retired.clone_from(retired);
        let retired: Vec<Pod> = retired.iter().cloned().collect();
        let mut orders = self.book.set(pods, &retired, now);
        orders.extend(self.tell_resting());
        orders
    }

    /// These are to fall idle, at whichever member. Returns whether somebody is to be told.
    pub(super) fn rest(&mut self, pods: Vec<Pod>) -> bool {
        let changed = self.resting != pods;
        self.resting = pods;
        changed
    }

    fn tell_resting(&mut self) -> Orders {
        let resting = &self.resting;
        let unaware = self.members.iter_mut();
        let unaware = unaware.filter(|(_, told)| told.rests != *resting);
        let told = unaware.map(|(member, told)| {
            told.rests.clone_from(resting);
            (member.clone(), Order::Rest(resting.clone()))
        });
        told.collect()
    }

    /// The revision is not here any more: nothing of it is given out, and what is held comes back.
    pub(super) fn close(&mut self, now: Instant) -> Orders {
        self.rest(Vec::new());
        self.set(&[], &BTreeSet::new(), now)
    }

    /// Nobody holds anything of anything, and nothing is withheld.
    pub(super) fn is_blank(&self) -> bool {
        self.book.is_blank()
    }

    /// It knows which are retired.
    pub(super) fn knows_retired(&self, retired: &BTreeSet<Pod>) -> bool {
        self.retired == *retired
    }

    /// These were made in this reign: nobody unheard can have been granted anything of them.
    pub(super) fn vouch(&mut self, pods: &[Pod], now: Instant) -> Orders {
        if pods.is_empty() {
            return Orders::new();
        }
        self.book.vouch(pods, now)
    }

    /// Nobody else holds anything, and nothing is withheld.
    pub(super) fn is_all_of(&self, member: &MemberId) -> bool {
        self.book.is_all_of(member)
    }

    /// A member holds this. What is asked of the leader itself (`own`) is counted elsewhere.
    pub(super) fn join(
        &mut self,
        member: &MemberId,
        own: bool,
        holds: &Holdings,
        now: Instant,
    ) -> Orders {
        self.saw(holds.longest_service, now);
        if !own {
            let report = Report {
                longest_service: holds.longest_service,
                ..Report::default()
            };
            let told = Told {
                report,
                tally: Tally::default(),
                rests: Vec::new(),
                idle_since: Some(now),
            };
            self.members.insert(member.clone(), told);
        }
        let mut orders = self.book.join(member, &holds.slots, now);
        orders.extend(self.tell_resting());
        orders
    }

    pub(super) fn returned(&mut self, member: &MemberId, slots: &Slots, now: Instant) -> Orders {
        self.book.returned(member, slots, now)
    }

    pub(super) fn report(
        &mut self,
        member: &MemberId,
        report: Report,
        now: Instant,
    ) -> (Orders, Stirs) {
        self.saw(report.longest_service, now);
        let orders = self.book.report(member, &report, now);
        let Some(told) = self.members.get_mut(member) else {
            return (orders, Stirs::default());
        };
        let is_new = |pod: &&Pod| !told.report.stuck.contains(pod);
        let stuck: Vec<Pod> = report.stuck.iter().filter(is_new).cloned().collect();
        let idled = told.report.busy.len() > report.busy.len();
        let stirs = Stirs {
            waits: report.waiting > 0,
            pods: idled || !stuck.is_empty(),
        };
        let came = report
            .measured
            .is_some_and(|measured| measured.requests > 0);
        let left = came || told.report.in_flight > 0;
        told.idle_since = match report.in_flight {
            0 if left => Some(now),
            0 => told.idle_since.or(Some(now)),
            _ => None,
        };
        if let Some(measured) = report.measured {
            told.tally.report(measured);
        }
        told.report = report;
        self.stuck.extend(stuck);
        (orders, stirs)
    }

    pub(super) fn silent(&mut self, member: &MemberId, now: Instant) -> Orders {
        self.book.silent(member, now)
    }

    /// Its connections are closed; what it sent may run for `wait` from then.
    pub(super) fn ended(
        &mut self,
        member: &MemberId,
        at: Instant,
        wait: Duration,
        now: Instant,
    ) -> Orders {
        self.members.remove(member);
        self.book.ended(member, at, wait, now)
    }

    pub(super) fn left(&mut self, member: &MemberId, now: Instant) -> Orders {
        self.members.remove(member);
        self.book.left(member, now)
    }

    /// Everybody who may hold something has said so, or has ended by `at`.
    pub(super) fn account(&mut self, at: Instant, wait: Duration, now: Instant) -> Orders {
        self.book.release_unclaimed(at, wait, now)
    }

    pub(super) fn tick(&mut self, now: Instant) -> Orders {
        self.book.tick(now)
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.book.wake()
    }

    /// How long what somebody sent may run after its connection is closed, as far as that was measured.
    pub(super) fn longest(&self, now: Instant) -> Option<Duration> {
        let told = self.members.values();
        let told = told.filter_map(|told| told.report.longest_service).max();
        // Who is silent may go on as it was.
        self.longest.over(now).max(told)
    }

    fn saw(&mut self, longest: Option<Duration>, now: Instant) {
        if let Some(longest) = longest {
            self.longest.saw(longest, now);
        }
    }

    /// Nobody holds anything of it; of one that is to be retired, nobody is given anything either.
    pub(super) fn is_vacant(&self, pod: &Pod, retired: bool) -> bool {
        self.book.is_vacant(pod) && (!retired || self.retired.contains(pod))
    }

    /// Requests that occupy each replica at the members.
    pub(super) fn busy(&self) -> HashMap<&Pod, u32> {
        let mut busy = HashMap::new();
        for held in self.members.values().flat_map(|told| &told.report.busy) {
            let sum: &mut u32 = busy.entry(&held.pod).or_default();
            *sum = sum.saturating_add(held.slots);
        }
        busy
    }

    /// Requests wait at some member.
    pub(super) fn is_waited_for(&self) -> bool {
        self.members.values().any(|told| told.report.waiting > 0)
    }

    /// Replicas that members found stuck, each told once.
    pub(super) fn take_stuck(&mut self) -> Vec<Pod> {
        std::mem::take(&mut self.stuck)
    }

    /// What is asked of all members. `own` are the replicas that are busy here; a second that was
    /// measured is counted with it (`measured`).
    pub(super) fn others(&mut self, own: HashSet<Pod>, measured: bool) -> Others {
        let mut others = Others::default();
        for told in self.members.values_mut() {
            if measured {
                let second = told.tally.count();
                others.average_concurrency += second.average_concurrency;
                others.requests += second.requests;
            }
            others.in_flight = others.in_flight.saturating_add(told.report.in_flight);
            let latest = |since: Instant| told.idle_since.map(|at| at.max(since));
            others.idle_since = match others.idle_since {
                Idle::Always => told.idle_since.map_or(Idle::Never, Idle::Since),
                Idle::Since(since) => latest(since).map_or(Idle::Never, Idle::Since),
                Idle::Never => Idle::Never,
            };
        }
        let mut busy = own;
        busy.extend(self.busy().into_keys().cloned());
        others.busy = count(busy.len());
        others
    }
}
