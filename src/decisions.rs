//! The log of one revision's decisions. Those that follow each other and say the same are one
//! entry, so that it reaches far back and an idle revision costs next to nothing; and what the loop
//! that decides steers by, for whoever wants to look ahead. What is decided is left to others.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use parking_lot::Mutex;

use crate::autoscale::{Clamp, Decision, Steering};

/// How many entries are kept to be looked at.
const KEPT: usize = 256;

/// Decisions in a row that say the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The newest of them, with its numbers.
    pub decision: Decision,
    /// When the first of them was made.
    pub since: Instant,
    /// How many they are.
    pub count: u64,
}

/// The last decisions about one revision.
#[derive(Default)]
pub struct Decisions {
    kept: Mutex<Kept>,
    tap: Option<Box<Tap>>,
    /// Changed by the loop that decides, and by nobody else. A lock that hardly anybody wants costs
    /// ten thousand idle revisions less than a message box each.
    steering: Mutex<Option<Steering>>,
}

type Tap = dyn Fn(&Decision) + Send + Sync;

#[derive(Debug, Default)]
struct Kept {
    last: VecDeque<Entry>,
    desired: Option<(u32, Instant)>,
}

impl Decisions {
    /// None yet. Every decision is shown to `tap` before it is merged with others.
    pub fn tapped(tap: impl Fn(&Decision) + Send + Sync + 'static) -> Self {
        Self {
            tap: Some(Box::new(tap)),
            ..Self::default()
        }
    }

    /// All entries that are kept, oldest first.
    #[must_use]
    pub fn read(&self) -> Vec<Entry> {
        self.kept.lock().last.iter().cloned().collect()
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<Entry> {
        self.kept.lock().last.back().cloned()
    }

    /// The number decided on last. Decisions that leave it as it is do not change it; `None`
    /// before the first that names one.
    #[must_use]
    pub fn desired(&self) -> Option<u32> {
        self.desired_since().map(|(desired, _)| desired)
    }

    /// The same, and since when.
    #[must_use]
    pub fn desired_since(&self) -> Option<(u32, Instant)> {
        self.kept.lock().desired
    }

    /// Keeps the newest decision.
    pub fn keep(&self, decision: Decision) {
        if let Some(tap) = &self.tap {
            tap(&decision);
        }
        let mut kept = self.kept.lock();
        if let Some(replicas) = decision.replicas
            && kept.desired.is_none_or(|(desired, _)| desired != replicas)
        {
            kept.desired = Some((replicas, decision.at));
        }
        match kept.last.back_mut() {
            Some(entry) if says_the_same(&entry.decision, &decision) => {
                entry.decision = decision;
                entry.count += 1;
            }
            _ => {
                if kept.last.len() == KEPT {
                    kept.last.pop_front();
                }
                let since = decision.at;
                kept.last.push_back(Entry {
                    decision,
                    since,
                    count: 1,
                });
            }
        }
    }

    /// The loop that decides begins with this.
    pub fn begin(&self, steering: Steering) {
        *self.steering.lock() = Some(steering);
    }

    /// The loop that decides has ended: nothing is known of what it decided.
    pub fn forget(&self) {
        *self.kept.lock() = Kept::default();
        *self.steering.lock() = None;
    }

    /// The loop that decides measures, decides or takes changed settings.
    ///
    /// # Panics
    /// If it has not begun.
    pub fn steer<R>(&self, act: impl FnOnce(&mut Steering) -> R) -> R {
        act(self.steering.lock().as_mut().expect("the loop has begun"))
    }

    /// A copy of everything the loop steers by; `None` before it has begun.
    #[must_use]
    pub fn steering(&self) -> Option<Steering> {
        self.steering.lock().clone()
    }
}

impl fmt::Debug for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decisions").field(&self.kept).finish()
    }
}

/// The same result for the same reasons, whatever the numbers.
fn says_the_same(one: &Decision, other: &Decision) -> bool {
    let kind = |clamp: &Clamp| clamp.by;
    one.replicas == other.replicas
        && one.bound_by() == other.bound_by()
        && one.mode.as_str() == other.mode.as_str()
        && one.condition == other.condition
        && one
            .clamps
            .iter()
            .map(kind)
            .eq(other.clamps.iter().map(kind))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::sync::Arc;

    use super::*;
    use crate::admission::meter::Report;
    use crate::autoscale::{Around, Measured, Spec};
    use crate::revision::{ContainerConcurrency, Scaling, samples};
    use crate::sync::now;

    /// So many idle seconds of a revision that had one request at first.
    fn idle(decisions: &Decisions, seconds: u64) {
        let scaling = Scaling {
            target: Some(1.0),
            ..samples::scaling()
        };
        let spec = Spec::new(scaling, ContainerConcurrency::UNLIMITED);
        let begin = now();
        let mut steering = Steering::new(&spec, begin);
        for second in 1..=seconds {
            let now = begin + Duration::from_secs(second);
            let average_concurrency = if second == 1 { 1.0 } else { 0.0 };
            let (requests, gauged) = (0, Vec::new());
            let report = Report {
                average_concurrency,
                requests,
            };
            steering.record(&Measured { report, gauged }, now);
            if second % 2 == 0 {
                let around = Around {
                    ready: steering.asked().unwrap_or(0),
                    starting: 0,
                    busy: 0,
                    idle_since: Some(begin),
                    typical_start: None,
                    shortage: None,
                    scheduled: None,
                    unheard: false,
                };
                let decision = steering.decide(&around, now);
                if let Some(replicas) = decision.replicas {
                    steering.note_asked(replicas);
                }
                decisions.keep(decision);
            }
        }
        decisions.begin(steering);
    }

    #[test]
    fn what_says_the_same_is_one_entry_with_the_newest_numbers() {
        let decisions = Decisions::default();
        idle(&decisions, 10_000);
        let kept = decisions.read();
        assert!(kept.len() < 10, "{kept:#?}");
        assert_eq!(kept.iter().map(|entry| entry.count).sum::<u64>(), 5000);
        let gone = kept.last().expect("decisions were made");
        assert_eq!(gone.decision.replicas, Some(0));
        let length = gone.decision.at.saturating_duration_since(gone.since);
        assert_eq!(length, Duration::from_secs(2 * (gone.count - 1)));
        assert_eq!(decisions.desired(), Some(0));
    }

    #[test]
    fn what_is_forgotten_says_nothing_of_now() {
        let decisions = Decisions::default();
        idle(&decisions, 10);
        assert!(decisions.desired().is_some() && decisions.steering().is_some());
        decisions.forget();
        assert_eq!((decisions.last(), decisions.desired()), (None, None));
        assert_eq!(decisions.read(), []);
        assert!(decisions.steering().is_none());
    }

    #[test]
    fn a_tap_sees_every_decision() {
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        let decisions = Decisions::tapped(move |_| *count.lock() += 1);
        idle(&decisions, 100);
        assert_eq!(*seen.lock(), 50);
    }
}
