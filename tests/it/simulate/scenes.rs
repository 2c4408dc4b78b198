//! Small loads whose outcome can be told beforehand.

use std::time::Duration;

use holdgate::autoscale::{Bound, Shortage};
use holdgate::autoscaler::Gauged;
use holdgate::revision::ScaleMetric;
use holdgate::simulate::{Floor, Reading, RevisionLoad, Start, Workers};

use super::support::{config, live, live_alone, nobody, request};
use crate::support::{ms, secs};

fn starting_in(name: &str, start: Duration) -> RevisionLoad {
    RevisionLoad {
        starts: Box::new(move || Start::ReadyAfter(start)),
        ..nobody(name)
    }
}

#[test]
fn a_request_at_zero_waits_for_the_start_it_brings_about() {
    let config = config("revisions: [{ name: m }]");
    let mut load = starting_in("m", secs(45));
    load.arrivals = Box::new([request(ms(10_500), secs(1))].into_iter());
    let outcome = live_alone(&config, secs(300), load);
    assert_eq!((outcome.requests, outcome.answered), (1, 1));
    assert_eq!(
        (outcome.starts, outcome.cold_starts, outcome.cold_requests),
        (1, 1, 1)
    );
    let wait = Duration::from_micros(outcome.waits.max());
    assert!(wait.abs_diff(secs(45)) < ms(100), "{wait:?}");
    // From its start until ninety seconds, or a little more, after the answer.
    let there = outcome.replica_time;
    assert!(
        there >= secs(45 + 1 + 90) && there <= secs(45 + 1 + 94),
        "{there:?}"
    );
}

#[test]
fn two_revisions_share_the_places_of_the_machine() {
    let config =
        config("maxProcesses: 1\nrevisions: [{ name: a, models: [a] }, { name: b, models: [b] }]");
    let asking = |name, at| {
        let mut load = starting_in(name, secs(5));
        load.arrivals = Box::new([request(secs(at), secs(1))].into_iter());
        load
    };
    let outcome = live(&config, secs(600), vec![asking("b", 2), asking("a", 1)]);
    let [a, b] = &outcome.revisions[..] else {
        panic!("two revisions");
    };
    assert_eq!((a.answered, b.answered), (1, 1));
    assert!(a.waits.max() < 6_000_000, "{}", a.waits.max());
    // It gets the place as soon as the other one is idle, and starts then.
    assert_eq!(b.waits.max() / 100_000, 100);
    let held = Bound::Shortage(Shortage::MaxProcesses);
    assert!(b.decisions.iter().any(|d| d.bound_by() == held));
}

#[test]
fn workers_send_as_fast_as_they_are_answered() {
    let config = config("revisions: [{ name: m, minReplicas: 1, containerConcurrency: 2 }]");
    let mut load = nobody("m");
    load.service = Box::new(|| ms(500));
    load.workers = vec![Workers {
        from: secs(10),
        until: secs(70),
        count: 4,
    }];
    let outcome = live_alone(&config, secs(100), load);
    // Two at a time, two a second each.
    assert_eq!(outcome.answered, 242);
    assert_eq!(outcome.peak_waiting, 2);
    let middle = &outcome.series[39];
    assert_eq!(
        (middle.at, middle.arrivals, middle.waiting),
        (secs(40), 4, 2)
    );
    assert!((middle.in_flight - 4.0).abs() < 1e-9);
}

#[test]
fn starts_that_fail_are_told_to_those_who_wait() {
    let config = config("revisions: [{ name: m, failedStarts: 2 }]");
    let mut load = nobody("m");
    load.starts = Box::new(|| Start::FailsAfter(secs(1)));
    load.arrivals = Box::new([request(ms(500), secs(1))].into_iter());
    let outcome = live_alone(&config, secs(60), load);
    assert_eq!(outcome.refused.cold_start_failed, 1);
    assert_eq!(outcome.answered, 0);
}

#[test]
fn a_start_that_takes_longer_than_it_may_has_failed() {
    let config = config(
        "revisions: [{ name: m, failedStarts: 1, process: { command: [model], readiness: { timeout: 20s } } }]",
    );
    let mut load = starting_in("m", secs(30));
    load.arrivals = Box::new([request(ms(500), secs(1))].into_iter());
    let outcome = live_alone(&config, secs(60), load);
    assert_eq!(outcome.refused.cold_start_failed, 1);
}

#[test]
fn what_replicas_report_and_what_a_schedule_asks_for_steer() {
    let mut config = config("revisions: [{ name: m, minReplicas: 1, maxReplicas: 9 }]");
    config.revisions[0].spec.scaling.metric = ScaleMetric::Memory;
    config.revisions[0].spec.scaling.target = Some(100.0);
    let mut load = nobody("m");
    let reading = |at| Reading {
        at: secs(at),
        gauged: Gauged(vec![(ScaleMetric::Memory, Ok(250.0))]),
    };
    load.gauged = Box::new((1..100).map(reading));
    let floor = |at, least| Floor {
        from: secs(at),
        least,
    };
    load.floors = vec![floor(110, Some(5)), floor(200, None)];
    let outcome = live_alone(&config, secs(400), load);
    let desired = |at: usize| outcome.series[at - 1].desired;
    assert_eq!([90, 120, 199].map(desired), [Some(3), Some(5), Some(5)]);
    // What is not measured any more does not let it shrink.
    assert_eq!(desired(399), Some(5));
}

/// Two models that take turns on a machine with so many devices; returns how long each request
/// waited at most, in seconds, and how many starts there were.
fn taking_turns(gpus: &str) -> [(u64, u64); 2] {
    let process = "process: { command: [model], gpus: 1 }";
    let config = config(&format!(
        "gpus: [{gpus}]\nrevisions: [{{ name: a, models: [a], {process} }}, {{ name: b, models: [b], {process} }}]"
    ));
    let asking = |name, first| {
        let mut load = starting_in(name, secs(5));
        let turns = (0..3_u64).map(move |turn| request(secs(first + 30 * turn), secs(1)));
        load.arrivals = Box::new(turns);
        load
    };
    let outcome = live(&config, secs(120), vec![asking("a", 1), asking("b", 15)]);
    let [a, b] = &outcome.revisions[..] else {
        panic!("two revisions");
    };
    assert_eq!((a.answered, b.answered), (3, 3));
    [a, b].map(|one| (one.waits.max() / 1_000_000, one.starts))
}

#[test]
fn two_models_on_one_device_switch_and_on_two_they_stay() {
    // Nobody waits for the grace period: the other one is idle and gives way.
    assert_eq!(taking_turns("0"), [(5, 3), (5, 3)]);
    assert_eq!(taking_turns("0, 1"), [(5, 1), (5, 1)]);
}
