//! What this gateway does as a member with the replicas of one revision: uses what it was granted,
//! gives back what it is told to, and tells what is asked of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::commons::{Commons, Known};
use super::names::Early;
use crate::counting::count;
use crate::ports::World;
use crate::proxy::Throttler;
use crate::revision::ReplicaId;
use crate::shares::{Holdings, Measured, Order, Pod, Report, Slots, UNLIMITED, Word};
use crate::sync::now;

/// Who waits in vain says so at once, but not more often than that.
const AT_ONCE: Duration = Duration::from_millis(5);

/// One revision at this gateway.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) commons: Arc<Commons>,
    pub(super) world: watch::Receiver<World>,
    pub(super) early: Early,
    /// This gateway ends, and keeps only what its requests need.
    pub(super) drains: bool,
    /// What the leader wants nobody to send to.
    retired: Vec<Pod>,
    /// What it wants to fall idle.
    resting: Vec<Pod>,
    /// What was told last, and when.
    said: Report,
    said_at: Option<Instant>,
}

impl Member {
    pub(super) fn new(commons: Arc<Commons>, world: watch::Receiver<World>, early: Early) -> Self {
        Self {
            commons,
            world,
            early,
            drains: false,
            retired: Vec::new(),
            resting: Vec::new(),
            said: Report::default(),
            said_at: None,
        }
    }

    /// Takes note of what is there now. Returns what is given back at once.
    pub(super) fn look(&mut self) -> Vec<Word> {
        let mut known = self.commons.known.lock();
        known.names.see(&self.world.borrow_and_update(), now());
        let seen = self.early.seen(&known.names);
        drop(known);
        let mut words = Vec::new();
        if !self.retired.is_empty() {
            words = self.give_up();
        }
        if !self.resting.is_empty() {
            self.rest();
        }
        for (replica, slots) in seen {
            self.commons.throttler.grant(replica, slots);
        }
        words.extend(self.due());
        words
    }

    /// Does as the leader says. Returns what is given back at once.
    pub(super) fn obey(&mut self, order: Order) -> Vec<Word> {
        match order {
            Order::Grant(granted) => {
                let id = self.id(&granted.pod);
                match id {
                    Some(id) => self.commons.throttler.grant(id, granted.slots),
                    None => self.early.grant(granted),
                }
                // What was owed is paid of it.
                self.due()
            }
            Order::Recall(count) => self.give_back(count, Throttler::recall),
            Order::Spare(count) => self.give_back(count, Throttler::spare),
            Order::Keep(most) => match self.id(&most.pod) {
                Some(id) => {
                    let back = self.commons.throttler.keep(id, most.slots);
                    self.returned(Vec::from_iter((back > 0).then_some((id, back))))
                }
                None => words(self.early.keep(&most)),
            },
            Order::Retire(pods) => {
                let mut words = words(self.early.retire(&pods));
                self.retired = pods;
                words.extend(self.give_up());
                words
            }
            Order::Rest(pods) => {
                self.resting = pods;
                self.rest();
                Vec::new()
            }
        }
    }

    /// Gives back so many, those first that nobody has seen yet.
    fn give_back(
        &mut self,
        count: u32,
        here: fn(&Throttler, u32) -> Vec<(ReplicaId, u32)>,
    ) -> Vec<Word> {
        let early = self.early.recall(count);
        let back = early
            .iter()
            .fold(0, |sum: u32, s| sum.saturating_add(s.slots));
        let mut words = words(early);
        words.extend(self.returned(here(&self.commons.throttler, count.saturating_sub(back))));
        words
    }

    fn give_up(&self) -> Vec<Word> {
        let ids = self.ids(&self.retired);
        self.returned(self.commons.throttler.give_up(&ids))
    }

    fn rest(&self) {
        let ids = self.ids(&self.resting);
        self.commons.throttler.rest_these(&ids);
    }

    /// What fell due.
    pub(super) fn due(&self) -> Vec<Word> {
        self.returned(self.commons.throttler.returned())
    }

    fn returned(&self, slots: Vec<(ReplicaId, u32)>) -> Vec<Word> {
        if slots.is_empty() {
            return Vec::new();
        }
        let names = &self.commons.known.lock().names;
        words(names.slots(slots))
    }

    /// Everything that is ours, for a new leader: what the one before wanted retired is not for long.
    pub(super) fn holds(&mut self) -> Holdings {
        let mut known = self.commons.known.lock();
        known.names.see(&self.world.borrow(), now());
        self.retired.clear();
        self.resting.clear();
        self.commons.throttler.give_up(&[]);
        self.commons.throttler.rest_these(&[]);
        let held = self.commons.throttler.holdings();
        let held = held.iter().map(|holding| (holding.replica, holding.slots));
        let mut slots = known.names.slots(held);
        slots.extend(self.early.held());
        let longest_service = self.commons.throttler.longest_service();
        // It does not know what was said before.
        self.said_at = None;
        self.said = Report {
            longest_service,
            ..Report::default()
        };
        Holdings {
            slots,
            longest_service,
        }
    }

    /// Gives back whatever is idle.
    pub(super) fn spare(&mut self) -> Vec<Word> {
        let mut words = words(self.early.held());
        self.early.clear();
        let held = self.commons.throttler.holdings();
        let whole: Vec<ReplicaId> = held.iter().map(|holding| holding.replica).collect();
        words.extend(self.returned(self.commons.throttler.give_up(&whole)));
        words.extend(self.due());
        words
    }

    /// Of what idles, gives back whatever no request needs.
    pub(super) fn drain(&self) -> Vec<Word> {
        let spared = self.commons.throttler.spare(UNLIMITED);
        let mut words = self.returned(spared);
        words.extend(self.due());
        words
    }

    fn ids(&self, pods: &[Pod]) -> Vec<ReplicaId> {
        let names = &self.commons.known.lock().names;
        pods.iter().filter_map(|pod| names.id(pod)).collect()
    }

    fn id(&self, pod: &Pod) -> Option<ReplicaId> {
        self.commons.known.lock().names.id(pod)
    }

    /// What is asked of this gateway, where that is news: with `ends_sample` over the second that is over.
    pub(super) fn second(&mut self, ends_sample: bool, now: Instant) -> Option<Word> {
        let mut report = self.report(ends_sample);
        let measured = report.measured;
        report.measured = measured.filter(|measured| *measured != Measured::default());
        let before = Report {
            measured: None,
            ..self.said.clone()
        };
        let is_quiet = report == before && self.said.measured.is_none() && report.in_flight == 0;
        if is_quiet {
            return None;
        }
        // What ends with nothing is measured, too: it stands for nothing before it.
        report.measured = report.measured.or(measured.map(|_| Measured::default()));
        Some(self.say(report, now))
    }

    /// What is asked, at once where somebody waits in vain; `Err` is when to ask again.
    pub(super) fn hunger(&mut self, now: Instant) -> Result<Option<Word>, Instant> {
        let report = self.report(false);
        if report.waiting == 0 || report == self.said {
            return Ok(None);
        }
        if let Some(again) = self.said_at.map(|at| at + AT_ONCE).filter(|at| *at > now) {
            return Err(again);
        }
        Ok(Some(self.say(report, now)))
    }

    fn say(&mut self, report: Report, now: Instant) -> Word {
        self.said = Report {
            // Of a second of which nothing was measured nothing is missed.
            measured: report.measured.filter(|m| *m != Measured::default()),
            ..report.clone()
        };
        self.said_at = Some(now);
        Word::Report(report)
    }

    fn report(&self, ends_sample: bool) -> Report {
        let asked = self.commons.throttler.asked(ends_sample);
        let measured = asked.measured.map(|report| Measured {
            average_concurrency: report.average_concurrency,
            requests: report.requests,
        });
        let Known { names, stuck, .. } = &*self.commons.known.lock();
        Report {
            measured,
            drains: self.drains,
            in_flight: asked.in_flight,
            waiting: count(asked.waiting),
            busy: names.slots(asked.busy),
            stuck: stuck
                .iter()
                .filter_map(|id| names.pod(*id).cloned())
                .collect(),
            longest_service: asked.longest_service,
        }
    }
}

pub(super) fn words(returned: impl IntoIterator<Item = Slots>) -> Vec<Word> {
    returned.into_iter().map(Word::Returned).collect()
}
