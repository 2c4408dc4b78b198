//! What descriptions of loads mean.

mod misread;

use std::time::Duration;

use super::super::description::{Distribution, Part, Phase, Spacing, Span};
use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn span(from: u64, to: u64) -> Span {
    Span {
        from: seconds(from),
        to: seconds(to),
    }
}

fn rate(begin: u64, end: u64, from: f64, to: f64) -> Phase {
    Phase::Rate {
        span: span(begin, end),
        from,
        to,
        spacing: None,
    }
}

#[track_caller]
fn common(text: &str) -> Part {
    let read = parse(text).unwrap_or_else(|misread| panic!("{text}: {misread:?}"));
    assert_eq!(read.named, [], "{text}");
    read.common
}

#[track_caller]
fn phases(text: &str, want: &[Phase]) {
    assert_eq!(common(text).phases, want, "{text}");
}

#[test]
fn the_described_load_of_the_help_is_read_clause_by_clause() {
    let part =
        common("step 0..60s 5rps, 60s..120s 50rps; service lognormal p50=200ms p99=2s; start 45s");
    assert_eq!(
        part.phases,
        [rate(0, 60, 5.0, 5.0), rate(60, 120, 50.0, 50.0)]
    );
    let Some(Distribution::LogNormal { median, sigma }) = part.service else {
        panic!("not lognormal but {:?}", part.service);
    };
    assert_eq!(median, millis(200));
    assert!((sigma - 10.0_f64.ln() / 2.326_347_874_040_841).abs() < 1e-12);
    assert_eq!(part.start, Some(Distribution::Fixed(seconds(45))));
    assert_eq!((part.patience, part.size, part.spacing), (None, None, None));
}

#[test]
fn rates_and_workers_are_steady_or_change() {
    let workers = |from, to| Phase::Workers {
        span: span(0, 600),
        from,
        to,
    };
    phases("step 0..10m 8 workers", &[workers(8, 8)]);
    phases("step 0..10m 1 worker", &[workers(1, 1)]);
    phases("ramp 0..10m 1..8 workers", &[workers(1, 8)]);
    phases("ramp 0..60s 5rps..50rps", &[rate(0, 60, 5.0, 50.0)]);
    phases("ramp 0..60s 50..0.5 rps", &[rate(0, 60, 50.0, 0.5)]);
    phases("ramp 0..60s 60/min..5/s", &[rate(0, 60, 1.0, 5.0)]);
    phases("step 0..60s 1800/hour", &[rate(0, 60, 0.5, 0.5)]);
    // Two numbers make it a ramp, wherever the word is missing.
    phases(
        "0..60s 5rps, 60s..2m 5..50rps",
        &[rate(0, 60, 5.0, 5.0), rate(60, 120, 5.0, 50.0)],
    );
}

#[test]
fn spans_take_units_from_each_other_and_plain_numbers_are_seconds() {
    phases("step 1..2m 5rps", &[rate(60, 120, 5.0, 5.0)]);
    phases("step 0..90 5rps", &[rate(0, 90, 5.0, 5.0)]);
    phases("step 30s..1h30m 5rps", &[rate(30, 5400, 5.0, 5.0)]);
    phases("step 0.5m..1.5m 5rps", &[rate(30, 90, 5.0, 5.0)]);
}

#[test]
fn bursts_come_once_or_again_and_again() {
    let bursts = |span, over| Phase::Bursts {
        every: seconds(10),
        span,
        count: 20,
        over,
    };
    phases("every 10s 20 requests", &[bursts(None, Duration::ZERO)]);
    let within = Some(span(60, 300));
    phases(
        "every 10s 20 requests 1m..5m",
        &[bursts(within, Duration::ZERO)],
    );
    phases(
        "every 10s 20 requests over 2s 1m..5m",
        &[bursts(within, seconds(2))],
    );
    phases(
        "every 10s 20 requests 1m..5m over 2s",
        &[bursts(within, seconds(2))],
    );
    let burst = |count, over| Phase::Burst {
        at: seconds(30),
        count,
        over,
    };
    phases("at 30s 1 request", &[burst(1, Duration::ZERO)]);
    phases("at 30s 100 requests over 500ms", &[burst(100, millis(500))]);
}

#[test]
fn times_are_drawn_as_they_are_described() {
    let service = |text: &str| common(&format!("service {text}")).service;
    let check = |text: &str, want| assert_eq!(service(text), Some(want), "{text}");
    check("200ms", Distribution::Fixed(millis(200)));
    check("fixed 2", Distribution::Fixed(seconds(2)));
    check(
        "exponential mean=1m",
        Distribution::Exponential { mean: seconds(60) },
    );
    let (from, to) = (millis(100), millis(300));
    check("uniform 100ms..300ms", Distribution::Uniform { from, to });
    check("uniform 100..300ms", Distribution::Uniform { from, to });
    let part = common("patience uniform 0..1s; start exponential mean=45s");
    let (from, to) = (Duration::ZERO, seconds(1));
    assert_eq!(part.patience, Some(Distribution::Uniform { from, to }));
    let mean = seconds(45);
    assert_eq!(part.start, Some(Distribution::Exponential { mean }));
}

#[test]
fn further_clauses_say_how_large_how_spread_and_how_long() {
    let all = parse("; size 10KiB;; arrivals even ; until 10m;").expect("sound");
    assert_eq!(all.common.size, Some(10_240));
    assert_eq!(all.common.spacing, Some(Spacing::Even));
    assert_eq!(all.until, Some(seconds(600)));
    let [Phase::Rate { spacing, .. }] = common("step 0..1m 5rps poisson").phases[..] else {
        panic!("not one rate");
    };
    assert_eq!(spacing, Some(Spacing::Poisson));
}

#[test]
fn a_revision_has_the_clauses_up_to_the_next() {
    let text = "start 9s; revision a: step 0..1m 5rps; service 1s; revision b.c-d: start 1s";
    let all = parse(text).expect("sound");
    assert_eq!(all.common.start, Some(Distribution::Fixed(seconds(9))));
    let names: Vec<_> = all.named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b.c-d"]);
    let (a, b) = (all.about("a"), all.about("b.c-d"));
    assert_eq!((a.phases.len(), b.phases.len()), (1, 0));
    assert_eq!(a.service, Some(Distribution::Fixed(seconds(1))));
    // What one says wins over what is said about all.
    assert_eq!(a.start, Some(Distribution::Fixed(seconds(9))));
    assert_eq!(b.start, Some(Distribution::Fixed(seconds(1))));
}

#[test]
fn blanks_and_line_breaks_are_free() {
    let text = "  step 0..60s  5 rps ,\n  60s..2m 50 rps ;\n service 1s\n";
    let part = common(text);
    assert_eq!(
        part.phases,
        [rate(0, 60, 5.0, 5.0), rate(60, 120, 50.0, 50.0)]
    );
    assert_eq!(part.service, Some(Distribution::Fixed(seconds(1))));
}

#[test]
fn every_line_of_the_help_is_understood() {
    let lines = HELP.lines().filter_map(|line| line.strip_prefix("  "));
    for line in lines {
        let clause = line.split("  ").next().unwrap_or_default();
        let clause = clause.replace("CLAUSES", "start 1s").replace("NAME", "a");
        assert!(parse(&clause).is_ok(), "{clause}: {:?}", parse(&clause));
    }
}
