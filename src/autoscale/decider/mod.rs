//! Observation in, desired replicas out. The stable average steers; a burst that asks for a
//! multiple of what is there starts panic, in which the short average steers too and nothing
//! shrinks. Bounds and the way to zero come after, in [`Activation`](super::Activation).

use std::time::Instant;

use super::delay::DelayWindow;
use super::wish::{Wish, whole};
use super::{Bound, DECIDE_EVERY, Decision, Mode, Seen, Spec};

/// Decides for one revision, tick after tick.
#[derive(Clone, Debug)]
pub struct Decider {
    mode: Mode,
    delay: DelayWindow,
    /// Why nothing falls below a number although no burst has asked for it, until panic is over.
    anew: Option<(Bound, u32)>,
}

impl Decider {
    /// Begins to decide. Where more than one replica is ready already, it begins in panic: without
    /// a history nothing may shrink for the length of a stable window.
    #[must_use]
    pub fn new(spec: &Spec, ready: u32, now: Instant) -> Self {
        let mode = if ready > 1 {
            Mode::Panic {
                since: now,
                peak: ready,
            }
        } else {
            Mode::Stable
        };
        Self {
            mode,
            delay: DelayWindow::new(
                spec.scaling.scale_down_delay.resolve(None),
                DECIDE_EVERY,
                now,
            ),
            anew: None,
        }
    }

    /// Begins with a number that was asked for in an earlier life: it is asked for again, and
    /// nothing shrinks for the length of a stable window.
    #[must_use]
    pub fn recall(spec: &Spec, number: u32, now: Instant) -> Self {
        let mut decider = Self::new(spec, 0, now);
        if number > 0 {
            decider.hold(number, Bound::Restart, now);
        }
        decider
    }

    /// Lets nothing fall below a number for the length of a stable window, as in panic, and says
    /// why.
    pub(super) fn hold(&mut self, number: u32, why: Bound, now: Instant) {
        let peak = number.max(self.peak().unwrap_or(0));
        self.mode = Mode::Panic { since: now, peak };
        self.anew = Some((why, peak));
    }

    /// The highest number wanted since panic began.
    pub(super) const fn peak(&self) -> Option<u32> {
        match self.mode {
            Mode::Panic { peak, .. } => Some(peak),
            Mode::Stable => None,
        }
    }

    /// Which average steers.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Decides. Without measurements the decision asks for nothing and changes nothing; with only
    /// some of them it never shrinks.
    pub fn decide(&mut self, spec: &Spec, seen: Seen, now: Instant) -> Decision {
        let stable = Wish::largest(&seen, |averages| averages.stable, spec);
        let panic = Wish::largest(&seen, |averages| averages.panic, spec);
        let (Some(stable), Some(panic)) = (stable, panic) else {
            return Decision::new(spec, seen, self.mode, now);
        };
        let over = panic.wanted / seen.supply() >= spec.panic_threshold();
        self.mode = self.mode_after(over, spec, now);
        let panicking = matches!(self.mode, Mode::Panic { .. });
        let (stable_wish, panic_wish) = (whole(stable.wanted), whole(panic.wanted));
        let from_panic = panicking && panic.replicas > stable.replicas;
        let steering = if from_panic { panic } else { stable };
        let (by, replicas, clamps) = (steering.by.clone(), steering.replicas, steering.clamps);

        let mut decision = Decision {
            metric: by.metric,
            target: by.target,
            averages: by.averages,
            stable_wish,
            panic_wish,
            from_panic,
            clamps,
            replicas: Some(replicas),
            ..Decision::new(spec, seen, self.mode, now)
        };
        let wanted = self.hold_in_panic(&mut decision, replicas, spec);
        if spec.reachable {
            let typical_start = decision.seen.typical_start;
            let delay = spec.scaling.scale_down_delay.resolve(typical_start);
            self.delay.resize(delay);
            let held = self.delay.hold(now, wanted);
            let until = self.delay.until();
            decision.bound_until(Bound::ScaleDownDelay, Some(held), until);
        }
        decision.keep_for_missing_data();
        decision.keep_for_the_unheard();
        decision
    }

    /// In panic the number never falls below its peak. Returns what is wanted then.
    fn hold_in_panic(&mut self, decision: &mut Decision, replicas: u32, spec: &Spec) -> u32 {
        let mut wanted = replicas;
        if let Mode::Panic { peak, since } = &mut self.mode {
            wanted = wanted.max(*peak);
            *peak = wanted;
            let until = Some(*since + spec.scaling.stable_window);
            let anew = self.anew.filter(|(_, number)| *number == wanted);
            let by = anew.map_or(Bound::Panic, |(why, _)| why);
            decision.bound_until(by, Some(wanted), until);
        } else {
            self.anew = None;
        }
        decision.mode = self.mode;
        wanted
    }

    fn mode_after(&self, over: bool, spec: &Spec, now: Instant) -> Mode {
        let calm_since = |since: Instant| since + spec.scaling.stable_window < now;
        match self.mode {
            Mode::Stable if over => Mode::Panic {
                since: now,
                peak: 0,
            },
            Mode::Panic { peak, .. } if over => Mode::Panic { since: now, peak },
            Mode::Panic { since, .. } if calm_since(since) => Mode::Stable,
            mode => mode,
        }
    }
}

#[cfg(test)]
mod tests;
