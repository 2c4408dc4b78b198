//! Who changes back what we write, and how long that is left as it is: we never fight another owner.

use std::time::Duration;

use tokio::time::Instant;

/// So often within [`CALM`] of each other what somebody else wrote is set back at once.
const PATIENT: u32 = 3;
const CALM: Duration = Duration::from_secs(60);
/// How long it is left as it is; doubles each time.
const FIRST_YIELD: Duration = Duration::from_secs(60);
const LONGEST_YIELD: Duration = Duration::from_secs(3600);

/// How often somebody else wanted something else of late.
#[derive(Debug, Default)]
pub(super) struct Dispute {
    count: u32,
    at: Option<Instant>,
    yields_until: Option<Instant>,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is set back at once.
    SetBack,
    /// It comes again and again: it is left as it is for so long.
    Yield(Duration),
}

impl Dispute {
    /// Somebody else wants something else than we do.
    pub(super) fn again(&mut self, now: Instant) -> Answer {
        let ended = self.yields_until.or(self.at);
        if ended.is_none_or(|ended| now >= ended + CALM) {
            self.count = 0;
        }
        self.count += 1;
        self.at = Some(now);
        if self.count <= PATIENT {
            return Answer::SetBack;
        }
        let doubled = 2_u32.pow((self.count - PATIENT - 1).min(10));
        let pause = (FIRST_YIELD * doubled).min(LONGEST_YIELD);
        self.yields_until = Some(now + pause);
        Answer::Yield(pause)
    }

    /// Until when it is left as it is.
    pub(super) fn yields_until(&self, now: Instant) -> Option<Instant> {
        self.yields_until.filter(|&until| until > now)
    }
}
