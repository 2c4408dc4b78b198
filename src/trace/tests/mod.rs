//! What is written is what is read, whatever becomes of the file.

mod coding;
mod files;
mod newer;

use std::time::Duration;

use super::{Decided, Ending, Event, Fate, Phases, Reason, Recalled, Step};
use crate::autoscale::{Memory, Past, Spec};
use crate::revision::{ContainerConcurrency, ScaleMetric, samples};

fn phases() -> Phases {
    let [spawn, listen, ready] = [3, 9_000, 40].map(Duration::from_millis);
    Phases {
        spawn,
        listen,
        ready,
    }
}

fn decided(replicas: u32) -> Event {
    Event::Decided(Some(Box::new(Decided {
        ready: 1,
        starting: 2,
        busy: 1,
        typical_start: Some(Duration::from_nanos(9_043_000_001)),
        shortage: Some("max_processes".to_owned()),
        scheduled: None,
        averages: vec![Some((0.1, 2.5)), None],
        replicas: Some(replicas),
        bound_by: "max_replicas".to_owned(),
        panic: true,
        asked: replicas > 2,
    })))
}

fn recalled() -> Event {
    let spec = Spec::new(samples::scaling(), ContainerConcurrency::UNLIMITED);
    let past = Past {
        seconds: vec![0.5, 3.0],
        idle: 1,
    };
    let memory = Memory {
        asked: Some(3),
        metrics: vec![(ScaleMetric::Concurrency, past)],
        ..Memory::default()
    };
    let away = Duration::from_secs(9);
    let recalled = Recalled::new(&memory, away, &spec);
    assert_eq!(recalled.memory(&spec).0.metrics, memory.metrics);
    Event::Recalled(Box::new(recalled))
}

/// One of each kind, in an order in which they can happen.
fn one_of_each() -> Vec<(u64, Event)> {
    let replica = |step| Event::Replica { id: 7, step };
    let events = [
        Event::Opened,
        recalled(),
        replica(Step::Launched),
        replica(Step::Ready(phases())),
        replica(Step::Listed),
        Event::Admitted {
            ticket: 0,
            announced: 100,
            replica: 7,
        },
        Event::Terms {
            class: 3,
            tenant: 77,
            deadline: Some((9_006_000_006, true)),
        },
        Event::Queued {
            ticket: 1,
            announced: 0,
        },
        Event::HeldMore {
            ticket: 1,
            bytes: 4096,
        },
        Event::TurnedAway {
            announced: 5,
            reason: Reason::QueueFull,
        },
        Event::Over {
            ticket: 0,
            done: true,
            fate: Fate::Answered {
                code: 200,
                sent: 12,
            },
        },
        Event::Seated {
            ticket: 1,
            replica: 7,
        },
        Event::Rebuffed { ticket: 1 },
        Event::Seated {
            ticket: 1,
            replica: 7,
        },
        Event::Over {
            ticket: 1,
            done: false,
            fate: Fate::ClientLeft,
        },
        Event::Vacated { ticket: 1 },
        Event::Looked {
            in_flight: 0,
            idle_since: Some(12_000),
        },
        Event::Measured {
            average_concurrency: 0.3,
            requests: 2,
            in_flight: 0,
            idle_since: Some(12_000),
        },
        Event::Turned {
            now: 1_000_000_000,
            began: false,
            gauged: vec![Some(1.5), None],
        },
        decided(2),
        decided(2),
        decided(3),
        Event::Changed,
        replica(Step::Retired),
        replica(Step::Gone(Ending::Stopped)),
        Event::Lost(3),
    ];
    (0..).map(|n| n * 1_000_001).zip(events).collect()
}
