//! Slots and the line for them: Knative's breakers, and where its throttler sends requests.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use holdgate::admission::{Admission, Verdict};
use holdgate::config::{Overrides, load_text};
use holdgate::revision::{ContainerConcurrency, ReplicaId};
use serde_json::Value;

use super::Outcome;
use super::case::{count, list};
use super::gate::{Gate, bounds};
use crate::clock::Clock;

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

/// Each step of a story with what is expected of it.
fn steps(case: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(&case["ops"])
        .iter()
        .map(|op| (text(&op[0]), text(&op[1])))
}

/// A breaker of capacity 0 is a revision without a replica; any other is one replica.
pub(super) fn breaker(case: &Value) -> Outcome {
    let most_inside = count(&case["max_concurrency"]);
    let room = count(&case["queue_depth"]) + most_inside;
    let mut gate = Gate::new(most_inside);
    set_capacity(&mut gate, count(&case["initial_capacity"]), room);
    for (step, want) in steps(case) {
        let got = take(step, &mut gate, room);
        let as_wanted = match want {
            "" => got != "refused",
            want => want.split(" or ").any(|want| want == got),
        };
        assert!(as_wanted, "{step}: {got}, not {want}");
    }
    Outcome::Passed
}

/// Takes one step and tells what came of it.
fn take(step: &str, gate: &mut Gate, room: u32) -> String {
    let words: Vec<&str> = step.split(' ').collect();
    match words[..] {
        ["request", name] => gate.request(name).to_owned(),
        ["acquire"] if gate.request("acquired") == "running" => "ok".to_owned(),
        ["reserve"] => if gate.has_room() { "ok" } else { "fail" }.to_owned(),
        ["release"] if gate.running.is_empty() => given_back_twice().to_owned(),
        ["release"] | ["finish", "one" | "other"] => gate.finish_oldest(),
        ["finish", "two"] => {
            assert_eq!(gate.finish_oldest(), "ok");
            gate.finish_oldest()
        }
        ["finish", name] => gate.finish(name),
        ["set", "capacity", to] => {
            set_capacity(gate, to.parse().expect("a capacity is a number"), room);
            format!("capacity={}", gate.room())
        }
        _ => panic!("{step} is not a step"),
    }
}

/// Knative bounds those inside and those who wait together, we only those who wait: so the line
/// has the room that the slots leave.
fn set_capacity(gate: &mut Gate, capacity: u32, room: u32) {
    let limit = ContainerConcurrency::new(capacity.max(1));
    let line = usize::try_from(room - capacity).expect("few");
    gate.throttler.set_limits(limit, bounds(line));
    gate.ready(if capacity > 0 { &["r"] } else { &[] });
}

/// A permit is given back by being dropped, so never twice. Behind it, a seat that is given back
/// twice does not become another slot.
fn given_back_twice() -> &'static str {
    let now = Clock::start().at(0.0);
    let mut admission = Admission::new(ContainerConcurrency::new(1), bounds(0), now);
    admission.set_replicas(&[(ReplicaId(0), ())], now);
    let Verdict::Admitted(_, seat) = admission.arrive(0, now) else {
        return "refused";
    };
    admission.leave(seat, Duration::ZERO, now);
    let again = AssertUnwindSafe(|| admission.leave(seat, Duration::ZERO, now));
    match catch_unwind(again) {
        Ok(_) => "a slot too many",
        Err(_) => "must not be possible",
    }
}

/// What Knative refuses to construct cannot be configured, as far as we have such a setting.
pub(super) fn constructor_invalid(case: &Value) -> Outcome {
    let (depth, limit) = (&case["queue_depth"], &case["max_concurrency"]);
    let wrong = if depth.as_u64() == Some(0) {
        "revisions[0].queue.maxRequests"
    } else {
        "revisions[0].containerConcurrency"
    };
    if depth.as_u64() > Some(0) && limit.as_i64() >= Some(0) {
        return Outcome::Skipped("the capacity is that of the replicas, nobody sets it");
    }
    let file = format!(
        "revisions: [{{ name: r, process: {{ command: [c] }}, \
         containerConcurrency: {limit}, queue: {{ maxRequests: {depth} }} }}]"
    );
    let read = load_text(Path::new("a.yaml"), &file, &Overrides::default());
    let complaints = read.expect_err("it is refused");
    let complained: Vec<&str> = complaints.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(complained, [wrong]);
    Outcome::Passed
}

/// No limit is a limit nobody reaches. One step is left out: Knative reserves a slot where there
/// is no replica to have one.
pub(super) fn infinite_breaker(case: &Value) -> Outcome {
    let mut gate = Gate::new(0);
    let runs = |runs: bool| if runs { "runs" } else { "fails" }.to_owned();
    for (step, want) in steps(case) {
        let got = match step {
            "new" => format!("capacity {}", gate.throttler.read().serving),
            "set 0" | "set 1" => {
                gate.ready(if step == "set 1" { &["r"] } else { &[] });
                format!("capacity {}", gate.throttler.read().serving)
            }
            "request with cancelled ctx" => runs(gate.has_room()),
            "request with cancelled ctx (twice)" => runs(gate.has_room() && gate.has_room()),
            "request, then set 1 after 10 ms" => {
                assert_eq!(gate.request("r"), "queued");
                gate.ready(&["r"]);
                runs(gate.running.len() == 1)
            }
            "reserve" => continue,
            _ => panic!("{step} is not a step"),
        };
        assert_eq!(got, want, "{step}");
    }
    Outcome::Passed
}

pub(super) fn flap(case: &Value) -> Outcome {
    let mut gate = Gate::new(count(&case["container_concurrency"]));
    gate.ready(&texts(&case["pods"]));
    for step in texts(&case["steps"]) {
        if let Some(pods) = step.strip_prefix("destinations become ") {
            let pods: Vec<&str> = pods.trim_matches(['{', '}']).split(',').collect();
            gate.ready(&pods);
            continue;
        }
        let request = step.strip_prefix("request ").expect("the other step");
        let (name, where_to) = request.split_once(" -> ").unwrap_or((request, ""));
        assert_eq!(gate.request(name), "running");
        assert!(where_to.starts_with(gate.where_is(name)) || where_to.is_empty());
    }
    let required = text(&case["required_for_a_hard_limit"]);
    let (name, pod) = required.split_once(" -> ").expect("a request and a pod");
    assert_eq!(gate.where_is(name), pod);
    Outcome::Passed
}

pub(super) fn destinations(case: &Value) -> Outcome {
    let mut gate = Gate::new(count(&case["container_concurrency"]));
    if case.get("updates").is_none() {
        // How long somebody waits is the affair of whoever waits; here, whether it goes on.
        gate.ready(&["one backend"]);
        assert_eq!(text(&case["expect"]["request1"]), "ok");
        assert_eq!(text(&case["expect"]["request2"]), "deadline exceeded");
        let became = [gate.request("request1"), gate.request("request2")];
        assert_eq!(became, ["running", "queued"]);
        return Outcome::Passed;
    }
    for update in list(&case["updates"]) {
        gate.ready(&texts(update));
    }
    let requests = 0..count(&case["concurrent_requests"]);
    let names: Vec<String> = requests.map(|n| n.to_string()).collect();
    for name in &names {
        assert_eq!(gate.request(name), "running");
    }
    let distinct: BTreeSet<&str> = names.iter().map(|name| gate.where_is(name)).collect();
    let want: BTreeSet<&str> = texts(&case["expect_distinct_dests"]).into_iter().collect();
    assert_eq!(distinct, want);
    Outcome::Passed
}

pub(super) fn policy(case: &Value) -> Outcome {
    if text(&case["name"]) != "first available" {
        return Outcome::Skipped("where it is not the first with room, it is the least busy");
    }
    let pods: Vec<String> = (0..count(&case["trackers"]))
        .map(|n| format!("pod{n}"))
        .collect();
    let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
    let mut gate = Gate::new(count(&case["cc"]));
    gate.ready(&pods);
    for pod in texts(&case["sequence"]) {
        assert_eq!(gate.request(pod), "running");
        assert_eq!(gate.where_is(pod), pod);
    }
    let mut alone = Gate::new(count(&case["cc"]));
    alone.ready(&pods[..1]);
    assert_eq!(text(&case["then_with_one_tracker_second_call"]), "none");
    let became = [alone.request("first"), alone.request("second")];
    assert_eq!(became, ["running", "queued"]);
    Outcome::Passed
}
