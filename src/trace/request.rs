//! One request of a record.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::admission::{Class, Tenant};

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it came.
    pub arrived: Moment,
    /// On what terms it came.
    pub standing: Standing,
    /// Bytes of body that it announced to the line. More than `queue.readAhead` is not announced.
    pub announced: u64,
    /// Bytes that it held beyond that while it waited.
    pub held_more: u64,
    /// When it took the slot that it was answered from; `None` if it never had one.
    pub seated: Option<Moment>,
    /// The replica of that slot.
    pub replica: Option<u64>,
    /// From when on it counted as demand no longer: answered, refused, or its client had left.
    /// `None` if it was there when the record ended.
    pub over: Option<Moment>,
    /// When its slot was given back; later than `over` where the replica went on working for nobody.
    pub vacated: Option<Moment>,
    /// Replicas that could not be reached for it before.
    pub rebuffs: u32,
    /// How it ended.
    pub fate: Fate,
}

/// On what terms a request came. Whose it was is a number that means nothing outside its record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How important it was.
    pub class: Class,
    /// Whose it was.
    pub tenant: Tenant,
    /// How long after its arrival the answer was of use, and whether that is all of it or its beginning.
    pub within: Option<(Duration, bool)>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// It was there when the record ended, or the end was not recorded.
    Open,
    /// A replica answered it with this status and so many bytes of body.
    Answered {
        /// The status.
        code: u16,
        /// Bytes of its body.
        sent: u64,
    },
    /// The answer broke off after so many bytes of body.
    Cut {
        /// The status it had begun with.
        code: u16,
        /// Bytes of body before that.
        sent: u64,
    },
    /// The gate answered it, for this reason.
    Refused(Reason),
    /// Its client left, while it waited or was being answered.
    ClientLeft,
}

impl Request {
    /// How long it waited for its slot; `None` if it never had one.
    #[must_use]
    pub fn waited(&self) -> Option<Duration> {
        let seated = self.seated?.at();
        Some(seated.saturating_sub(self.arrived.at()))
    }

    /// How long it occupied its slot; `None` if it had none, or had it when the record ended.
    #[must_use]
    pub fn occupied(&self) -> Option<Duration> {
        Some(self.vacated?.at().saturating_sub(self.seated?.at()))
    }

    /// How long its client was there.
    #[must_use]
    pub fn stayed(&self) -> Option<Duration> {
        Some(self.over?.at().saturating_sub(self.arrived.at()))
    }
}

/// Why the gate answered a request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// None of the others.
    Other,
    /// The line was full, by count or by bytes.
    QueueFull,
    /// No slot came in time, though replicas were ready.
    QueueTimeout,
    /// No replica came in time.
    ColdStartTimeout,
    /// Several starts in a row had failed.
    ColdStartFailed,
    /// The gate was going away.
    Draining,
    /// No replica could be reached.
    ConnectFailed,
    /// The replica broke off before its first byte.
    UpstreamReset,
    /// The replica was silent too long.
    UpstreamTimeout,
    /// Its body was larger than allowed.
    BodyTooLarge,
    /// Its body was none.
    BodyMalformed,
    /// The revision's owner wanted none.
    Stopped,
    /// The revision was gone.
    NoRoute,
    /// No machine had room for a replica, or a quota did not let one be made.
    Unschedulable,
    /// Its deadline would have passed, or has passed, before its answer was there.
    DeadlineUnmeetable,
}

impl Reason {
    const WORDS: [(&'static str, Self); 14] = [
        ("queue_full", Self::QueueFull),
        ("queue_timeout", Self::QueueTimeout),
        ("cold_start_timeout", Self::ColdStartTimeout),
        ("cold_start_failed", Self::ColdStartFailed),
        ("draining", Self::Draining),
        ("connect_failed", Self::ConnectFailed),
        ("upstream_reset", Self::UpstreamReset),
        ("upstream_timeout", Self::UpstreamTimeout),
        ("body_too_large", Self::BodyTooLarge),
        ("body_malformed", Self::BodyMalformed),
        ("stopped", Self::Stopped),
        ("no_route", Self::NoRoute),
        ("unschedulable", Self::Unschedulable),
        ("deadline_unmeetable", Self::DeadlineUnmeetable),
    ];

    /// By its word in refusals and metrics.
    #[must_use]
    pub fn named(word: &str) -> Self {
        let known = Self::WORDS.iter().find(|(known, _)| *known == word);
        known.map_or(Self::Other, |(_, reason)| *reason)
    }

    /// The word in refusals and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(_, known)| *known == self);
        known.map_or("other", |(word, _)| word)
    }
}
