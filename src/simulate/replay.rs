//! A load out of a record: everybody comes, is answered and leaves as it was, every process starts
//! as it did. Where the record does not know what would have been, the usual stands in for it.

use std::time::Duration;

use super::beats::Recorded;
use super::order::Order;
use super::{Arrival, AsRecorded, Beat, Floor, Load, Reading, RevisionLoad, Start, Turns};
use crate::autoscale::Spec;
use crate::autoscaler::Gauged;
use crate::config::RevisionConfig;
use crate::ports::Missing;
use crate::revision::{RevisionId, ScaleMetric};
use crate::trace::{
    Cause, Ending, Fate, Moment, Phases, Reason, Replica, Request, RevisionTrace, Tick, Trace,
};

/// A process that was started later than that after something had happened was not started for it.
const PROMPT: Duration = Duration::from_millis(500);
/// The same once starts have failed: most later ones wait for the time of another attempt.
const PROMPT_IN_TROUBLE: Duration = Duration::from_millis(20);

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
            began: trace.began(),
            revisions: trace.revisions.iter().filter_map(load).collect(),
        }
    }
}

fn revision(trace: &RevisionTrace, config: &RevisionConfig, end: Duration) -> RevisionLoad {
    let order = Order::of(trace);
    let requests = trace.requests.iter();
    let usual = middle(requests.clone().filter_map(Request::occupied));
    let known = Known {
        usual,
        plain: config.spec.timeouts.total.unwrap_or(Duration::MAX),
        order: &order,
        end,
    };
    let arrivals: Vec<Arrival> = requests.map(|request| known.arrival(request)).collect();
    let mut starts = starts(trace, &order, end);
    let usual_start = middle(trace.replicas.iter().filter_map(took));
    let began = |tick: &&Tick| tick.cause == Cause::Began;
    let measured = |tick: &&Tick| matches!(tick.cause, Cause::Measured { .. });
    let poked = |tick: &&Tick| tick.cause == Cause::Poked;
    let spec = Spec::new(
        config.spec.scaling.clone(),
        config.spec.container_concurrency,
    );
    let recalled = trace.recalled.as_ref();
    let first = trace.ticks.iter().find_map(|tick| tick.decided.as_ref());
    let begins = trace.epoch.map_or(Duration::ZERO, Moment::at);
    RevisionLoad {
        opened: trace.opened.map_or(begins, |opened| order.at(opened)),
        begins,
        beats: beats(trace, &order, |tick| began(tick) || measured(tick)),
        pokes: beats(trace, &order, poked),
        recalled: recalled.map(|recalled| recalled.memory(&spec)),
        typical_start: first.and_then(|first| first.typical_start),
        arrivals: Box::new(arrivals.into_iter()),
        workers: Vec::new(),
        service: Box::new(move || usual),
        starts: Box::new(move || starts.next().unwrap_or(Start::ReadyAfter(usual_start))),
        gauged: Box::new(readings(trace, config).into_iter()),
        floors: floors(&trace.ticks),
        ..RevisionLoad::nobody(config.spec.id.clone())
    }
}

/// The turns of the autoscaler that are of one kind.
fn beats(trace: &RevisionTrace, order: &Order, of: impl Fn(&&Tick) -> bool) -> Recorded {
    let beat = |tick: &Tick| Beat {
        sampled: order.at(tick.sampled),
        turn: tick.sampled.turn.get(),
        now: tick.now,
    };
    let beats: Vec<Beat> = trace.ticks.iter().filter(of).map(beat).collect();
    Box::new(beats.into_iter())
}

/// What is known of all requests of a revision.
struct Known<'a> {
    /// How long an answer usually took.
    usual: Duration,
    /// How long one may take that is no stream.
    plain: Duration,
    order: &'a Order,
    end: Duration,
}

impl Known<'_> {
    fn at(&self, moment: Option<Moment>) -> Option<Duration> {
        moment.map(|moment| self.order.at(moment))
    }

    /// A request whose answer takes longer than a plain one may, or ends when its client leaves, is
    /// a stream.
    fn arrival(&self, request: &Request) -> Arrival {
        let arrived = self.order.at(request.arrived);
        let [seated, over, vacated] =
            [request.seated, request.over, request.vacated].map(|moment| self.at(moment));
        let so_far = seated.map_or(Duration::ZERO, |seated| self.end.saturating_sub(seated));
        let service = vacated.and_then(|vacated| Some(vacated.saturating_sub(seated?)));
        let service = service.unwrap_or_else(|| self.usual.max(so_far + LONGER));
        let at_once = request.over == request.vacated;
        let given_up = match request.fate {
            Fate::ClientLeft => true,
            Fate::Refused(Reason::UpstreamTimeout) => false,
            _ => request.seated.is_some() && request.over < request.vacated,
        };
        let stream = match request.fate {
            Fate::Answered { .. } | Fate::Open => service > self.plain,
            Fate::Cut { .. } => true,
            Fate::ClientLeft => at_once,
            Fate::Refused(_) => false,
        };
        Arrival {
            at: arrived,
            bytes: request.announced + request.held_more,
            service,
            patience: over
                .map(|over| over.saturating_sub(arrived))
                .filter(|_| given_up),
            stream,
            standing: request.standing,
            turns: Turns {
                arrived: request.arrived.turn.get(),
                left: request.over.map_or(0, |over| over.turn.get()),
                done: request.vacated.map_or(0, |vacated| vacated.turn.get()),
            },
        }
    }
}

/// What every process did that was started.
fn starts(
    trace: &RevisionTrace,
    order: &Order,
    end: Duration,
) -> impl Iterator<Item = Start> + Send + use<> {
    let usual = middle(trace.replicas.iter().filter_map(took));
    let start = |replica: &Replica| {
        let Some(ready) = replica.ready else {
            return failed(replica, usual, end);
        };
        let took = order.between(replica.launched, ready);
        Start::AsRecorded(AsRecorded {
            launch: prompt(trace, order, replica),
            took,
            counted: replica.phases.map_or(took, Phases::total),
            listed: replica
                .listed
                .map_or(Duration::ZERO, |listed| order.between(ready, listed)),
        })
    };
    let starts: Vec<Start> = trace.replicas.iter().map(start).collect();
    starts.into_iter()
}

fn failed(replica: &Replica, usual: Duration, end: Duration) -> Start {
    let gone = replica.gone.map_or(end, Moment::at);
    let lasted = gone.saturating_sub(replica.launched.at());
    match replica.ending {
        Ending::StartFailed => Start::FailsAfter(lasted),
        _ => Start::ReadyAfter(usual.max(lasted + LONGER)),
    }
}

/// How long after it was wanted a process was started.
fn prompt(trace: &RevisionTrace, order: &Order, replica: &Replica) -> Duration {
    let asked = |tick: &&Tick| tick.decided.as_ref().is_some_and(|decided| decided.asked);
    let mut before = trace.ticks.iter().rev();
    let wanted = before.find(|tick| tick.sampled < replica.launched && asked(tick));
    let wanted = wanted.map(|tick| tick.sampled);
    let others = trace.replicas.iter();
    let others = others.flat_map(|other| [other.ready, other.gone]).flatten();
    let others = others.filter(|moment| *moment < replica.launched);
    let cause = others.chain(wanted).max();
    let late = cause.map(|cause| order.between(cause, replica.launched));
    let mut others = trace.replicas.iter();
    let failed = others.any(|r| r.ending == Ending::StartFailed && r.gone < Some(replica.launched));
    let prompt = if failed { PROMPT_IN_TROUBLE } else { PROMPT };
    late.filter(|late| *late < prompt).unwrap_or_default()
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
