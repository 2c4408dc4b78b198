//! A load out of a record: everybody comes, is answered and leaves as it was, every process starts
//! as it did. Where the record does not know what would have been, the usual stands in for it.

use std::time::{Duration, UNIX_EPOCH};

use super::{Arrival, Floor, Load, Reading, RevisionLoad, Start, Turns};
use crate::autoscale::Spec;
use crate::autoscaler::Gauged;
use crate::config::RevisionConfig;
use crate::ports::Missing;
use crate::revision::{RevisionId, ScaleMetric};
use crate::trace::{
    Cause, Ending, Fate, Moment, Reason, Replica, Request, RevisionTrace, Tick, Trace,
};

/// What was not waited for would have taken at least so much longer.
const LONGER: Duration = Duration::from_secs(1);

impl Load {
    /// What comes to these revisions is what came in the record. With the settings that were in
    /// force then, the same decisions are made at the same moments; how long things would have
    /// taken that were not waited for then is a guess: the middle of those that were.
    #[must_use]
    pub fn replay(trace: &Trace, revisions: &[RevisionConfig]) -> Self {
        let load = |recorded: &RevisionTrace| {
            let id = RevisionId::new(recorded.name.as_str());
            let config = revisions.iter().find(|config| config.spec.id == id)?;
            Some(revision(recorded, config, trace.length))
        };
        Self {
            length: trace.length,
            began: UNIX_EPOCH + Duration::from_millis(trace.began_unix_ms),
            revisions: trace.revisions.iter().filter_map(load).collect(),
        }
    }
}

fn revision(trace: &RevisionTrace, config: &RevisionConfig, end: Duration) -> RevisionLoad {
    let usual = middle(trace.requests.iter().filter_map(Request::occupied));
    let plain = config.spec.timeouts.total.unwrap_or(Duration::MAX);
    let requests = trace.requests.iter();
    let arrivals: Vec<Arrival> = requests
        .map(|request| arrival(request, usual, plain, end))
        .collect();
    let usual_start = middle(trace.replicas.iter().filter_map(took));
    let replicas = trace.replicas.iter();
    let starts: Vec<Start> = replicas.map(|r| start(r, usual_start, end)).collect();
    let mut starts = starts.into_iter();
    RevisionLoad {
        begins: trace.epoch.map_or(Duration::ZERO, Moment::at),
        arrivals: Box::new(arrivals.into_iter()),
        workers: Vec::new(),
        service: Box::new(move || usual),
        starts: Box::new(move || starts.next().unwrap_or(Start::ReadyAfter(usual_start))),
        gauged: Box::new(readings(trace, config).into_iter()),
        floors: floors(&trace.ticks),
        ..RevisionLoad::nobody(config.spec.id.clone())
    }
}

/// A request whose answer takes longer than a plain one may, or ends when its client leaves, is a
/// stream.
fn arrival(request: &Request, usual: Duration, plain: Duration, end: Duration) -> Arrival {
    let so_far = request
        .seated
        .map_or(Duration::ZERO, |seated| end.saturating_sub(seated.at()));
    let service = request
        .occupied()
        .unwrap_or_else(|| usual.max(so_far + LONGER));
    let over = request.over.map(Moment::at);
    let vacated = request.vacated.map(Moment::at);
    let given_up = match request.fate {
        Fate::ClientLeft => true,
        Fate::Refused(Reason::UpstreamTimeout) => false,
        _ => request.seated.is_some() && over < vacated,
    };
    let stream = match request.fate {
        Fate::Answered { .. } | Fate::Open => service > plain,
        Fate::Cut { .. } => true,
        Fate::ClientLeft => over == vacated,
        Fate::Refused(_) => false,
    };
    Arrival {
        at: request.arrived.at(),
        bytes: request.announced + request.held_more,
        service,
        patience: request.stayed().filter(|_| given_up),
        stream,
        turns: Turns {
            arrived: request.arrived.turn.get(),
            left: request.over.map_or(0, |over| over.turn.get()),
            done: request.vacated.map_or(0, |vacated| vacated.turn.get()),
        },
    }
}

fn start(replica: &Replica, usual: Duration, end: Duration) -> Start {
    if let Some(took) = took(replica) {
        return Start::ReadyAfter(took);
    }
    let gone = replica.gone.map_or(end, Moment::at);
    let lasted = gone.saturating_sub(replica.launched.at());
    match replica.ending {
        Ending::StartFailed => Start::FailsAfter(lasted),
        _ => Start::ReadyAfter(usual.max(lasted + LONGER)),
    }
}

/// How long a start took, if it came to its end.
fn took(replica: &Replica) -> Option<Duration> {
    let ready = replica.ready?.at();
    Some(ready.saturating_sub(replica.launched.at()))
}

/// What the replicas used and reported, named in the order of the settings.
fn readings(trace: &RevisionTrace, config: &RevisionConfig) -> Vec<Reading> {
    let spec = &config.spec;
    let spec = Spec::new(spec.scaling.clone(), spec.container_concurrency);
    let metrics = spec.metrics().map(|(metric, _)| metric);
    let gauged: Vec<&ScaleMetric> = metrics.filter(|m| !m.counts_requests()).collect();
    let reading = |tick: &Tick| match &tick.cause {
        Cause::Measured { gauged: values, .. } if !values.is_empty() => {
            let names = gauged.iter().copied().cloned();
            let values = values.iter().map(|value| value.ok_or(Missing::NotYet));
            Some(Reading {
                at: tick.now,
                gauged: Gauged(names.zip(values).collect()),
            })
        }
        _ => None,
    };
    trace.ticks.iter().filter_map(reading).collect()
}

/// The lower bounds that a schedule set, where they changed.
fn floors(ticks: &[Tick]) -> Vec<Floor> {
    let mut floors = Vec::new();
    let mut before = None;
    for tick in ticks {
        let Some(decided) = &tick.decided else {
            continue;
        };
        let least = decided.scheduled;
        if least != before {
            let from = tick.now;
            floors.push(Floor { from, least });
        }
        before = least;
    }
    floors
}

/// The one in the middle; zero where there is none.
fn middle(durations: impl Iterator<Item = Duration>) -> Duration {
    let mut sorted: Vec<Duration> = durations.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
