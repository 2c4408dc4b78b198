//! Waits with a fixed number of replicas, against the formulas of queueing theory.

use std::time::Duration;

use super::support::{config, exponential, live_alone, nobody, request};
use crate::support::Dice;

/// Seconds.
const SERVICE: f64 = 0.1;
/// So many that chance moves a mean by a few percent at most.
const REQUESTS: f64 = 200_000.0;

/// The mean wait in seconds where `servers` are busy for the part `load` of the time. Answers take
/// random times, or always the same.
fn simulated(servers: u32, load: f64, random: bool) -> f64 {
    let config = config(&format!(
        "revisions: [{{ name: m, minReplicas: {servers}, maxReplicas: {servers}, \
         containerConcurrency: 1, queue: {{ maxRequests: 100000, timeout: 10h }} }}]\n\
         maxProcesses: 100"
    ));
    let mut dice = Dice::new(u64::from(servers) + 1);
    let between = SERVICE / (load * f64::from(servers));
    let length = Duration::from_secs_f64(between * REQUESTS);
    let mut at = Duration::ZERO;
    let arrivals = std::iter::repeat_with(move || {
        at += exponential(&mut dice, between);
        let service = if random {
            exponential(&mut dice, SERVICE)
        } else {
            Duration::from_secs_f64(SERVICE)
        };
        request(at, service)
    });
    let mut load = nobody("m");
    load.arrivals = Box::new(arrivals.take_while(move |arrival| arrival.at < length));
    let outcome = live_alone(&config, length, load);
    assert_eq!(outcome.refused.total(), 0);
    outcome.waits.mean() / 1e6
}

/// The mean wait of M/M/c (Erlang, 1917), from the recursion of his B formula.
fn erlang(servers: u32, load: f64) -> f64 {
    let offered = load * f64::from(servers);
    let blocked = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let waits = blocked / (1.0 - load * (1.0 - blocked));
    waits * SERVICE / (f64::from(servers) * (1.0 - load))
}

fn close(simulated: f64, expected: f64, what: &str) {
    let off = (simulated / expected - 1.0).abs();
    assert!(off < 0.05, "{what}: {simulated} s, not {expected} s");
}

#[test]
fn random_answers_wait_as_erlang_says() {
    for (servers, load) in [(1, 0.5), (4, 0.7), (10, 0.8)] {
        let what = format!("{servers} servers, {load} busy");
        close(simulated(servers, load, true), erlang(servers, load), &what);
    }
}

#[test]
fn equal_answers_wait_half_as_long_before_one_server() {
    // Pollaczek and Khinchine.
    close(simulated(1, 0.7, false), erlang(1, 0.7) / 2.0, "M/D/1");
}
