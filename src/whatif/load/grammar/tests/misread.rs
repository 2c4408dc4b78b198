//! What is answered to a description that cannot be read.

use super::*;

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
