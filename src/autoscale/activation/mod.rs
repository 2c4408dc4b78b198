//! From zero and back to zero, within bounds: whether the number decided may be taken as it is, or
//! the first replicas are still to come and the last one has to stay a while.

use std::time::{Duration, Instant};

use crate::autoscale::{Bound, Decision, Spec};

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

/// How far a revision is between nothing and serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Replicas are wanted, and too few of them are ready.
    Activating,
    /// Enough replicas are ready.
    Active,
    /// Nobody wants it; its last replica may stay for a grace period.
    Inactive,
}

impl Condition {
    /// The word in reports and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// The next one, when `wanted` replicas were decided on (`None`: unknown) and enough of them
    /// are ready or not.
    const fn after(self, wanted: Option<u32>, enough_ready: bool) -> Self {
        match (self, wanted, enough_ready) {
            (_, Some(0), _) | (Self::Inactive, None, _) => Self::Inactive,
            (_, _, true) => Self::Active,
            (_, _, false) => Self::Activating,
        }
    }
}

/// What becomes of a decision for zero.
enum AtZero {
    /// Nothing is left to wait for.
    Go,
    /// Nobody wants it, but the number stays as it is for now.
    Grace,
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

    /// Brings a decision within bounds and holds the last replica as long as it has to stay.
    /// `idle_since` is the moment the last request was gone; `None` while one is here.
    pub fn settle(
        &mut self,
        mut decision: Decision,
        spec: &Spec,
        idle_since: Option<Instant>,
        now: Instant,
    ) -> Decision {
        let least = self.least(spec);
        self.clamp(&mut decision, spec);
        if least == 0 && decision.replicas.is_some() && idle_for_long(spec, idle_since, now) {
            decision.bound(Bound::StopAfterIdle, Some(0));
            self.step(Some(0), decision.seen.ready, spec, now);
            return decision;
        }
        let wanted = match decision.replicas {
            Some(0) => self.settle_at_zero(&mut decision, spec, idle_since, now),
            wanted => wanted,
        };
        self.step(wanted, decision.seen.ready, spec, now);
        decision
    }

    /// Bounds, the lower one first. While it activates, a new revision gets its first replicas
    /// even where nothing is known yet.
    fn clamp(&self, decision: &mut Decision, spec: &Spec) {
        if decision.replicas.is_none() && self.condition != Condition::Activating {
            return;
        }
        let bounds = spec.bounds();
        let least = self.least(spec);
        if decision.replicas.unwrap_or(0) < least {
            let initial = least > bounds.min;
            let by = if initial {
                Bound::InitialScale
            } else {
                Bound::MinReplicas
            };
            decision.bound(by, Some(least));
        } else if let Some(max) = bounds.max.filter(|max| decision.replicas > Some(*max)) {
            decision.bound(Bound::MaxReplicas, Some(max));
        }
    }

    /// Returns the number it is on its way to, which is not the one it has yet: 0 during the grace
    /// period, unknown while it is left to activate.
    fn settle_at_zero(
        &self,
        decision: &mut Decision,
        spec: &Spec,
        idle_since: Option<Instant>,
        now: Instant,
    ) -> Option<u32> {
        let present = decision.seen.ready.saturating_add(decision.seen.starting);
        match self.at_zero(spec, idle_since, present, now) {
            AtZero::Go => Some(0),
            AtZero::Grace => {
                decision.bound(Bound::ScaleToZeroGrace, None);
                Some(0)
            }
            AtZero::Leave(by) => {
                decision.bound(by, None);
                None
            }
            AtZero::Keep(by, replicas) => {
                decision.bound(by, Some(replicas));
                Some(replicas)
            }
        }
    }

    fn at_zero(
        &self,
        spec: &Spec,
        idle_since: Option<Instant>,
        present: u32,
        now: Instant,
    ) -> AtZero {
        let scaling = &spec.scaling;
        let lasted = now.saturating_duration_since(self.since);
        if self.condition == Condition::Activating && lasted <= spec.activation_timeout {
            return AtZero::Leave(Bound::Activating);
        }
        if idle_since.is_none() {
            // An average can be 0 beside a long request, where arrivals per second are averaged.
            return AtZero::Keep(Bound::InFlight, 1);
        }
        if scaling.stop_after_idle.is_some() {
            return match present {
                0 => AtZero::Leave(Bound::StopAfterIdle),
                _ => AtZero::Keep(Bound::StopAfterIdle, 1),
            };
        }
        match self.condition {
            Condition::Activating => AtZero::Go,
            Condition::Active if lasted < scaling.stable_window => {
                AtZero::Keep(Bound::StableWindow, 1)
            }
            Condition::Inactive if lasted >= longest_grace(spec) => AtZero::Go,
            Condition::Active | Condition::Inactive => AtZero::Grace,
        }
    }

    fn step(&mut self, wanted: Option<u32>, ready: u32, spec: &Spec, now: Instant) {
        let threshold = if self.initialized {
            spec.bounds().min.max(1)
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

    fn least(&self, spec: &Spec) -> u32 {
        if self.initialized {
            spec.bounds().min
        } else {
            spec.initial_scale()
        }
    }
}

/// Whether an arriving request is worth a decision at once instead of at the next tick: when
/// nothing was asked for, or nothing is known to have been.
#[must_use]
pub fn wakes(asked: Option<u32>, in_flight: u32) -> bool {
    in_flight > 0 && asked.is_none_or(|replicas| replicas == 0)
}

fn idle_for_long(spec: &Spec, idle_since: Option<Instant>, now: Instant) -> bool {
    match (spec.scaling.stop_after_idle, idle_since) {
        (Some(limit), Some(since)) => now.saturating_duration_since(since) >= limit,
        _ => false,
    }
}

fn longest_grace(spec: &Spec) -> Duration {
    let grace = spec.scaling.scale_to_zero_grace_period;
    let retention = spec.scaling.scale_to_zero_pod_retention_period;
    if spec.reachable {
        grace.max(retention)
    } else {
        grace
    }
}

#[cfg(test)]
mod tests;
