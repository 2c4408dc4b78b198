//! Which metrics there are: names, labels and where each number is found.

use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;

use super::board::{Metric, Present, Steered};
use crate::autoscale::{Mode, StartPhase};
use crate::ports::{Hindrance, ReplicaState};
use crate::stats::{START_RESULTS, Stats, WaitOutcome};

/// One metric of every revision.
pub(super) struct Family {
    /// As it is written; a counter then gets the suffix `_total`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    /// The label beside `revision`; empty if there is none.
    pub(super) label: &'static str,
    /// Requests that no revision takes have a part in it, under an empty name, and so have those that
    /// find one that is left alone.
    pub(super) unrouted: bool,
    pub(super) read: Read,
}

/// Where its numbers are found, each with the value of the label.
pub(super) enum Read {
    /// What is not known is left out.
    Gauge(fn(&Present) -> Vec<(&str, f64)>),
    Counter(fn(&Stats) -> Vec<(String, u64)>),
    Histogram(fn(&Stats) -> Vec<(&'static str, &Histogram)>),
}

impl Read {
    pub(super) const fn metric_type(&self) -> MetricType {
        match self {
            Self::Gauge(_) => MetricType::Gauge,
            Self::Counter(_) => MetricType::Counter,
            Self::Histogram(_) => MetricType::Histogram,
        }
    }
}

pub(super) const FAMILIES: [Family; 18] = [
    Family {
        name: "holdgate_requests",
        help: "Requests that ended, by status; 499 is a client that left",
        label: "code",
        unrouted: true,
        read: Read::Counter(|stats| {
            let codes = stats.codes.iter();
            codes.map(|(code, n)| (code.to_string(), n)).collect()
        }),
    },
    Family {
        name: "holdgate_request_duration_seconds",
        help: "From arrival to the last byte",
        label: "",
        unrouted: true,
        read: Read::Histogram(|stats| vec![("", &stats.duration)]),
    },
    Family {
        name: "holdgate_queue_depth",
        help: "Requests waiting",
        label: "",
        unrouted: false,
        read: Read::Gauge(|present| one(count(present.reading.waiting as u64))),
    },
    Family {
        name: "holdgate_queue_bytes",
        help: "Bytes of bodies that waiting requests hold or have announced",
        label: "",
        unrouted: false,
        read: Read::Gauge(|present| one(count(present.reading.waiting_bytes))),
    },
    Family {
        name: "holdgate_queue_wait_seconds",
        help: "From arrival to the end of the wait, for requests that waited",
        label: "outcome",
        unrouted: false,
        read: Read::Histogram(|stats| {
            let outcomes = WaitOutcome::ALL.map(WaitOutcome::as_str);
            outcomes.into_iter().zip(&stats.waits).collect()
        }),
    },
    Family {
        name: "holdgate_in_flight",
        help: "Slots occupied, over all replicas",
        label: "",
        unrouted: false,
        read: Read::Gauge(|present| one(present.reading.running.into())),
    },
    Family {
        name: "holdgate_concurrency_limit",
        help: "The hard limit of requests at one replica; 0 is none",
        label: "",
        unrouted: false,
        read: Read::Gauge(|present| {
            let limit = present.revision.spec.container_concurrency;
            one(limit.written().into())
        }),
    },
    Family {
        name: "holdgate_rejections",
        help: "Requests answered by the gate itself",
        label: "reason",
        unrouted: true,
        read: Read::Counter(|stats| by_word(stats.rejections.read())),
    },
    Family {
        name: "holdgate_cold_starts",
        help: "Starts of replicas that came to an end",
        label: "result",
        unrouted: false,
        read: Read::Counter(|stats| {
            let ended = START_RESULTS.into_iter().zip(&stats.cold_starts);
            by_word(ended.map(|(result, n)| (result, n.get())))
        }),
    },
    Family {
        name: "holdgate_cold_start_seconds",
        help: "Until a replica that was started listens, and from then until it is ready",
        label: "phase",
        unrouted: false,
        read: Read::Histogram(|stats| {
            let phases = StartPhase::ALL.map(StartPhase::as_str);
            phases.into_iter().zip(&stats.start_phases).collect()
        }),
    },
    Family {
        name: "holdgate_replicas",
        help: "Replicas there are, and that there should be",
        label: "state",
        unrouted: false,
        read: Read::Gauge(replicas),
    },
    Family {
        name: "holdgate_replicas_kept",
        help: "Replicas that are wanted and do not come, by what keeps them; none is left out",
        label: "reason",
        unrouted: false,
        read: Read::Gauge(kept),
    },
    Family {
        name: "holdgate_autoscaler_stable",
        help: "The average over the stable window, of each metric that is averaged",
        label: "metric",
        unrouted: false,
        read: Read::Gauge(|present| by_metric(present, |m| m.averages.map(|a| a.stable))),
    },
    Family {
        name: "holdgate_autoscaler_panic",
        help: "The average over the panic window, of each metric that is averaged",
        label: "metric",
        unrouted: false,
        read: Read::Gauge(|present| by_metric(present, |m| m.averages.map(|a| a.panic))),
    },
    Family {
        name: "holdgate_autoscaler_target",
        help: "What one replica should carry, in the unit of the averages",
        label: "metric",
        unrouted: false,
        read: Read::Gauge(|present| by_metric(present, |m| Some(m.target))),
    },
    Family {
        name: "holdgate_panic_mode",
        help: "1 in panic, in which nothing shrinks; else 0",
        label: "",
        unrouted: false,
        read: Read::Gauge(|present| {
            let last = present.steered.iter().filter_map(|s| s.last.as_ref());
            last.map(|last| {
                (
                    "",
                    f64::from(matches!(last.decision.mode, Mode::Panic { .. })),
                )
            })
            .collect()
        }),
    },
    Family {
        name: "holdgate_decisions",
        help: "Scaling decisions, by what had the last word",
        label: "bound_by",
        unrouted: false,
        read: Read::Counter(|stats| by_word(stats.decisions.read())),
    },
    Family {
        name: "holdgate_upstream_retries",
        help: "Requests sent to another replica because the first could not be reached",
        label: "",
        unrouted: false,
        read: Read::Counter(|stats| vec![(String::new(), stats.retries.get())]),
    },
];

fn one(value: f64) -> Vec<(&'static str, f64)> {
    vec![("", value)]
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn count(n: u64) -> f64 {
    n as f64
}

fn by_word(counts: impl IntoIterator<Item = (&'static str, u64)>) -> Vec<(String, u64)> {
    let counts = counts.into_iter();
    counts.map(|(word, n)| (word.to_owned(), n)).collect()
}

/// As many as a person has written.
fn by_metric(present: &Present, read: fn(&Metric<'_>) -> Option<f64>) -> Vec<(&str, f64)> {
    let metrics = present.steered.iter().flat_map(Steered::metrics);
    let read = metrics.filter_map(|m| Some((m.of.as_str(), read(&m)?)));
    read.collect()
}

fn replicas(present: &Present) -> Vec<(&'static str, f64)> {
    use ReplicaState::{Draining, Pending, Ready, Starting};
    let Some(steered) = &present.steered else {
        return Vec::new();
    };
    let desired = steered.decisions.desired().map(|n| ("desired", n.into()));
    let there = [Ready, Starting, Pending, Draining]
        .map(|state| (state.as_str(), steered.world.count(state).into()));
    desired.into_iter().chain(there).collect()
}

/// A revision of which nothing is kept has no line: most have none, and there are many.
fn kept(present: &Present) -> Vec<(&'static str, f64)> {
    let Some(world) = present.steered.as_ref().map(|steered| &steered.world) else {
        return Vec::new();
    };
    let of = |by: Hindrance| {
        let kept = world.replicas.iter().filter(|it| it.kept_by == Some(by));
        let unmade = world.unmade.as_ref().filter(|unmade| unmade.kept_by == by);
        let unmade = unmade.map_or(0, |unmade| unmade.count);
        (by.as_str(), count(kept.count() as u64 + u64::from(unmade)))
    };
    let all = Hindrance::ALL.into_iter().map(of);
    all.filter(|(_, n)| *n > 0.0).collect()
}
