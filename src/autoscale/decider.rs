//! Observation in, desired replicas out. The stable average steers; a burst that asks for a
//! multiple of what is there starts panic, in which the short average steers too and nothing
//! shrinks. Bounds and the way to zero come after, in [`Activation`](super::Activation).

use std::time::Instant;

use super::delay::DelayWindow;
use super::{Averages, Bound, Clamp, DECIDE_EVERY, Decision, Spec};

/// Decides for one revision, tick after tick.
#[derive(Clone, Debug)]
pub struct Decider {
    mode: Mode,
    delay: DelayWindow,
}

/// Which average steers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The long one.
    Stable,
    /// Both, and nothing shrinks.
    Panic {
        /// The last reading at or over the threshold.
        since: Instant,
        /// The highest number wanted since it began.
        peak: u32,
    },
}

impl Mode {
    /// The word in reports and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Panic { .. } => "panic",
        }
    }
}

/// What a decision is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Replicas that take requests.
    pub ready: u32,
    /// Replicas on their way. They count as supply, so that a slow start asks for no others.
    pub starting: u32,
    /// The averages; `None` when nothing was measured.
    pub averages: Option<Averages>,
}

impl Seen {
    /// What is there or on its way; never 0, so that there is something to multiply.
    fn supply(self) -> f64 {
        f64::from(self.ready.saturating_add(self.starting).max(1))
    }
}

/// What one average asks for, and what the limits on growing and shrinking make of it.
struct Wish {
    wanted: f64,
    replicas: u32,
    clamps: Vec<Clamp>,
}

impl Wish {
    fn new(average: f64, supply: f64, spec: &Spec) -> Self {
        let scaling = &spec.scaling;
        let wanted = (average / spec.target.aimed).ceil();
        let up = (scaling.max_scale_up_rate * supply).ceil();
        let down = if spec.reachable {
            (supply / scaling.max_scale_down_rate).floor()
        } else {
            0.0
        };
        let mut wish = Self {
            wanted,
            replicas: whole(wanted),
            clamps: Vec::new(),
        };
        wish.bound(Bound::MaxScaleDownRate, whole(wanted.max(down)));
        wish.bound(Bound::MaxScaleUpRate, whole(wanted.max(down).min(up)));
        let at_once = scaling.activation_scale;
        if at_once > 1 && wanted > 0.0 {
            wish.bound(Bound::ActivationScale, wish.replicas.max(at_once));
        }
        wish
    }

    fn bound(&mut self, by: Bound, to: u32) {
        if self.replicas != to {
            let to = Some(to);
            self.clamps.push(Clamp { by, to });
        }
        self.replicas = to;
    }
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
            delay: DelayWindow::new(spec.scaling.scale_down_delay, DECIDE_EVERY, now),
        }
    }

    /// Which average steers.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Decides. Without measurements the decision asks for nothing and changes nothing.
    pub fn decide(&mut self, spec: &Spec, seen: Seen, now: Instant) -> Decision {
        let Some(averages) = seen.averages else {
            return Decision::new(spec, seen, self.mode, now);
        };
        let supply = seen.supply();
        let stable = Wish::new(averages.stable, supply, spec);
        let panic = Wish::new(averages.panic, supply, spec);
        let over = panic.wanted / supply >= spec.panic_threshold();
        self.mode = self.mode_after(over, spec, now);

        let mut decision = Decision::new(spec, seen, self.mode, now);
        decision.stable_wish = whole(stable.wanted);
        decision.panic_wish = whole(panic.wanted);
        let panicking = matches!(self.mode, Mode::Panic { .. });
        decision.from_panic = panicking && panic.replicas > stable.replicas;
        let steering = if decision.from_panic { panic } else { stable };
        decision.replicas = Some(steering.replicas);
        decision.clamps = steering.clamps;

        let mut wanted = steering.replicas;
        if let Mode::Panic { peak, .. } = &mut self.mode {
            wanted = wanted.max(*peak);
            *peak = wanted;
            decision.bound(Bound::Panic, Some(wanted));
        }
        decision.mode = self.mode;
        if spec.reachable {
            self.delay.resize(spec.scaling.scale_down_delay);
            let held = self.delay.hold(now, wanted);
            decision.bound(Bound::ScaleDownDelay, Some(held));
        }
        decision
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

/// A whole number of replicas; what is below 0 is 0, what is too large is the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is whole, and the cast saturates"
)]
fn whole(replicas: f64) -> u32 {
    replicas as u32
}

#[cfg(test)]
mod tests {
    use super::super::support::{seconds, spec, start};
    use super::*;

    struct See(f64, f64, u32);

    fn seen(See(stable, panic, ready): See) -> Seen {
        let averages = Some(Averages { stable, panic });
        Seen {
            ready,
            starting: 0,
            averages,
        }
    }

    /// One decision of a fresh decider at target 1, rates 10 up and 2 down.
    fn check(see: See, want: u32, by: Bound) {
        let mut spec = spec(1.0);
        spec.scaling.max_scale_up_rate = 10.0;
        let now = start();
        let decision = Decider::new(&spec, 1, now).decide(&spec, seen(see), now);
        assert_eq!((decision.replicas, decision.bound_by()), (Some(want), by));
    }

    #[test]
    fn the_average_over_the_target_within_the_rates() {
        //        stable panic ready  want
        check(See(10.0, 10.0, 1), 10, Bound::None);
        check(See(9.1, 9.1, 8), 10, Bound::None);
        check(See(0.0, 0.0, 1), 0, Bound::None);
        check(See(0.0, 0.0, 3), 1, Bound::MaxScaleDownRate);
        check(See(0.0, 0.0, 8), 4, Bound::MaxScaleDownRate);
        check(See(11.0, 11.0, 1), 10, Bound::MaxScaleUpRate);
        check(See(11.0, 99.0, 0), 10, Bound::MaxScaleUpRate);
        check(See(3.0, 7.0, 1), 7, Bound::None);
        check(See(3.0, 7.0, 4), 3, Bound::None);
    }

    #[test]
    fn replicas_on_their_way_count_as_supply() {
        let (now, spec) = (start(), spec(1.0));
        let mut decider = Decider::new(&spec, 0, now);
        let averages = Some(Averages {
            stable: 5.0,
            panic: 5.0,
        });
        let (ready, starting) = (0, 5);
        let seen = Seen {
            ready,
            starting,
            averages,
        };
        let decision = decider.decide(&spec, seen, now);
        assert_eq!(decision.mode, Mode::Stable);
        assert_eq!(decision.replicas, Some(5));
    }

    #[test]
    fn panic_begins_extends_and_ends() {
        let (t, spec) = (start(), spec(1.0));
        let mut decider = Decider::new(&spec, 1, t);
        let mut at = |second, see| {
            let decision = decider.decide(&spec, seen(see), t + seconds(second));
            (decision.mode.as_str(), decision.replicas)
        };
        assert_eq!(at(0, See(1.0, 1.0, 1)), ("stable", Some(1)));
        assert_eq!(at(2, See(1.0, 2.0, 1)), ("panic", Some(2)));
        assert_eq!(at(4, See(2.0, 8.0, 2)), ("panic", Some(8)));
        assert_eq!(at(6, See(3.0, 3.0, 8)), ("panic", Some(8)));
        assert_eq!(at(64, See(3.0, 3.0, 8)), ("panic", Some(8)));
        assert_eq!(at(66, See(3.0, 3.0, 8)), ("stable", Some(4)));
    }

    #[test]
    fn without_a_history_nothing_shrinks_for_a_stable_window() {
        let (t, spec) = (start(), spec(1.0));
        let mut decider = Decider::new(&spec, 6, t);
        let mut at = |second| {
            let decision = decider.decide(&spec, seen(See(0.0, 0.0, 6)), t + seconds(second));
            (decision.replicas, decision.bound_by())
        };
        assert_eq!(at(2), (Some(6), Bound::Panic));
        assert_eq!(at(60), (Some(6), Bound::Panic));
        assert_eq!(at(62), (Some(3), Bound::MaxScaleDownRate));
    }

    #[test]
    fn every_clamp_is_kept_in_order() {
        let (t, mut spec) = (start(), spec(1.0));
        spec.scaling.scale_down_delay = seconds(20);
        let mut decider = Decider::new(&spec, 1, t);
        decider.decide(&spec, seen(See(12.0, 12.0, 12)), t);
        let decision = decider.decide(&spec, seen(See(0.0, 0.0, 12)), t + seconds(2));
        let clamp = |by, to| Clamp { by, to: Some(to) };
        let rate = clamp(Bound::MaxScaleDownRate, 6);
        let delay = clamp(Bound::ScaleDownDelay, 12);
        assert_eq!(decision.clamps, [rate, delay]);
    }
}
