//! When something that could not be written is tried again.

use std::time::Duration;

use tokio::time::Instant;

use super::seams::ApiError;

/// The pauses, each twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause while the API server is away: once it is back, nobody waits long for us.
const LONGEST_ABSENCE: Duration = Duration::from_secs(1);
/// What is not allowed is tried so many times later: somebody has to change a role first.
const HOPELESS: u32 = 8;

/// How often something could not be written, and when it may be tried again.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// In a row, all of them because nobody answers (`away`), or none.
    failures: u32,
    away: bool,
    at: Option<Instant>,
}

impl Retry {
    /// It could not be written.
    pub(super) fn failed(&mut self, error: &ApiError, now: Instant) {
        let away = matches!(error, ApiError::Unreachable(_));
        // That it was away says nothing of how often it will refuse.
        if std::mem::replace(&mut self.away, away) != away {
            self.failures = 0;
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.failures.min(10));
        let pause = match error {
            ApiError::Forbidden(_) => pause * HOPELESS,
            _ => pause,
        };
        let longest = if away { LONGEST_ABSENCE } else { LONGEST_PAUSE };
        self.at = Some(now + pause.min(longest));
        self.failures += 1;
    }

    /// It was written, or what kept it from that is over.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// How often in a row it failed by now.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn may(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    /// Not before then; `None` where nothing failed.
    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses after such failures, one after the other.
    fn pauses(errors: &[ApiError]) -> Vec<u128> {
        let (mut retry, now) = (Retry::default(), Instant::now());
        let pause = |error| {
            retry.failed(error, now);
            let at = retry.at().expect("it failed");
            assert!(!retry.may(now) && retry.may(at));
            (at - now).as_millis()
        };
        errors.iter().map(pause).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_are_short_while_nobody_answers() {
        let refused = ApiError::Refused("no".into());
        let away = ApiError::Unreachable("nobody".into());
        let forbidden = ApiError::Forbidden("no".into());
        let all = [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
        assert_eq!(pauses(&vec![refused.clone(); 9]), all);
        assert_eq!(pauses(&vec![away.clone(); 4]), [250, 500, 1000, 1000]);
        assert_eq!(pauses(&vec![forbidden; 3]), [2000, 4000, 8000]);
        let mixed = [away.clone(), away, refused.clone(), refused];
        assert_eq!(pauses(&mixed), [250, 500, 250, 500]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_what_was_written_nothing_is_held_against_it() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        for _ in 0..5 {
            retry.failed(&ApiError::Conflict, now);
        }
        assert_eq!(retry.failures(), 5);
        retry.forget();
        assert!(retry.may(now) && retry.at().is_none());
        retry.failed(&ApiError::Conflict, now);
        assert_eq!(retry.at(), Some(now + FIRST_PAUSE));
    }
}
