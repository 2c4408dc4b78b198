//! What is asked of all members together, beside what is asked of the leader itself.

use std::time::Instant;

use crate::admission::meter;
use crate::throttler::Sample;

/// What is asked of all members together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    pub(super) average_concurrency: f64,
    pub(super) requests: u64,
    pub(super) in_flight: u32,
    pub(super) idle_since: Idle,
    /// Replicas that are busy here or there.
    pub(super) busy: u32,
}

/// Since when nobody is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Idle {
    /// There is nobody who could tell of anybody.
    #[default]
    Always,
    Since(Instant),
    Never,
}

impl Others {
    /// Together with what is asked of this gateway.
    pub(super) fn with(self, own: Sample) -> Sample {
        let report = meter::Report {
            average_concurrency: own.report.average_concurrency + self.average_concurrency,
            requests: own.report.requests + self.requests,
        };
        let idle_since = match self.idle_since {
            Idle::Always => own.idle_since,
            Idle::Since(since) => own.idle_since.map(|own| own.max(since)),
            Idle::Never => None,
        };
        Sample {
            report,
            in_flight: own.in_flight.saturating_add(self.in_flight),
            idle_since,
            busy: self.busy.max(own.busy),
            unheard: own.unheard,
        }
    }
}
