//! What is known of the number that a workload is asked for: what was seen, what we wrote and have not
//! seen yet, and when it may be written again. Somebody else's changes are noticed here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::kubernetes::dispute::{Answer, Dispute};
use crate::backend::kubernetes::objects::Workload;
use crate::backend::kubernetes::retry::Retry;
use crate::backend::kubernetes::seams::ApiError;

/// So long what was written is believed before it is seen.
pub(super) const ECHO: Duration = Duration::from_secs(2);
/// After a conflict whoever does not hear of the change tries again.
const DEAF: Duration = Duration::from_secs(1);
/// What it means that something cannot be scaled that is there.
const NO_SCALE: &str = "the API server knows no scale subresource of it";

/// The number of one workload.
#[derive(Debug, Default)]
pub(super) struct Number {
    workload: Option<Arc<str>>,
    known: Option<u32>,
    put: Option<Put>,
    asking: Option<u32>,
    /// Was asked for, and nobody said whether it was heard.
    unanswered: Option<u32>,
    /// When it was last changed by anybody.
    changed_at: Option<Instant>,
    conflict: Option<(Arc<str>, Instant)>,
    retry: Retry,
    trouble: Option<String>,
    dispute: Dispute,
}

/// A number that was written and has not been seen.
#[derive(Clone, Copy, Debug)]
struct Put {
    from: u32,
    to: u32,
    until: Instant,
}

/// Somebody else changed the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Number {
    /// The workload as it is seen.
    pub(super) fn see(&mut self, workload: &Workload, now: Instant) -> Option<Foreign> {
        let seen = workload.replicas;
        if self.workload.as_ref() != Some(&workload.at.uid) {
            *self = Self {
                workload: Some(workload.at.uid.clone()),
                known: Some(seen),
                ..Self::default()
            };
            return None;
        }
        if let Some(put) = self.put {
            if seen == put.from && seen != put.to && now < put.until {
                return None;
            }
            self.put = None;
        }
        let from = self.known.replace(seen).filter(|&known| known != seen)?;
        self.changed_at = Some(now);
        // Our own call may be seen before it returns, or though it never does.
        let late = self.unanswered.take_if(|asked| *asked == seen);
        let foreign = self.asking != Some(seen) && late.is_none();
        foreign.then_some(Foreign { from, to: seen })
    }

    /// The number as far as it is known. While nobody tells of changes, what was written last holds.
    pub(super) fn present(&self, seen: u32, fresh: bool, now: Instant) -> u32 {
        match self.put {
            Some(put) if seen == put.from && (now < put.until || !fresh) => put.to,
            _ => seen,
        }
    }

    /// The API server answers again: what it did not take while it was away is not held against it.
    pub(super) fn try_at_once(&mut self) {
        self.retry.forget();
    }

    /// Whether it may be written now.
    pub(super) fn may_ask(&self, workload: &Workload, now: Instant) -> bool {
        let deaf = |(version, at): &(Arc<str>, Instant)| {
            *version == workload.resource_version && now < *at + DEAF
        };
        let echoing = self.put.is_some_and(|put| now < put.until);
        self.asking.is_none()
            && !echoing
            && !self.conflict.as_ref().is_some_and(deaf)
            && self.retry.may(now)
            && self.dispute.yields_until(now).is_none()
    }

    /// It is being written.
    pub(super) fn ask(&mut self, to: u32) {
        self.asking = Some(to);
    }

    /// It was written, or not. Returns from what to what it was changed, if it was.
    pub(super) fn answered(
        &mut self,
        result: &Result<(), ApiError>,
        workload: &Workload,
        now: Instant,
    ) -> Option<(u32, u32)> {
        let to = self.asking.take()?;
        match result {
            Ok(()) => {
                let from = workload.replicas;
                // It may have been seen before the call returned.
                if self.known != Some(to) {
                    let until = now + ECHO;
                    self.put = Some(Put { from, to, until });
                    self.known = Some(to);
                }
                self.changed_at = Some(now);
                self.retry.forget();
                (self.conflict, self.unanswered, self.trouble) = (None, None, None);
                Some((from, to))
            }
            Err(error) if self.is_changed(workload, error) => {
                self.conflict = Some((workload.resource_version.clone(), now));
                None
            }
            Err(error) => {
                if matches!(error, ApiError::Unreachable(_)) {
                    // It may have been heard.
                    (self.unanswered, self.changed_at) = (Some(to), Some(now));
                }
                self.retry.failed(error, now);
                self.trouble = Some(match error {
                    ApiError::Gone => NO_SCALE.to_owned(),
                    error => error.to_string(),
                });
                None
            }
        }
    }

    /// It is not any more as it was seen, of which news is on the way. One that is gone again and again,
    /// and still seen, is there.
    fn is_changed(&self, workload: &Workload, error: &ApiError) -> bool {
        let told = |(version, _): &(Arc<str>, Instant)| *version == workload.resource_version;
        match error {
            ApiError::Conflict => true,
            ApiError::Gone => !self.conflict.as_ref().is_some_and(told),
            _ => false,
        }
    }

    /// What keeps it from being written, in the API server's words.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Somebody else wants another number than we do.
    pub(super) fn dispute(&mut self, now: Instant) -> Answer {
        self.dispute.again(now)
    }

    /// Until when somebody else's number is left as it is.
    pub(super) fn yields_until(&self, now: Instant) -> Option<Instant> {
        self.dispute.yields_until(now)
    }

    /// Nobody has changed it for so long that its controller must have heard.
    pub(super) fn has_settled(&self, now: Instant) -> bool {
        self.changed_at.is_none_or(|at| now >= at + ECHO)
    }

    /// When to look again.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let echo = self.put.map(|put| put.until);
        let deaf = self.conflict.as_ref().map(|(_, at)| *at + DEAF);
        let settled = self.changed_at.map(|at| at + ECHO);
        let yields = self.dispute.yields_until(now);
        let all = [echo, deaf, settled, self.retry.at(), yields];
        all.into_iter().flatten().filter(|&at| at > now).min()
    }
}
