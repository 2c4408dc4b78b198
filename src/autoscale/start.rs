//! How long a start usually takes, as a whole and in its phases, and when one under way is likely to
//! be over.

use std::time::{Duration, Instant};

/// How much the newest start weighs.
const NEWEST_WEIGHT: f64 = 0.3;

/// The least that a phase is given more once it has taken longer than usual.
const LEAST_MORE: Duration = Duration::from_secs(1);

/// How long a start, or a phase of one, usually takes after one that took `newest`: smoothed, so that a
/// warm disk cache or a cold one does not decide alone.
#[must_use]
pub fn typical_start(before: Option<Duration>, newest: Duration) -> Duration {
    before.map_or(newest, |typical| {
        typical.mul_f64(1.0 - NEWEST_WEIGHT) + newest.mul_f64(NEWEST_WEIGHT)
    })
}

/// When something that began then and usually takes so long is likely to be over. What has taken longer
/// is given a tenth of what it has taken, again and again: never before `now`, and the same until the
/// moment it names.
#[must_use]
pub fn likely_end(began: Instant, typical: Duration, now: Instant) -> Instant {
    let mut end = began + typical;
    while end <= now {
        end += ((end - began) / 10).max(LEAST_MORE);
    }
    end
}

/// What the start of a replica consists of, in this order. A process has the last two alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPhase {
    /// Until it has a machine to run on.
    Schedule,
    /// On a machine, until the first of its containers runs, and from the end of those that go first
    /// until the others run: its images, volumes and network.
    Pull,
    /// The containers that go first: one that fetches the model among them.
    Init,
    /// Until it takes requests.
    Load,
    /// Its first answer, from the sending of the request to its head.
    FirstAnswer,
}

impl StartPhase {
    /// Every one there is.
    pub const ALL: [Self; 5] = [
        Self::Schedule,
        Self::Pull,
        Self::Init,
        Self::Load,
        Self::FirstAnswer,
    ];

    /// The word in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Pull => "pull",
            Self::Init => "init",
            Self::Load => "load",
            Self::FirstAnswer => "first_answer",
        }
    }
}

/// How long each phase of a start usually takes until the replica is ready; `None` before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypicalPhases {
    /// To be given a machine that is there.
    pub schedule: Option<Duration>,
    /// To be given one that had to be brought first.
    pub node: Option<Duration>,
    /// As [`StartPhase::Pull`].
    pub pull: Option<Duration>,
    /// As [`StartPhase::Init`].
    pub init: Option<Duration>,
    /// As [`StartPhase::Load`].
    pub load: Option<Duration>,
}

impl TypicalPhases {
    /// What is known of them, by their words; a machine that had to be brought is `node`.
    pub fn known(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let all = [
            (StartPhase::Schedule.as_str(), self.schedule),
            ("node", self.node),
            (StartPhase::Pull.as_str(), self.pull),
            (StartPhase::Init.as_str(), self.init),
            (StartPhase::Load.as_str(), self.load),
        ];
        all.into_iter()
            .filter_map(|(word, typical)| Some((word, typical?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_longer_than_usual_is_given_a_tenth_more_each_time() {
        let began = crate::autoscale::support::start();
        let check = |typical, spent, want| {
            let [typical, spent, want] = [typical, spent, want].map(Duration::from_millis);
            let end = likely_end(began, typical, began + spent);
            assert_eq!(end - began, want, "{typical:?} after {spent:?}");
        };
        //    typical   spent     ends
        check(60_000, 0, 60_000);
        check(60_000, 59_999, 60_000);
        check(60_000, 60_000, 66_000);
        check(60_000, 65_999, 66_000);
        check(60_000, 66_000, 72_600);
        check(0, 0, 1_000);
        check(500, 1_700, 2_500);
    }
}
