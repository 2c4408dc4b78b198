//! What can be read off a throttler: the demand for the autoscaler, the prospects for those who
//! wait, the numbers for the admin port.

use std::sync::Arc;
use std::time::Duration;

use super::{Kept, Outlook, Replica, Sample, Throttler, now};
use crate::admission::Reading;
use crate::admission::meter::Report;

/// What a sample says that does not end one.
const NOTHING: Report = Report {
    average_concurrency: 0.0,
    requests: 0,
};

impl<C: Kept> Throttler<C> {
    /// What was measured since the last sample; the next one begins here.
    pub fn sample(&self) -> Sample {
        let mut state = self.state.lock();
        let now = now();
        let report = state.admission.report(now);
        let sample = state.sample(report);
        sample.note(Some(report), &state.tape, now);
        sample
    }

    /// The present demand, for a decision, without ending the sample that is being measured.
    pub fn peek(&self) -> Sample {
        let state = self.state.lock();
        let sample = state.sample(NOTHING);
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
        let remaining = |typical: Duration| {
            let spent = state
                .starting_since
                .map(|since| now.saturating_duration_since(since));
            typical.saturating_sub(spent.unwrap_or_default())
        };
        let expected = state.expected.map(|at| at.saturating_duration_since(now));
        let estimate = match state.warm_since {
            Some(_) => state.admission.estimated_wait(),
            None => expected.or_else(|| state.typical_start.map(remaining)),
        };
        Outlook {
            warm_since: state.warm_since,
            estimate,
            expected,
            diagnosis: state.diagnosis.clone(),
        }
    }

    /// Every replica that is ready, with what the data path keeps for it.
    pub fn replicas(&self) -> Vec<Arc<Replica<C>>> {
        self.state.lock().admission.every_kept().cloned().collect()
    }
}
