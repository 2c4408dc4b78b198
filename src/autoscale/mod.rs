//! Decides how many replicas a revision should have. Averages come in, a number and the reasons
//! for it go out: what was measured ([`Collector`]), what that asks for ([`Decider`]), and whether
//! the first or the last replica may come or go ([`Activation`]); [`Steering`] holds the three
//! together, for the live loop and for a replay alike. The arithmetic is Knative's, to the last
//! bit; who measures, who ticks and who starts replicas is left to others.

use std::time::Duration;

mod activation;
mod adopt;
mod bound;
mod collect;
mod decider;
mod decision;
mod delay;
mod forecast;
mod measured;
mod memory;
mod mode;
mod reason;
mod seen;
mod spec;
mod start;
mod steering;
mod window;
mod wish;

pub use activation::{Activation, Condition, wakes};
pub use bound::{Bound, Shortage};
pub use collect::{Averages, Collector};
pub use decider::Decider;
pub use decision::{Clamp, Decision};
pub use delay::DelayWindow;
pub use forecast::{Ahead, Change};
pub use measured::{Around, Measured};
pub use memory::{Memory, Past};
pub use mode::Mode;
pub use reason::{Amount, Measure, Short};
pub use seen::{MetricReading, Seen};
pub use spec::{ACTIVATION_TIMEOUT, Bounds, Spec, Target, panic_window};
pub use start::{StartPhase, TypicalPhases, likely_end, typical_start};
pub use steering::Steering;
pub use window::{MetricWindow, round_to};

/// How often a measurement is recorded, zeros included.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// How often a decision is made.
pub const DECIDE_EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests_bypassed;

#[cfg(test)]
mod support {
    use std::time::{Duration, Instant};

    use super::Spec;
    use crate::revision::{ContainerConcurrency, Scaling, samples};

    /// The moment from which a test counts its seconds.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs one real instant to count from"
    )]
    pub(super) fn start() -> Instant {
        Instant::now()
    }

    pub(super) const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// The defaults, with a soft target of `target`.
    pub(super) fn spec(target: f64) -> Spec {
        let scaling = Scaling {
            target: Some(target),
            ..samples::scaling()
        };
        Spec::new(scaling, ContainerConcurrency::UNLIMITED)
    }
}
