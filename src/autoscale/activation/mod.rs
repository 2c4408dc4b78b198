//! From zero and back to zero, within bounds: whether the number decided may be taken as it is, or
//! the first replicas are still to come and the last one has to stay a while.

use std::time::{Duration, Instant};

pub use self::condition::Condition;
use crate::autoscale::{Bound, Decision, Seen, Spec};

mod condition;

/// How far one revision is between nothing and serving.
#[derive(Clone, Debug)]
pub struct Activation {
    /// How far it is.
    pub condition: Condition,
    /// Since when.
    pub since: Instant,
    /// It once had as many replicas ready as it was to begin with.
    initialized: bool,
}

/// What becomes of a decision for zero.
enum AtZero {
    /// Nothing is left to wait for.
    Go,
    /// Nobody wants it, but the number stays as it is for now.
    Grace(Bound),
    /// The number stays as it is until more is known.
    Leave(Bound),
    /// So many stay.
    Keep(Bound, u32),
}

impl Activation {
    /// Begins with so many replicas ready.
    #[must_use]
    pub fn new(spec: &Spec, ready: u32, now: Instant) -> Self {
        let initialized = ready >= spec.initial_scale();
        let condition = match (initialized, ready) {
            (false, _) => Condition::Activating,
            (true, 0) => Condition::Inactive,
            (true, _) => Condition::Active,
        };
        Self {
            condition,
            since: now,
            initialized,
        }
    }

    /// Goes on after an earlier life in which so many replicas were wanted: they are on their way
    /// again, and what was once begun is not new.
    #[must_use]
    pub fn recall(spec: &Spec, number: u32, initialized: bool, now: Instant) -> Self {
        let fresh = Self::new(spec, 0, now);
        let condition = if number > 0 {
            Condition::Activating
        } else {
            Condition::Inactive
        };
        if !initialized {
            return fresh;
        }
        Self {
            condition,
            initialized,
            ..fresh
        }
    }

    /// It once had as many replicas ready as it was to begin with.
    #[must_use]
    pub const fn is_initialized(&self) -> bool {
        self.initialized
    }

    /// Brings a decision within bounds and holds the last replica as long as it has to stay.
    pub fn settle(&mut self, mut decision: Decision, spec: &Spec, now: Instant) -> Decision {
        let seen = &decision.seen;
        // Who is idle here may be busy with those who come another way.
        let idle_since = seen.idle_since.filter(|_| !seen.bypassed);
        let ready = seen.ready;
        let may_go = self.least(spec, seen) == 0 && seen.busy == 0 && !seen.unheard;
        self.wake(&mut decision);
        self.clamp(&mut decision, spec);
        if may_go && decision.replicas.is_some() && idle_for_long(spec, idle_since, now) {
            decision.bound(Bound::StopAfterIdle, Some(0));
            self.step(Some(0), ready, None, spec, now);
            decision.condition = self.condition;
            return decision;
        }
        let wanted = match decision.replicas {
            Some(0) => self.settle_at_zero(&mut decision, spec, now),
            wanted => wanted,
        };
        self.step(wanted, ready, decision.seen.scheduled, spec, now);
        decision.condition = self.condition;
        decision.hold();
        decision
    }

    /// Somebody is here and nothing is there: the first replica needs no measurement.
    fn wake(&self, decision: &mut Decision) {
        let seen = &decision.seen;
        let waits = seen.idle_since.is_none() && seen.present() == 0;
        if waits && decision.averages.is_none() && self.condition != Condition::Active {
            decision.bound(Bound::InFlight, Some(1));
        }
    }

    /// Bounds, the lower one first. While it activates, a new revision gets its first replicas
    /// even where nothing is known yet.
    fn clamp(&self, decision: &mut Decision, spec: &Spec) {
        if decision.replicas.is_none() && self.condition != Condition::Activating {
            return;
        }
        let seen = &decision.seen;
        let (ready, present, busy) = (seen.ready, seen.present(), seen.busy);
        let (bounds, least_by) = (spec.bounds(seen.scheduled), spec.least_by(seen.scheduled));
        let least = self.least(spec, seen);
        // Who has just ended may still count as busy, and is no reason for another.
        let kept = busy.min(present);
        if let Some(replicas) = decision.replicas.filter(|n| *n < kept) {
            decision.enough = Some(replicas.max(least).max(1));
            decision.bound(Bound::Busy, Some(kept));
        }
        if decision.replicas.unwrap_or(0) < least {
            let by = if least > bounds.min {
                Bound::InitialScale
            } else {
                least_by
            };
            decision.bound(by, Some(least));
        } else if let Some(max) = bounds.max.filter(|max| decision.replicas > Some(*max)) {
            decision.bound(Bound::MaxReplicas, Some(max));
        }
        if let Some(at_once) = spec.scaling.max_starting {
            // What is on its way already is not taken back for it.
            let most = ready.saturating_add(at_once).max(present);
            if let Some(replicas) = decision.replicas {
                decision.bound(Bound::MaxStarting, Some(replicas.min(most)));
            }
        }
    }

    /// Returns the number it is on its way to, which is not the one it has yet: 0 during the grace
    /// period, unknown while it is left to activate.
    fn settle_at_zero(&self, decision: &mut Decision, spec: &Spec, now: Instant) -> Option<u32> {
        let (outcome, until) = self.at_zero(spec, &decision.seen, now);
        match outcome {
            AtZero::Go => Some(0),
            AtZero::Grace(by) => {
                decision.bound_until(by, None, until);
                Some(0)
            }
            AtZero::Leave(by) => {
                decision.bound_until(by, None, until);
                None
            }
            AtZero::Keep(by, replicas) => {
                decision.bound_until(by, Some(replicas), until);
                Some(replicas)
            }
        }
    }

    /// What becomes of a decision for zero, and until when that holds if nothing else happens.
    fn at_zero(&self, spec: &Spec, seen: &Seen, now: Instant) -> (AtZero, Option<Instant>) {
        let scaling = &spec.scaling;
        let lasted = now.saturating_duration_since(self.since);
        let no_place = finds_no_place(seen);
        let activates = self.condition == Condition::Activating && !no_place && !gave_way(seen);
        if activates && lasted <= spec.activation_timeout {
            let given_up = self.since + spec.activation_timeout;
            return (AtZero::Leave(Bound::Activating), Some(given_up));
        }
        let Some(idle_since) = seen.idle_since else {
            // An average can be 0 beside a long request, where arrivals per second are averaged.
            return (AtZero::Keep(Bound::InFlight, 1), None);
        };
        // When the last of those was gone who come another way, nobody knows.
        let stop_after_idle = scaling.stop_after_idle.filter(|_| !seen.bypassed);
        if let Some(limit) = stop_after_idle {
            let until = Some(idle_since + limit);
            return match seen.present() {
                0 => (AtZero::Leave(Bound::StopAfterIdle), None),
                _ => (AtZero::Keep(Bound::StopAfterIdle, 1), until),
            };
        }
        let (by, grace) = longest_grace(spec, seen.typical_start);
        let calm_since = self.calm_since(seen, idle_since);
        let calm = calm_since.map(|since| since + scaling.stable_window);
        if calm.is_some_and(|calm| now < calm) {
            return (AtZero::Keep(Bound::StableWindow, 1), calm);
        }
        let gone = self.since + grace;
        match self.condition {
            Condition::Activating if !no_place => (AtZero::Go, None),
            Condition::Activating | Condition::Active => (AtZero::Grace(by), Some(now + grace)),
            Condition::Inactive if now >= gone => (AtZero::Go, None),
            Condition::Inactive => (AtZero::Grace(by), Some(gone)),
        }
    }

    /// From when on a whole window has to pass without anybody.
    fn calm_since(&self, seen: &Seen, idle_since: Instant) -> Option<Instant> {
        match self.condition {
            // Who is turned away while it cannot come was here for no time that could be averaged.
            Condition::Activating => Some(idle_since).filter(|_| !gave_way(seen)),
            Condition::Active => Some(idle_since.max(self.since)),
            // What replicas report can be 0 beside requests that no decision sees.
            Condition::Inactive => {
                let is_kept = seen.present() > 0 || finds_no_place(seen);
                Some(idle_since).filter(|_| is_kept)
            }
        }
    }

    fn step(
        &mut self,
        wanted: Option<u32>,
        ready: u32,
        scheduled: Option<u32>,
        spec: &Spec,
        now: Instant,
    ) {
        let threshold = if self.initialized {
            spec.bounds(scheduled).min.max(1)
        } else {
            spec.initial_scale().max(1)
        };
        let enough_ready = ready >= threshold;
        self.initialized |= enough_ready;
        let next = self.condition.after(wanted, enough_ready);
        if next != self.condition {
            self.condition = next;
            self.since = now;
        }
    }

    /// Never fewer.
    fn least(&self, spec: &Spec, seen: &Seen) -> u32 {
        let least = spec.bounds(seen.scheduled).min;
        if self.initialized {
            least
        } else {
            spec.initial_scale().max(least)
        }
    }
}

/// Whether an arriving request is worth a decision at once instead of at the next tick: when
/// nothing was asked for, or nothing is known to have been.
#[must_use]
pub fn wakes(asked: Option<u32>, in_flight: u32) -> bool {
    in_flight > 0 && asked.is_none_or(|replicas| replicas == 0)
}

/// Its place went to another revision while nobody was here: it is on its way to nothing, and its
/// wish for a place ends with its window.
const fn gave_way(seen: &Seen) -> bool {
    let given_away = matches!(seen.shortage, Some(shortage) if shortage.is_shared_out());
    seen.present() == 0 && given_away && seen.idle_since.is_some()
}

/// It is on its way to nothing for now, and nobody here can do anything about it: who asked was sent
/// away, and it is kept for those who ask again.
const fn finds_no_place(seen: &Seen) -> bool {
    matches!(seen.shortage, Some(shortage) if !shortage.is_shared_out())
        && seen.idle_since.is_some()
}

fn idle_for_long(spec: &Spec, idle_since: Option<Instant>, now: Instant) -> bool {
    match (spec.scaling.stop_after_idle, idle_since) {
        (Some(limit), Some(since)) => now.saturating_duration_since(since) >= limit,
        _ => false,
    }
}

/// How long the last replica stays when nobody wants it any more, and by which setting.
fn longest_grace(spec: &Spec, typical_start: Option<Duration>) -> (Bound, Duration) {
    let grace = spec.scaling.scale_to_zero_grace_period;
    let retention = spec.scaling.scale_to_zero_pod_retention_period;
    let retention = retention.resolve(typical_start);
    if spec.reachable && retention > grace {
        (Bound::Retention, retention)
    } else {
        (Bound::ScaleToZeroGrace, grace)
    }
}

#[cfg(test)]
mod tests;
