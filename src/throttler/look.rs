//! What can be read off a throttler: the demand for the autoscaler, the prospects for those who
//! wait, the numbers for the admin port.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Kept, Replica, Throttler, now};
use crate::admission::meter::Report;
use crate::admission::{Reading, Ticket};
use crate::autoscale::StartPhase;

/// How the replicas of a revision look to a waiting request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// When replicas began to serve; `None` while none does.
    pub warm_since: Option<Instant>,
    /// How long until a slot or a replica is likely, from measured times.
    pub estimate: Option<Duration>,
    /// How long until a replica on its way is likely to take requests, where its phases tell.
    pub expected: Option<Duration>,
    /// What seems to be wrong with a start that takes long.
    pub diagnosis: Option<String>,
    /// How far the replica has come that has come furthest of those on their way, where that is known.
    pub phase: Option<StartPhase>,
}

/// The demand on one revision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Over the time since the last one.
    pub report: Report,
    /// Requests here now, waiting or running for a client.
    pub in_flight: u32,
    /// Since when nobody is here; `None` while somebody is.
    pub idle_since: Option<Instant>,
    /// Replicas in service that are answering something.
    pub busy: u32,
    /// Another gateway answers requests and says nothing of them: there may be more.
    pub unheard: bool,
}

/// What a sample says that does not end one.
const NOTHING: Report = Report {
    average_concurrency: 0.0,
    requests: 0,
};

impl<C: Kept> Throttler<C> {
    /// What was measured since the last sample; the next one begins here.
    pub fn sample(&self) -> Sample {
        self.sample_with(|own| own)
    }

    /// The same with what is asked elsewhere: a record tells of the whole.
    pub fn sample_with(&self, whole: impl FnOnce(Sample) -> Sample) -> Sample {
        let mut state = self.state.lock();
        let now = now();
        let report = state.admission.report(now);
        let sample = whole(state.sample(report));
        sample.note(Some(sample.report), &state.tape, now);
        sample
    }

    /// The present demand, for a decision, without ending the sample that is being measured.
    pub fn peek(&self) -> Sample {
        self.peek_with(|own| own)
    }

    /// The same with what is asked elsewhere: a record tells of the whole.
    pub fn peek_with(&self, whole: impl FnOnce(Sample) -> Sample) -> Sample {
        let state = self.state.lock();
        let sample = whole(state.sample(NOTHING));
        sample.note(None, &state.tape, now());
        sample
    }

    /// The same for who only looks: no decision comes of it, and no record tells of it.
    pub fn glance(&self) -> Sample {
        self.state.lock().sample(NOTHING)
    }

    /// The present numbers.
    pub fn read(&self) -> Reading {
        self.state.lock().admission.read()
    }

    /// How things look to somebody who waits.
    pub fn outlook(&self) -> Outlook {
        let state = self.state.lock();
        let now = now();
        let starts = &state.starts;
        let remaining = |typical: Duration| {
            let spent = starts
                .since
                .map(|since| now.saturating_duration_since(since));
            typical.saturating_sub(spent.unwrap_or_default())
        };
        let expected = starts.expected.map(|at| at.saturating_duration_since(now));
        let estimate = match state.warm_since {
            Some(_) => state.admission.estimated_wait(),
            None => expected.or_else(|| starts.typical.map(remaining)),
        };
        Outlook {
            warm_since: state.warm_since,
            estimate,
            expected,
            diagnosis: state.diagnosis.clone(),
            phase: state.phase,
        }
    }

    /// How many are served before a ticket if nobody else comes, and it itself; `None` once it stands in
    /// line no longer.
    pub fn position(&self, ticket: Ticket) -> Option<usize> {
        let before = self.state.lock().admission.position(ticket, now())?;
        Some(before + 1)
    }

    /// No replica is in service, and it is not its owner who wants that.
    pub fn is_at_zero(&self) -> bool {
        let state = self.state.lock();
        let shut = state.outage.as_ref().is_some_and(|o| o.reason.shuts_out());
        state.warm_since.is_none() && !shut
    }

    /// Every replica that is ready, with what the data path keeps for it.
    pub fn replicas(&self) -> Vec<Arc<Replica<C>>> {
        self.state.lock().admission.every_kept().cloned().collect()
    }
}
