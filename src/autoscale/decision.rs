//! A decision with everything that led to it.

use std::fmt;
use std::time::{Duration, Instant};

use super::reason::{Reason, SteeredBy};
use super::{Averages, Bound, Condition, Mode, Seen, Shortage, Spec};
use crate::revision::ScaleMetric;

/// How many replicas there should be, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When it was made.
    pub at: Instant,
    /// What it was made from.
    pub seen: Seen,
    /// The metric that asked for most.
    pub metric: ScaleMetric,
    /// What one replica should carry of it.
    pub target: f64,
    /// Its averages; `None` when nothing was measured.
    pub averages: Option<Averages>,
    /// The length of the stable window.
    pub stable_window: Duration,
    /// The length of the panic window.
    pub panic_window: Duration,
    /// Which average steers from now on.
    pub mode: Mode,
    /// How far the revision is between nothing and serving from now on.
    pub condition: Condition,
    /// What the stable average alone asks for.
    pub stable_wish: u32,
    /// What the panic average alone asks for.
    pub panic_wish: u32,
    /// The number came from the panic average.
    pub from_panic: bool,
    /// What changed the number, in order.
    pub clamps: Vec<Clamp>,
    /// The result. `None` leaves the number of replicas as it is.
    pub replicas: Option<u32>,
    /// So many would be enough, were the others not busy: those rest until they are idle.
    pub enough: Option<u32>,
    /// Fewer than that can come for now; by what.
    pub held: Option<Shortage>,
}

/// Something that changed the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp {
    /// What did.
    pub by: Bound,
    /// What it made of it; `None` leaves the number of replicas as it is.
    pub to: Option<u32>,
    /// Until when, if nothing else happens; `None` where time alone changes nothing.
    pub until: Option<Instant>,
}

impl Decision {
    /// A decision that nothing has shaped yet and that changes nothing.
    pub(super) fn new(spec: &Spec, seen: Seen, mode: Mode, now: Instant) -> Self {
        let condition = match (seen.ready, seen.starting) {
            (0, 0) => Condition::Inactive,
            (0, _) => Condition::Activating,
            _ => Condition::Active,
        };
        Self {
            at: now,
            metric: spec.scaling.metric.clone(),
            target: spec.target.aimed,
            averages: None,
            stable_window: spec.scaling.stable_window,
            panic_window: spec.panic_window(),
            mode,
            condition,
            stable_wish: 0,
            panic_wish: 0,
            from_panic: false,
            clamps: Vec::new(),
            replicas: None,
            enough: None,
            held: None,
            seen,
        }
    }

    /// Notes what changed the number; what leaves it as it is goes unnoted.
    pub(super) fn bound(&mut self, by: Bound, to: Option<u32>) {
        self.bound_until(by, to, None);
    }

    /// The same for what time alone will undo.
    pub(super) fn bound_until(&mut self, by: Bound, to: Option<u32>, until: Option<Instant>) {
        if self.replicas != to {
            self.clamps.push(Clamp { by, to, until });
            self.replicas = to;
        }
    }

    /// What is missing might have asked for what is there.
    pub(super) fn keep_for_missing_data(&mut self) {
        let missing = self.seen.misses();
        let present = self.seen.present();
        if missing && self.replicas.is_some_and(|replicas| replicas < present) {
            self.bound(Bound::NoData, Some(present));
        }
    }

    /// Whoever is not heard may have asked for what is there.
    pub(super) fn keep_for_the_unheard(&mut self) {
        let present = self.seen.present();
        if self.seen.unheard && self.replicas.is_some_and(|replicas| replicas < present) {
            self.bound(Bound::UnheardGateway, Some(present));
        }
    }

    /// Notes what keeps the world from doing as decided.
    pub(super) fn hold(&mut self) {
        let seen = &self.seen;
        let short = |shortage: &Shortage| self.replicas > Some(seen.sure_of(*shortage));
        self.held = seen.shortage.filter(short);
    }

    /// What had the last word.
    #[must_use]
    pub fn bound_by(&self) -> Bound {
        match (self.held, self.clamps.last()) {
            (Some(shortage), _) => Bound::Shortage(shortage),
            (None, Some(clamp)) => clamp.by,
            (None, None) if self.averages.is_none() => Bound::NoData,
            (None, None) => Bound::None,
        }
    }

    /// It asks for another number than was asked for before.
    #[must_use]
    pub fn changes(&self, asked: Option<u32>) -> bool {
        self.replicas.is_some() && self.replicas != asked
    }

    /// What steered it, in words: "2.4 requests in flight on average over 60 s at target 1".
    #[must_use]
    pub fn measured(&self) -> impl fmt::Display + '_ {
        SteeredBy(self)
    }

    /// Why, in words: "2.4 requests in flight on average over 60 s at target 1".
    #[must_use]
    pub fn reason(&self) -> impl fmt::Display + '_ {
        Reason(self)
    }
}
