//! What can happen to a revision, in the words of those who see it. Times are nanoseconds since the
//! record began; requests go by their tickets.

use serde::{Deserialize, Serialize};

use super::{Decided, Ending, Fate, Phases, Reason, Recalled};

/// Something that happened to a revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Its requests are measured from now on.
    Opened,
    /// A request came and had a slot at once.
    Admitted {
        /// Its ticket.
        ticket: u64,
        /// Bytes of body that it announced.
        announced: u64,
        /// Whose slot.
        replica: u64,
    },
    /// A request came and waits.
    Queued {
        /// Its ticket.
        ticket: u64,
        /// Bytes of body that it announced.
        announced: u64,
    },
    /// A request came and was not taken.
    TurnedAway {
        /// Bytes of body that it announced.
        announced: u64,
        /// Why.
        reason: Reason,
    },
    /// A waiting request holds more than it announced.
    HeldMore {
        /// Its ticket.
        ticket: u64,
        /// How many bytes more.
        bytes: u64,
    },
    /// A waiting request has a slot.
    Seated {
        /// Its ticket.
        ticket: u64,
        /// Whose slot.
        replica: u64,
    },
    /// The replica of a slot could not be reached: the request waits again.
    Rebuffed {
        /// Its ticket.
        ticket: u64,
    },
    /// A request counts no longer as demand.
    Over {
        /// Its ticket.
        ticket: u64,
        /// It holds no slot from then on either.
        done: bool,
        /// How it ended.
        fate: Fate,
    },
    /// The slot of a request that was over before is given back.
    Vacated {
        /// Its ticket.
        ticket: u64,
    },
    /// A replica has come further.
    Replica {
        /// Its number.
        id: u64,
        /// How far.
        step: Step,
    },
    /// The demand was measured.
    Measured {
        /// Requests there at once since the last time, averaged.
        #[serde(with = "bits")]
        average_concurrency: f64,
        /// Requests that arrived since the last time.
        requests: u64,
        /// Requests there now.
        in_flight: u32,
        /// Since when nobody was there.
        idle_since: Option<u64>,
    },
    /// The demand was looked at without being measured.
    Looked {
        /// Requests there now.
        in_flight: u32,
        /// Since when nobody was there.
        idle_since: Option<u64>,
    },
    /// The autoscaler's loop turned, with what was measured or looked at before.
    Turned {
        /// The moment it works with.
        now: u64,
        /// It has just begun, and counts seconds from `now`.
        began: bool,
        /// What was read of the replicas themselves, where something was to be read.
        gauged: Vec<Option<f64>>,
    },
    /// And decided. `None` in a file: just as the last time.
    Decided(Option<Box<Decided>>),
    /// The settings were changed.
    Changed,
    /// So many events are missing here.
    Lost(u64),
    /// The autoscaler begins with what was remembered.
    Recalled(Box<Recalled>),
    /// The request that comes next does so on terms of its own.
    Terms {
        /// The number of its class.
        class: u8,
        /// The number of its tenant.
        tenant: u64,
        /// When its answer is of no more use, and whether that is the whole of it or its beginning.
        deadline: Option<(u64, bool)>,
    },
}

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Its start begins.
    Launched,
    /// It is ready.
    Ready(Phases),
    /// The throttler gives it requests from now on.
    Listed,
    /// It is given no more.
    Retired,
    /// Nothing is left of it.
    Gone(Ending),
}

impl Event {
    /// The ticket in it.
    pub(super) const fn ticket_mut(&mut self) -> Option<&mut u64> {
        match self {
            Self::Admitted { ticket, .. }
            | Self::Queued { ticket, .. }
            | Self::HeldMore { ticket, .. }
            | Self::Seated { ticket, .. }
            | Self::Rebuffed { ticket }
            | Self::Over { ticket, .. }
            | Self::Vacated { ticket } => Some(ticket),
            _ => None,
        }
    }

    /// The moment in it, other than its own.
    pub(super) const fn moment_mut(&mut self) -> Option<&mut u64> {
        match self {
            Self::Turned { now, .. } => Some(now),
            Self::Measured { idle_since, .. } | Self::Looked { idle_since, .. } => {
                idle_since.as_mut()
            }
            Self::Terms {
                deadline: Some((at, _)),
                ..
            } => Some(at),
            _ => None,
        }
    }
}

/// A number as its bits, the exponent last: what is 0 or small and whole takes few bytes.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        value.to_bits().swap_bytes().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(from)?.swap_bytes()))
    }
}
