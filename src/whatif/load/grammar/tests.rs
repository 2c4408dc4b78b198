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

#[track_caller]
fn check(text: &str, column: usize, message: &str) {
    let misread = parse(text).expect_err(text);
    let got = (misread.line, misread.column, misread.message.as_str());
    assert_eq!(got, (1, column, message), "{text}");
}

#[test]
fn what_cannot_be_read_is_answered_with_its_column_and_what_was_wanted() {
    let clause = "step, ramp, every, at, service, start, patience, size, arrivals, until or \
                  revision NAME:";
    check(
        "stop 0..1s 5rps",
        1,
        &format!("wanted {clause}, not \"stop\""),
    );
    check(
        "step 0..60s 5rps; servce 1s",
        19,
        &format!("wanted {clause}, not \"servce\""),
    );
    let span = "wanted a span such as 0..60s, that ends after it begins and lasts a year at most";
    check("step 5rps", 6, &format!("{span}, not \"5rps\""));
    check(
        "step 60s..60s 5rps",
        6,
        &format!("{span}, not \"60s..60s\""),
    );
    check("step", 5, &format!("{span}, not the end"));
    let rate = "wanted a rate such as 5rps, or a number of workers, a million at most";
    check("step 0..60s 5rpx", 13, &format!("{rate}, not \"5rpx\""));
    check("step 0..60s fast", 13, &format!("{rate}, not \"fast\""));
    check("step 0..60s; service 1s", 12, &format!("{rate}, not \";\""));
    check(
        "step 0..60s 2000000rps",
        13,
        &format!("{rate}, not \"2000000rps\""),
    );
    check(
        "step 0..60s 1.5 workers",
        13,
        &format!("{rate}, not \"1.5\""),
    );
    let rates = "wanted two rates such as 5rps..50rps, or 1..8 workers, a million at most";
    check("ramp 0..60s 5rps", 13, &format!("{rates}, not \"5rps\""));
    check(
        "ramp 0..60s 5rps..8 workers",
        13,
        &format!("{rates}, not \"5rps..8\""),
    );
    check(
        "at 5s 20",
        7,
        "wanted a number of requests such as 20 requests, not \"20\"",
    );
    check(
        "every 0s 20 requests",
        7,
        "wanted a duration above 0, such as 10s, not \"0s\"",
    );
    let over = "wanted a duration above 0, and not longer than from burst to burst, not \"3s\"";
    check("every 2s 20 requests over 3s", 27, over);
    let phase = "wanted step, ramp, every, at, or a span such as 0..60s";
    check(
        "step 0..1m 5rps, service 1s",
        18,
        &format!("{phase}, not \"service\""),
    );
    let next = "wanted a comma, a semicolon or the end";
    check(
        "step 0..1m 5rps service 1s",
        17,
        &format!("{next}, not \"service\""),
    );
}

#[test]
fn times_and_values_that_cannot_be_read_are_answered_alike() {
    let times = "wanted a duration such as 200ms, or lognormal, exponential or uniform";
    check("service normal", 9, &format!("{times}, not \"normal\""));
    let time = "wanted a duration such as 200ms, 90s or 1h30m";
    check("service 200mx", 9, &format!("{time}, not \"200mx\""));
    check(
        "start 99999999999s",
        7,
        &format!("{time}, not \"99999999999s\""),
    );
    check(
        "service lognormal mean=1s",
        19,
        "wanted p50= and a duration above 0, not \"mean=1s\"",
    );
    let upper = "wanted p99= (or p90=, p95=) and a duration not below p50";
    check(
        "service lognormal p50=2s p99=1s",
        26,
        &format!("{upper}, not \"p99=1s\""),
    );
    check(
        "service lognormal p50=2s p80=3s",
        26,
        &format!("{upper}, not \"p80=3s\""),
    );
    check(
        "service exponential 1s",
        21,
        "wanted mean= and a duration above 0, not \"1s\"",
    );
    check(
        "service uniform 3s..1s",
        17,
        "wanted a range such as 100ms..300ms, not \"3s..1s\"",
    );
    check("arrivals odd", 10, "wanted poisson or even, not \"odd\"");
    check("size 5XB", 6, "wanted a size such as 10KiB, not \"5XB\"");
    check(
        "revision a step",
        10,
        "wanted the name of a revision and a colon, not \"a\"",
    );
}

#[test]
fn the_place_is_counted_in_lines_and_characters() {
    let misread = parse("service 1s;\n  start ä").expect_err("not a duration");
    assert_eq!((misread.line, misread.column), (2, 9));
    let misread = parse("revision ä: step 0..x").expect_err("not a span");
    assert_eq!((misread.line, misread.column), (1, 18));
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
