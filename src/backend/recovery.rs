//! Decides when the next process is started after one has died: at once, then with doubling
//! pauses, one at a time once it looks hopeless. Knows nothing of processes; `now` is an argument.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ports::{Outage, OutageReason};

/// The pause before the second restart; doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A replica that was ready for so long has proved itself: its crash starts a new count.
const PROVEN: Duration = Duration::from_secs(10);

/// One start that is still to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Crashes in a row that led to it.
    pub(crate) streak: u32,
    due: Instant,
}

/// How a start failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    /// For a person: the exit status, the last lines of stderr.
    pub(crate) detail: String,
    /// Trying again at once cannot help: the command itself cannot be run.
    pub(crate) hopeless: bool,
}

/// How many replicas take or will soon take requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supply {
    pub(crate) starting: usize,
    pub(crate) ready: usize,
}

/// The starts still to be made, and the memory of those that failed.
#[derive(Debug)]
pub(crate) struct Recovery {
    failed_starts: u32,
    /// Starts in a row that died before they were ready.
    failed: u32,
    attempts: Vec<Attempt>,
    last: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    attempt: Attempt,
    detail: String,
}

impl Recovery {
    /// After `failed_starts` crashes in a row (0 counts as 1) waiting requests are told.
    pub(crate) fn new(failed_starts: u32) -> Self {
        Self {
            failed_starts: failed_starts.max(1),
            failed: 0,
            attempts: Vec::new(),
            last: None,
        }
    }

    pub(crate) fn set_failed_starts(&mut self, failed_starts: u32) {
        self.failed_starts = failed_starts.max(1);
    }

    /// Makes it so that `count` starts are outstanding.
    pub(crate) fn resize(&mut self, count: usize, now: Instant) {
        // The worst record stays longest, so that shrinking and growing does not wash it off.
        self.attempts.sort_by_key(|a| std::cmp::Reverse(a.streak));
        self.attempts.truncate(count);
        if self.attempts.is_empty() && count > 0 {
            let fresh = Attempt {
                streak: 0,
                due: now,
            };
            self.attempts
                .push(self.last.as_ref().map_or(fresh, |last| last.attempt));
        }
        self.attempts.resize(
            count,
            Attempt {
                streak: 0,
                due: now,
            },
        );
    }

    /// Takes a start that is to be made now, if there is one.
    pub(crate) fn take(&mut self, supply: Supply, now: Instant) -> Option<Attempt> {
        let at = if self.is_hopeless(supply) {
            // One scout at a time: eight processes that crash tell no more than one.
            self.scout().filter(|_| supply.starting == 0)
        } else {
            (0..self.attempts.len()).min_by_key(|&i| self.attempts[i].due)
        }?;
        (self.attempts[at].due <= now).then(|| self.attempts.swap_remove(at))
    }

    /// Gives back a start that could not be made yet.
    pub(crate) fn put_back(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
    }

    /// A start failed; the next one is due after its pause.
    pub(crate) fn failed(&mut self, streak: u32, crash: Crash, supply: Supply, now: Instant) {
        // While another replica is ready the revision works: only the pauses grow.
        if supply.ready == 0 {
            let at_least = if crash.hopeless {
                self.failed_starts
            } else {
                0
            };
            self.failed = self.failed.saturating_add(1).max(at_least);
        }
        let mut streak = streak.saturating_add(1);
        if crash.hopeless || self.failed >= self.failed_starts {
            // An outage without a pause would be over before anybody has seen it.
            streak = streak.max(2);
        }
        let attempt = Attempt {
            streak,
            due: now + pause(streak),
        };
        self.attempts.push(attempt);
        self.last = Some(Failure {
            attempt,
            detail: crash.detail,
        });
    }

    /// A replica died that had been ready for so long.
    pub(crate) fn fell(&mut self, streak: u32, ready_for: Duration, now: Instant) {
        let streak = if ready_for >= PROVEN {
            1
        } else {
            streak.saturating_add(1)
        };
        self.attempts.push(Attempt {
            streak,
            due: now + pause(streak),
        });
    }

    /// A replica became ready: whatever failed before does not count any more.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        let was_hopeless = self.failed >= self.failed_starts;
        self.failed = 0;
        self.last = None;
        if was_hopeless {
            self.attempts.fill(Attempt {
                streak: 0,
                due: now,
            });
        }
    }

    /// Forgets everything: what is started next is something else.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.failed_starts);
    }

    /// Set while starts keep failing and none is under way.
    pub(crate) fn outage(&self, supply: Supply, now: Instant) -> Option<Arc<Outage>> {
        let next = self.pause_end(supply).filter(|&end| end > now)?;
        Some(Arc::new(Outage {
            reason: OutageReason::ColdStartFailed,
            detail: self.last.as_ref()?.detail.clone(),
            next_attempt: Some(next.into_std()),
        }))
    }

    /// When to look again.
    pub(crate) fn wake(&self, supply: Supply, now: Instant) -> Option<Instant> {
        let next = if self.is_hopeless(supply) {
            self.pause_end(supply)
        } else {
            self.attempts.iter().map(|a| a.due).min()
        };
        next.filter(|&at| at > now)
    }

    fn pause_end(&self, supply: Supply) -> Option<Instant> {
        if !self.is_hopeless(supply) || supply.starting > 0 {
            return None;
        }
        match self.scout() {
            Some(at) => Some(self.attempts[at].due),
            None => self.last.as_ref().map(|last| last.attempt.due),
        }
    }

    /// Started often enough in a row, and none is ready.
    pub(crate) fn is_hopeless(&self, supply: Supply) -> bool {
        self.failed >= self.failed_starts && supply.ready == 0
    }

    fn scout(&self) -> Option<usize> {
        (0..self.attempts.len()).max_by_key(|&i| self.attempts[i].streak)
    }
}

/// At once, 100 ms, 200 ms, … 10 s.
fn pause(streak: u32) -> Duration {
    match streak {
        0 | 1 => Duration::ZERO,
        n => FIRST_PAUSE
            .saturating_mul(1 << (n - 2).min(16))
            .min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Supply = Supply {
        starting: 0,
        ready: 0,
    };

    fn crash() -> Crash {
        Crash {
            detail: "boom".into(),
            hopeless: false,
        }
    }

    #[tokio::test]
    async fn pauses_double_up_to_ten_seconds() {
        let millis: Vec<u128> = (1..=10).map(|n| pause(n).as_millis()).collect();
        assert_eq!(
            millis,
            [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[tokio::test]
    async fn a_replica_that_had_proved_itself_is_replaced_at_once() {
        let now = Instant::now();
        let mut recovery = Recovery::new(3);

        recovery.fell(7, PROVEN, now);
        assert_eq!(recovery.take(NONE, now).map(|a| a.streak), Some(1));

        recovery.fell(7, PROVEN / 2, now);
        assert_eq!(recovery.take(NONE, now), None);
    }

    #[tokio::test]
    async fn eight_hopeless_starts_become_one_scout() {
        let now = Instant::now();
        let mut recovery = Recovery::new(3);
        for _ in 0..8 {
            recovery.failed(0, crash(), NONE, now);
        }
        let later = now + LONGEST_PAUSE;

        let scout = recovery.take(NONE, later).unwrap();
        assert_eq!(
            recovery.take(
                Supply {
                    starting: 1,
                    ready: 0
                },
                later
            ),
            None
        );

        recovery.succeeded(later);
        let ready = Supply {
            starting: 0,
            ready: 1,
        };
        let rest = std::iter::from_fn(|| recovery.take(ready, later)).count();
        assert_eq!((scout.streak, rest), (2, 7));
    }

    #[tokio::test]
    async fn wishes_that_come_and_go_do_not_shorten_a_pause() {
        let now = Instant::now();
        let mut recovery = Recovery::new(1);
        recovery.failed(5, crash(), NONE, now);

        recovery.resize(0, now);
        recovery.resize(1, now);

        assert_eq!(recovery.take(NONE, now), None);
        assert_eq!(recovery.wake(NONE, now), Some(now + pause(6)));
    }
}
