//! The time-weighted count of requests.

use holdgate::admission::meter::Meter;
use serde_json::Value;

use super::Outcome;
use super::case::{close, list, number};
use crate::clock::Clock;

pub(super) fn request_stats(case: &Value) -> Outcome {
    let clock = Clock::start();
    let events = list(&case["events"]);
    let plain = |event: &Value| matches!(event[1].as_str(), Some("in" | "out" | "report"));
    if !events.iter().all(plain) {
        return Outcome::Skipped("no request comes through two gates that both count");
    }
    let mut meter = Meter::new(clock.at(number(&case["started_at"])));
    let mut wanted = list(&case["expect_reports"]).iter();
    for event in events {
        let at = clock.at(number(&event[0]));
        match event[1].as_str() {
            Some("in") => meter.arrive(at),
            Some("out") => meter.leave(at),
            _ => {
                let (report, want) = (meter.report(at), wanted.next());
                let want = want.expect("every report is expected");
                close(report.average_concurrency, &want["avg_concurrency"], 1e-9);
                assert_eq!(Some(report.requests), want["requests"].as_u64());
            }
        }
    }
    assert_eq!(wanted.next(), None);
    Outcome::Passed
}
