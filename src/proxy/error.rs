//! Every way in which a request can fail to be forwarded. A variant exists because it is answered
//! differently; [`rescue`](mod@super::rescue) makes the answers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use super::body::Cut;
use crate::admission::Full;
use crate::ports::{Outage, OutageReason};
use crate::revision::OverloadStatus;
use crate::stats::Codes;
use crate::trace::{Fate, Reason};

/// Why a request is answered by the gate instead of by a replica.
#[derive(Debug, Error)]
pub enum Refusal {
    /// No revision takes this host and path.
    #[error("no revision takes host {host:?} and path {path:?}")]
    NoRoute {
        /// The host asked for.
        host: String,
        /// The path asked for.
        path: String,
    },
    /// It can be read in more than one way.
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
    /// It came without a key, or with one that is none.
    #[error("wanted an API key, as Authorization: Bearer KEY, x-api-key: KEY or api-key: KEY")]
    Unauthorized,
    /// Its key does not open the revision.
    #[error("this API key does not open revision {revision}")]
    Forbidden {
        /// The revision asked for.
        revision: crate::revision::RevisionId,
    },
    /// What the request says leads nowhere; what was looked at.
    #[error("{0}")]
    Unnamed(String),
    /// The client has not sent in time what decides where its request goes.
    #[error("the body did not come within {0:?}")]
    BodyTimeout(Duration),
    /// The line is full.
    #[error("the queue is full{}", bound(*full))]
    QueueFull {
        /// By what.
        full: Full,
        /// What it is answered with.
        status: OverloadStatus,
        /// How long until a slot is likely.
        estimate: Option<Duration>,
    },
    /// The request's body is larger than allowed.
    #[error("the request body is larger than {limit} bytes")]
    BodyTooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// What the client sent as a body is none.
    #[error("the request body is malformed")]
    BodyMalformed,
    /// No slot came in time, though replicas are ready.
    #[error("no replica became free within {waited:?}")]
    QueueTimeout {
        /// The budget that ran out.
        waited: Duration,
        /// How long until a slot is likely.
        estimate: Option<Duration>,
    },
    /// It has a deadline, which passes before its answer can be there.
    #[error(
        "it could not be answered before its deadline{}",
        wait.map(|wait| format!(": it would wait {wait:.1?} for a replica")).unwrap_or_default()
    )]
    DeadlineUnmeetable {
        /// How long it would wait at least; `None` where it has waited in vain.
        wait: Option<Duration>,
    },
    /// No replica came in time.
    #[error("no replica became ready within {waited:?}{}", diagnosis.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    ColdStartTimeout {
        /// The budget that ran out.
        waited: Duration,
        /// What seems to be wrong.
        diagnosis: Option<String>,
        /// How long until a replica is likely.
        estimate: Option<Duration>,
    },
    /// No replica can come.
    #[error("{}", outage.detail)]
    Outage {
        /// Why.
        outage: Arc<Outage>,
        /// How long until a replica is likely after all.
        expected: Option<Duration>,
    },
    /// No replica could be reached.
    #[error("could not connect to a replica: {0}")]
    ConnectFailed(io::Error),
    /// The replica broke off before its first byte.
    #[error("the replica broke off before it answered: {0}")]
    UpstreamReset(hyper::Error),
    /// The replica changed to another protocol, and nobody had asked for one.
    #[error("the replica changed to a protocol that nobody had asked for")]
    Unasked,
    /// It wants to go on in another protocol, and its replicas are spoken to in HTTP/2.
    #[error(
        "no replica can change to another protocol (Upgrade): they are spoken to in HTTP/2 alone \
         (protocol: h2c)"
    )]
    NoUpgrade,
    /// The replica was silent too long.
    #[error("the replica did not answer within {0:?}")]
    UpstreamTimeout(Duration),
    /// The client left while its request was read.
    #[error("the client left")]
    ClientClosed,
}

fn bound(full: Full) -> &'static str {
    match full {
        Full::Requests => "",
        Full::Bytes => ": those who wait hold as many bytes as they may (queue.maxBytes)",
        Full::AllRequests => {
            ": as many requests wait as may for all revisions together (maxQueuedRequests)"
        }
        Full::AllBytes => {
            ": those who wait for all revisions hold as many bytes as they may (maxQueuedBytes)"
        }
    }
}

/// How long to wait for what may end by itself, where nobody knows when: an image that is pushed, a node
/// that is given back.
const A_WHILE: Duration = Duration::from_secs(30);

/// A request whose body ended before its end.
impl From<&Cut> for Refusal {
    fn from(cut: &Cut) -> Self {
        match cut {
            Cut::TooLarge(limit) => Self::BodyTooLarge { limit: *limit },
            Cut::Malformed(_) => Self::BodyMalformed,
            _ => Self::ClientClosed,
        }
    }
}

impl Refusal {
    /// The status, and the word in `x-holdgate-reason`, metrics and logs.
    #[must_use]
    pub(super) fn status_and_reason(&self) -> (u16, &'static str) {
        match self {
            Self::Malformed(_) => (400, "request_malformed"),
            Self::Unauthorized => (401, "unauthorized"),
            Self::Forbidden { .. } => (403, "forbidden"),
            Self::NoRoute { .. } | Self::Unnamed(_) => (404, "no_route"),
            Self::BodyTimeout(_) => (408, "body_timeout"),
            Self::QueueFull {
                status: OverloadStatus::TooManyRequests,
                ..
            } => (429, "queue_full"),
            Self::QueueFull {
                status: OverloadStatus::ServiceUnavailable,
                ..
            } => (503, "queue_full"),
            Self::BodyTooLarge { .. } => (413, "body_too_large"),
            Self::BodyMalformed => (400, "body_malformed"),
            Self::DeadlineUnmeetable { .. } => (504, "deadline_unmeetable"),
            Self::QueueTimeout { .. } => (504, "queue_timeout"),
            Self::ColdStartTimeout { .. } => (504, "cold_start_timeout"),
            Self::Outage { outage, .. } => match outage.reason {
                OutageReason::Removed => (404, outage.reason.as_str()),
                reason => (503, reason.as_str()),
            },
            Self::ConnectFailed(_) => (502, "connect_failed"),
            Self::UpstreamReset(_) | Self::Unasked => (502, "upstream_reset"),
            Self::NoUpgrade => (501, "upgrade_unsupported"),
            Self::UpstreamTimeout(_) => (504, "upstream_timeout"),
            Self::ClientClosed => (Codes::CLIENT_CLOSED, "client_closed"),
        }
    }

    /// How the request has ended, for a record.
    pub(super) fn fate(&self) -> Fate {
        match self.status_and_reason() {
            (Codes::CLIENT_CLOSED, _) => Fate::ClientLeft,
            (_, reason) => Fate::Refused(Reason::named(reason)),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub(super) fn status(&self) -> StatusCode {
        let (code, _) = self.status_and_reason();
        StatusCode::from_u16(code).expect("the table holds valid codes")
    }

    /// How long a client should wait before it tries again; `None` where waiting does not help.
    #[must_use]
    pub(super) fn retry_after(&self, now: std::time::Instant) -> Option<Duration> {
        match self {
            Self::QueueFull { estimate, .. }
            | Self::QueueTimeout { estimate, .. }
            | Self::ColdStartTimeout { estimate, .. } => Some(estimate.unwrap_or_default()),
            Self::DeadlineUnmeetable { wait } => Some(wait.unwrap_or_default()),
            // What its owner has ended does not come back by waiting.
            Self::Outage { outage, .. } if outage.reason.shuts_out() => None,
            Self::Outage { outage, expected } => {
                let next = outage.next_attempt;
                let next = next.map(|at| at.saturating_duration_since(now));
                // Elsewhere there may be another gate.
                let elsewhere = outage.reason == OutageReason::Draining;
                let otherwise = if elsewhere { Duration::ZERO } else { A_WHILE };
                Some(next.or(*expected).unwrap_or(otherwise))
            }
            Self::ConnectFailed(_) => Some(Duration::ZERO),
            Self::NoRoute { .. }
            | Self::Malformed(_)
            | Self::Unauthorized
            | Self::Forbidden { .. }
            | Self::Unnamed(_)
            | Self::BodyTimeout(_)
            | Self::BodyTooLarge { .. }
            | Self::BodyMalformed
            | Self::UpstreamReset(_)
            | Self::Unasked
            | Self::NoUpgrade
            | Self::UpstreamTimeout(_)
            | Self::ClientClosed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::now;
    use OutageReason::{ColdStartFailed, Draining, Removed, Stopped, Unschedulable};

    #[test]
    fn of_an_outage_the_next_attempt_counts_then_what_is_expected_then_a_while() {
        let now = now();
        let seconds = |n: u64| Duration::from_secs(n);
        let check = |reason, next: Option<u64>, expected: Option<u64>, want: Option<u64>| {
            let outage = Arc::new(Outage {
                reason,
                detail: String::new(),
                next_attempt: next.map(|n| now + seconds(n)),
            });
            let expected = expected.map(seconds);
            let refusal = Refusal::Outage { outage, expected };
            assert_eq!(refusal.retry_after(now), want.map(seconds), "{refusal:?}");
        };
        //                     next     expected   wait
        check(ColdStartFailed, Some(7), Some(100), Some(7));
        check(ColdStartFailed, None, Some(100), Some(100));
        check(ColdStartFailed, None, None, Some(30));
        check(Unschedulable, Some(0), None, Some(0));
        check(Unschedulable, None, Some(100), Some(100));
        check(Unschedulable, None, None, Some(30));
        check(Draining, None, None, Some(0));
        check(Stopped, Some(7), Some(100), None);
        check(Removed, None, Some(100), None);
    }
}
