//! Since when something is so about one Service, and what was tried: what the keeper of doors remembers of
//! it.

use std::time::Duration;

use tokio::time::Instant;

use super::SETTLED;
use super::deeds::Slice;
use crate::backend::kubernetes::dispute::Dispute;
use crate::backend::kubernetes::retry::Retry;
use crate::backend::kubernetes::seams::ApiError;

/// So long what was written is believed before it is seen.
const ECHO: Duration = Duration::from_secs(2);

/// What is remembered of one Service.
#[derive(Debug, Default)]
pub(super) struct Moment {
    /// A gateway is among its endpoints.
    pub(super) stands: Option<Instant>,
    /// A pod of its revision is ready for kubelet.
    pub(super) ready: Option<Instant>,
    /// Its selector is its own.
    pub(super) own: Option<Instant>,
    /// No gateway listens for it.
    pub(super) lacking: Option<Instant>,
    /// It was seen with its selector taken away.
    pub(super) was_taken: bool,
    /// Its selector is being taken away.
    pub(super) takes: bool,
    /// Admission was asked to take it away.
    pub(super) poked: Option<Instant>,
    pub(super) dispute: Dispute,
    /// The slice as it was written last, and of which Service.
    pub(super) wrote: Option<Written>,
    /// As it is wanted, and not written for a while: somebody else writes it otherwise.
    pub(super) left: Option<Written>,
    pub(super) rewritten: Dispute,
    /// What keeps it, as it was told last.
    pub(super) told: Option<String>,
    call: Call,
    /// As it was when something was written.
    written: Option<(Versions, Instant)>,
    retry: Retry,
}

/// What became of the last call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Call {
    /// Nothing, or nothing that matters any more.
    #[default]
    None,
    UnderWay,
    Done,
}

/// A slice, and the UID of its Service.
pub(super) type Written = (std::sync::Arc<str>, Slice);

/// The versions of a Service and of its slice, as they were seen.
pub(super) type Versions = (Option<std::sync::Arc<str>>, Option<std::sync::Arc<str>>);

/// Keeps since when something is so.
pub(super) fn since(mark: &mut Option<Instant>, is_so: bool, now: Instant) -> Option<Instant> {
    *mark = is_so.then(|| mark.unwrap_or(now));
    *mark
}

impl Moment {
    /// Whether something may be written now, as it is seen.
    pub(super) fn may_write(&self, seen: &Versions, now: Instant) -> bool {
        self.is_calm(seen, now) && self.retry.may(now)
    }

    /// Nothing of ours is on its way that is not seen.
    pub(super) fn is_calm(&self, seen: &Versions, now: Instant) -> bool {
        let awaits = |(before, at): &(Versions, Instant)| before == seen && now < *at + ECHO;
        self.call != Call::UnderWay && !self.written.as_ref().is_some_and(awaits)
    }

    /// Something is being written, as it was seen.
    pub(super) fn writes(&mut self, seen: Versions, now: Instant) {
        self.call = Call::UnderWay;
        self.written = Some((seen, now));
    }

    /// Whether something was written since this was last asked.
    pub(super) fn has_written(&mut self) -> bool {
        let done = self.call == Call::Done;
        if done {
            self.call = Call::None;
        }
        done
    }

    /// It was written, or not. Returns what a person should know.
    pub(super) fn answered(
        &mut self,
        result: &Result<(), ApiError>,
        now: Instant,
    ) -> Option<String> {
        self.call = result.as_ref().map_or(Call::None, |()| Call::Done);
        let Err(error) = result else {
            self.retry.forget();
            if let Some((_, at)) = &mut self.written {
                *at = now;
            }
            return None;
        };
        match &mut self.written {
            // It may have been heard.
            Some((_, at)) if matches!(error, ApiError::Unreachable(_)) => *at = now,
            written => *written = None,
        }
        self.wrote = None;
        self.retry.failed(error, now);
        // What somebody else has changed is looked at again; only what stays so is worth a word.
        let passes = matches!(
            error,
            ApiError::Conflict | ApiError::Gone | ApiError::Unreachable(_)
        );
        (!passes || self.retry.failures() > 3).then(|| error.to_string())
    }

    /// When to look again though nothing was heard.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let settled = [self.stands, self.ready, self.own].into_iter().flatten();
        let settled = settled.map(|at| at + SETTLED);
        let echo = self.written.as_ref().map(|(_, at)| *at + ECHO);
        let disputes = [&self.dispute, &self.rewritten].map(|it| it.yields_until(now));
        let rest = [echo, self.retry.at()].into_iter().chain(disputes);
        settled.chain(rest.flatten()).filter(|&at| at > now).min()
    }
}
