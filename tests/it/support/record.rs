//! What the autoscaler measured, as a record tells it, and computed again from its requests.

use holdgate::admission::meter::Meter;
use holdgate::trace::{Cause, Moment, Request, RevisionTrace};

use crate::clock::Clock;

/// The measurements of the autoscaler, computed again from the requests alone.
pub(crate) fn measured_again(revision: &RevisionTrace) -> Vec<(u64, u64)> {
    enum Event {
        Arrives,
        Leaves,
        Sample,
    }
    let clock = Clock::start();
    let at = |moment: Moment| clock.epoch + moment.at();
    let mut events = Vec::new();
    for request in revision.requests.iter().filter(|r| was_taken(r)) {
        events.push((request.arrived, Event::Arrives));
        events.extend(request.over.map(|over| (over, Event::Leaves)));
    }
    let measured = |cause: &Cause| matches!(cause, Cause::Measured { .. });
    let ticks = revision.ticks.iter().filter(|tick| measured(&tick.cause));
    events.extend(ticks.map(|tick| (tick.sampled, Event::Sample)));
    events.sort_by_key(|(moment, _)| *moment);
    let mut meter = Meter::new(at(revision.opened.expect("from the beginning")));
    let mut reports = Vec::new();
    for (moment, event) in events {
        match event {
            Event::Arrives => meter.arrive(at(moment)),
            Event::Leaves => meter.leave(at(moment)),
            Event::Sample => {
                let report = meter.report(at(moment));
                reports.push((report.average_concurrency.to_bits(), report.requests));
            }
        }
    }
    reports
}

/// It was there at all: not turned away on arrival.
pub(crate) fn was_taken(request: &Request) -> bool {
    request.over != Some(request.arrived)
}

/// The measurements as they were recorded.
pub(crate) fn measured(revision: &RevisionTrace) -> Vec<(u64, u64)> {
    let measured = |cause: &Cause| match cause {
        Cause::Measured {
            average_concurrency,
            requests,
            ..
        } => Some((average_concurrency.to_bits(), *requests)),
        Cause::Began | Cause::Poked => None,
    };
    let ticks = revision.ticks.iter();
    ticks.filter_map(|tick| measured(&tick.cause)).collect()
}
