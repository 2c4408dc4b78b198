//! The life of one replica in a record.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Moment;

/// The life of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its number, unique within the revision.
    pub id: u64,
    /// When its start began; the beginning of the record if it was there before.
    pub launched: Moment,
    /// How long each phase of its start took; `None` if it never became ready, or was before the
    /// record.
    pub phases: Option<Phases>,
    /// When the backend knew that it is ready.
    pub ready: Option<Moment>,
    /// From when on the throttler gave it requests.
    pub listed: Option<Moment>,
    /// From when on it was given no more, unless it was taken back into service.
    pub retired: Option<Moment>,
    /// When nothing was left of it. A place or a device is free again from then on.
    pub gone: Option<Moment>,
    /// What became of it.
    pub ending: Ending,
}

/// How long each phase of a start took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Until its command ran.
    pub spawn: Duration,
    /// From then until it accepted a connection.
    pub listen: Duration,
    /// From then until it was ready.
    pub ready: Duration,
}

impl Phases {
    /// From launch until ready.
    #[must_use]
    pub fn total(self) -> Duration {
        self.spawn + self.listen + self.ready
    }
}

/// What became of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It was there when the record ended.
    #[default]
    Running,
    /// It was ready, and stopped because it was not wanted any more.
    Stopped,
    /// It was stopped before it was ready.
    TakenBack,
    /// It died, or was given up, before it was ready.
    StartFailed,
    /// It was ready, and died or hung.
    Lost,
}
