//! What the book knows of one member: what is asked of it, and what it was asked for.

use std::time::{Duration, Instant};

use super::super::Report;

/// A report holds for so long; who has said nothing since is asked nothing.
const REPORT_HOLDS: Duration = Duration::from_millis(2500);

/// What was granted so recently may not have been seen by who says that it waits.
const ON_THE_WAY: Duration = Duration::from_millis(100);

/// One member.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// Nothing is heard of it: it is told nothing, and keeps what it has.
    pub(super) silent: bool,
    /// It ends: it is given nothing but what somebody waits for.
    pub(super) drains: bool,
    /// Slots it has, of replicas whose slots count.
    pub(super) held: u64,
    /// Those of them in which nothing runs, as far as is known.
    pub(super) idle: u64,
    /// Requests that wait there, those not counted for which a slot is on its way.
    waiting: u64,
    /// Requests that wait or run there.
    pub(super) demand: u64,
    reported: Option<Instant>,
    /// Recalled and not yet returned.
    pub(super) owes: u64,
    /// Idle slots it was asked for that may still come.
    pub(super) asked: u64,
    /// Until when it is not asked again.
    pub(super) asked_until: Option<Instant>,
    /// Until when what it was granted for its line is not taken back.
    pub(super) holds_until: Option<Instant>,
    /// Since when it waits and has nothing at all.
    pub(super) starves_since: Option<Instant>,
    granted: Vec<(Instant, u64)>,
    /// Which list of retired replicas it was told last.
    pub(super) told: Option<u64>,
}

impl Member {
    /// Requests that wait there and find no slot.
    pub(super) fn unmet(&self) -> u64 {
        if self.silent {
            return 0;
        }
        self.waiting
    }

    /// It is granted a slot, for one that waits there if anybody does.
    pub(super) fn credit(&mut self, now: Instant) {
        self.held += 1;
        if self.waiting > 0 {
            self.waiting -= 1;
        } else {
            self.idle += 1;
        }
        match self.granted.last_mut() {
            Some((at, slots)) if *at == now => *slots += 1,
            _ => {
                self.forget_grants(now);
                self.granted.push((now, 1));
            }
        }
    }

    fn forget_grants(&mut self, now: Instant) {
        self.granted
            .retain(|(at, _)| now.saturating_duration_since(*at) < ON_THE_WAY);
    }

    pub(super) fn debit(&mut self, slots: u64) {
        self.held = self.held.saturating_sub(slots);
        self.idle = self.idle.saturating_sub(slots);
    }

    /// Whatever comes back pays what was recalled, as it does on its side.
    pub(super) fn paid(&mut self, slots: u64) {
        self.owes = self.owes.saturating_sub(slots);
        self.asked = self.asked.saturating_sub(slots);
    }

    /// It says how it is, with so many of its slots `busy`.
    pub(super) fn report(&mut self, report: &Report, busy: u64, now: Instant) {
        self.reported = Some(now);
        self.waiting = report.waiting.into();
        self.demand = report.in_flight.max(report.waiting).into();
        self.drains = report.drains;
        self.idle = self.held.saturating_sub(busy);
        self.forget_grants(now);
        if report.waiting > 0 {
            // Nobody waits beside a slot that can be used: what it has beside those can not.
            let coming: u64 = self.granted.iter().map(|(_, slots)| slots).sum();
            let coming = coming.min(self.idle);
            self.idle = coming.saturating_sub(self.waiting);
            self.waiting = self.waiting.saturating_sub(coming);
        }
    }

    /// What was said too long ago holds no longer.
    pub(super) fn forget_old_news(&mut self, now: Instant) {
        if self.reported.is_some_and(|at| now >= at + REPORT_HOLDS) {
            self.reported = None;
            (self.waiting, self.demand, self.idle) = (0, 0, self.held);
        }
        if self.asked_until.is_some_and(|until| now >= until) {
            // What did not come was in use.
            self.idle = self.idle.saturating_sub(self.asked);
            (self.asked_until, self.asked) = (None, 0);
        }
        self.holds_until = self.holds_until.filter(|until| now < *until);
        self.starves_since = match self.starves_since {
            _ if self.unmet() == 0 || self.held > 0 => None,
            None => Some(now),
            since => since,
        };
    }

    /// It has said so lately that somebody waits that nothing idles there until then.
    pub(super) fn surely_waits_until(&self) -> Option<Instant> {
        let until = self.reported.map(|at| at + ON_THE_WAY);
        until.filter(|_| self.unmet() > 0)
    }
}
