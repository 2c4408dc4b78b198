//! Windows: averages, weights, delay, rounding and the length of the panic window.

use std::time::Duration;

use holdgate::autoscale::{
    DECIDE_EVERY, DelayWindow, MetricWindow, panic_window as share, round_to,
};
use holdgate::revision::Aggregation;
use serde_json::Value;

use super::Outcome;
use super::case::{close, count, go_duration, list, number, seconds};
use crate::clock::Clock;

pub(super) fn average(case: &Value) -> Outcome {
    replay(case, &case["window_s"], Aggregation::Linear);
    if let Some(also) = case.get("also") {
        let (clock, window) = replay(
            &with_records_only(case),
            &also["window_s"],
            Aggregation::Linear,
        );
        let at = clock.at(number(&also["avg_at"]));
        close(window.average(at), &also["expect"], 1e-9);
    }
    Outcome::Passed
}

pub(super) fn weighted(case: &Value) -> Outcome {
    if let Some(values) = case["values"].as_object() {
        // A lone 1 in the newest bucket shows the weight of that bucket.
        for (buckets, want) in values {
            let clock = Clock::start();
            let buckets = buckets.parse().expect("a number of buckets");
            let length = Duration::from_secs(buckets);
            let aggregation = Aggregation::WeightedExponential;
            let second = Duration::from_secs(1);
            let mut window = MetricWindow::new(length, second, clock.epoch, aggregation);
            window.record(clock.at(0.0), 1.0);
            close(window.average(clock.at(0.0)), want, 1e-12);
        }
        return Outcome::Passed;
    }
    replay(case, &case["window_s"], Aggregation::WeightedExponential);
    Outcome::Passed
}

fn with_records_only(case: &Value) -> Value {
    let mut case = case.clone();
    let ops = case["ops"].as_array_mut().expect("a case has operations");
    ops.retain(|op| op.get("record").is_some());
    case
}

fn replay(case: &Value, length: &Value, aggregation: Aggregation) -> (Clock, MetricWindow) {
    let clock = Clock::start();
    let granularity = case.get("granularity_s").map_or(1.0, number);
    let granularity = Duration::from_secs_f64(granularity);
    let mut window = MetricWindow::new(seconds(length), granularity, clock.epoch, aggregation);
    let mut last: f64 = 0.0;
    for op in list(&case["ops"]) {
        if let Some(record) = op.get("record") {
            last = number(&record[0]);
            window.record(clock.at(last), number(&record[1]));
        } else if let Some(at) = op.get("avg_at") {
            let average = window.average(clock.at(number(at)));
            check_average(op, average);
        } else if let Some(at) = op.get("bucket_sum_at") {
            let sum: f64 = window.recent(clock.at(number(at))).sum();
            close(sum, &op["expect"], 1e-9);
        } else if let Some(length) = op.get("resize") {
            // Idleness is judged at zero or at the newest record, whichever is later.
            window.resize(seconds(length), clock.at(last.max(0.0)));
            check_resized(op, &window, clock, last.max(0.0));
        } else if let Some(buckets) = op.get("buckets").and_then(Value::as_object) {
            let recent = window.recent(clock.at(last));
            let values: Vec<f64> = recent.filter(|v| *v != 0.0).collect();
            let mut wanted: Vec<_> = buckets.iter().collect();
            wanted.sort_by_key(|(at, _)| std::cmp::Reverse(at.parse::<i64>().expect("a second")));
            assert_eq!(values.len(), wanted.len());
            for (value, (_, want)) in values.iter().zip(wanted) {
                close(*value, want, 1e-9);
            }
        } else {
            panic!("{op} is not an operation");
        }
    }
    (clock, window)
}

fn check_average(op: &Value, average: f64) {
    match op.get("expect_rounded_3") {
        Some(want) => close(round_to(3, average), want, 1e-9),
        None => close(average, &op["expect"], 1e-9),
    }
}

fn check_resized(op: &Value, window: &MetricWindow, clock: Clock, now: f64) {
    if let Some(buckets) = op.get("bucket_count") {
        let live = u32::try_from(window.recent(clock.at(now)).count());
        assert_eq!(live, Ok(count(buckets)));
    }
    if op.get("expect_first_write").is_some_and(Value::is_null) {
        assert!(window.is_empty(clock.at(now)));
    }
}

pub(super) fn delay(case: &Value) -> Outcome {
    let clock = Clock::start();
    if let Some(records) = case.get("records") {
        let delay = seconds(&case["duration_s"]);
        let granularity = seconds(&case["granularity_s"]);
        let mut window = DelayWindow::new(delay, granularity, clock.epoch);
        let held = list(records).iter().map(|record| {
            let at = clock.at(number(&record[0]));
            window.hold(at, count(&record[1]))
        });
        assert_eq!(held.last(), Some(count(&case["expect_current"])));
        return Outcome::Passed;
    }
    let delay = DECIDE_EVERY * count(&case["slots"]);
    let mut window = DelayWindow::new(delay, DECIDE_EVERY, clock.epoch);
    let indexes = list(&case["indexes"]).iter();
    let steps = indexes.zip(list(&case["values"]));
    let want = list(&case["expect_current_after_each"]);
    assert_eq!(steps.len(), want.len());
    for ((index, value), want) in steps.zip(want) {
        let at = clock.at(number(index) * DECIDE_EVERY.as_secs_f64());
        assert_eq!(window.hold(at, count(value)), count(want));
    }
    Outcome::Passed
}

pub(super) fn rounding(case: &Value) -> Outcome {
    let digits = case["digits"].as_i64().and_then(|n| i32::try_from(n).ok());
    let rounded = round_to(digits.expect("digits"), number(&case["value"]));
    close(rounded, &case["expect"], 0.0);
    Outcome::Passed
}

pub(super) fn panic_window(case: &Value) -> Outcome {
    let percentage = case["panic_window_percentage"].as_str().expect("a text");
    let percentage = percentage.trim_start_matches("default ");
    let percentage = percentage.parse().expect("a percentage");
    let panic = share(go_duration(&case["window"]), percentage);
    assert_eq!(panic, seconds(&case["expect_panic_s"]));
    Outcome::Passed
}
