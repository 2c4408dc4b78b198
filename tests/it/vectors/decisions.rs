//! Decisions: single steps, whole time series, and who is told about them.

use holdgate::autoscale::{Averages, Bound, Collector, Decider, Decision, Mode, Seen, Spec, wakes};
use holdgate::revision::{Aggregation, Scaling};
use serde_json::Value;

use super::Outcome;
use super::case::{aimed, close, count, flag, list, metric, number, replicas, scaling, seconds};
use crate::clock::Clock;

pub(super) fn scale_decision(case: &Value) -> Outcome {
    let clock = Clock::start();
    let steps = list(&case["steps"]);
    if steps.iter().any(|step| !step["ready_pods"].is_number()) {
        return Outcome::Skipped("the replicas are always known");
    }
    let initial = &case["initial_state"];
    let begin = initial["panic_since_s"].as_f64();
    let ready = count(&initial["max_panic_pods"]);
    assert_eq!(begin.is_some(), ready > 1, "no decider begins like this");
    let spec = step_spec(&steps[0]["spec"]);
    let mut decider = Decider::new(&spec, ready, clock.at(begin.unwrap_or(0.0)));
    for step in steps {
        let spec = step_spec(&step["spec"]);
        let metrics = step["metrics"].as_object().map(|metrics| Averages {
            stable: number(&metrics["stable"]),
            panic: number(&metrics["panic"]),
        });
        let seen = Seen::of(&spec, count(&step["ready_pods"]), 0, metrics);
        let now = clock.at(number(&step["now_s"]));
        let decision = decider.decide(&spec, seen, now);
        let want = &step["expect"];
        if flag(&want["valid"]) {
            let burst = &step["spec"]["target_burst_capacity"];
            let tolerance = number(&case["tolerance"]["excess_burst_capacity"]);
            check_decision(
                &decision,
                &want["desired_pod_count"],
                (&want["excess_burst_capacity"], tolerance),
                spec.target.total,
                number(burst),
            );
        } else {
            assert_eq!(decision.replicas, None);
        }
        check_mode(decider.mode(), want);
    }
    Outcome::Passed
}

fn check_mode(mode: Mode, want: &Value) {
    let panicking = mode != Mode::Stable;
    assert_eq!(panicking, flag(&want["in_panic_after"]), "in panic");
    if let Mode::Panic { peak, .. } = mode {
        assert_eq!(peak, count(&want["max_panic_pods_after"]), "peak");
    }
}

fn step_spec(step: &Value) -> Spec {
    let scaling = Scaling {
        metric: metric(&step["scaling_metric"]),
        panic_threshold_percentage: number(&step["panic_threshold"]) * 100.0,
        max_scale_up_rate: number(&step["max_scale_up_rate"]),
        max_scale_down_rate: number(&step["max_scale_down_rate"]),
        stable_window: seconds(&step["stable_window_s"]),
        scale_down_delay: seconds(&step["scale_down_delay_s"]).into(),
        activation_scale: count(&step["activation_scale"]),
        ..scaling()
    };
    let (aim, total) = (number(&step["target_value"]), number(&step["total_value"]));
    let mut spec = aimed(scaling, aim, total);
    spec.reachable = flag(&step["reachable"]);
    spec
}

/// The number, and the spare capacity Knative works out from the same inputs to choose who stands
/// in the way of requests. We always do, so only the tests know that formula.
fn check_decision(
    decision: &Decision,
    desired: &Value,
    (spare, tolerance): (&Value, f64),
    total: f64,
    burst: f64,
) {
    assert_eq!(decision.replicas, Some(count(desired)), "{decision:?}");
    let averages = decision.averages.expect("it had averages");
    let capacity = f64::from(decision.seen.ready) * total;
    let got = match burst {
        0.0 => 0.0,
        burst if burst > 0.0 => (capacity - burst - averages.panic).floor(),
        _ => -1.0,
    };
    close(got, spare, tolerance);
}

pub(super) fn initial_state(case: &Value) -> Outcome {
    let ready = &case["ready_pods_at_creation"];
    if ready.is_string() {
        return Outcome::Skipped("the replicas are always known");
    }
    let now = Clock::start().at(0.0);
    let decider = Decider::new(&super::case::spec(scaling()), count(ready), now);
    let want = &case["expect"];
    match decider.mode() {
        Mode::Stable => assert!(!flag(&want["in_panic"])),
        Mode::Panic { since, peak } => {
            assert!(flag(&want["in_panic"]));
            assert_eq!((since, peak), (now, count(&want["max_panic_pods"])));
        }
    }
    Outcome::Passed
}

pub(super) fn time_series(case: &Value) -> Outcome {
    let clock = Clock::start();
    let resolved = &case["resolved"];
    let mut spec = series_spec(resolved);
    spec.reachable = flag(&resolved["reachable"]);
    let panic = seconds(&resolved["panic_window_s"]);
    if case["annotations"].get(PANIC_SHARE).is_none() {
        assert_eq!(spec.panic_window(), panic);
    }
    let aggregation = match case["annotations"][ALGORITHM].as_str() {
        None | Some("linear" | "") => Aggregation::Linear,
        Some("weighted-exponential" | "weightedExponential") => Aggregation::WeightedExponential,
        Some(other) => panic!("{other} is not an aggregation"),
    };
    let stable = spec.scaling.stable_window;
    let mut collector = Collector::with_windows(stable, panic, clock.epoch, aggregation);
    let ready = count(&case["ready_pods_at_creation"]);
    let mut decider = Decider::new(&spec, ready, clock.at(0.0));
    let mut values = (0_u32..).zip(list(&case["per_second_values"])).peekable();
    for tick in list(&case["ticks"]) {
        let t = number(&tick["t"]);
        while let Some((second, value)) = values.next_if(|(s, _)| f64::from(*s) <= t) {
            if let Some(value) = value.as_f64() {
                collector.record(clock.at(f64::from(second)), value);
            }
        }
        check_tick(case, tick, &spec, &collector, &mut decider, clock);
    }
    Outcome::Passed
}

const PANIC_SHARE: &str = "autoscaling.knative.dev/panic-window-percentage";
const ALGORITHM: &str = "autoscaling.knative.dev/metric-aggregation-algorithm";

fn series_spec(resolved: &Value) -> Spec {
    let scaling = Scaling {
        metric: metric(&resolved["metric"]),
        panic_threshold_percentage: number(&resolved["panic_threshold"]) * 100.0,
        max_scale_up_rate: number(&resolved["max_up"]),
        max_scale_down_rate: number(&resolved["max_down"]),
        stable_window: seconds(&resolved["stable_window_s"]),
        scale_down_delay: seconds(&resolved["scale_down_delay_s"]).into(),
        activation_scale: count(&resolved["activation_scale"]),
        ..scaling()
    };
    aimed(
        scaling,
        number(&resolved["target"]),
        number(&resolved["total"]),
    )
}

fn check_tick(
    case: &Value,
    tick: &Value,
    spec: &Spec,
    collector: &Collector,
    decider: &mut Decider,
    clock: Clock,
) {
    let now = clock.at(number(&tick["t"]));
    // Without anybody to scrape, Knative reads an empty window as zero. We record the zeros.
    let empty = (!flag(&case["scrape_target_set"])).then_some(Averages {
        stable: 0.0,
        panic: 0.0,
    });
    let averages = collector.read(now).or(empty);
    let seen = Seen::of(spec, count(&tick["ready_pods"]), 0, averages);
    let decision = decider.decide(spec, seen, now);
    let want = &tick["expect"];
    if !flag(&want["valid"]) {
        assert_eq!((decision.replicas, averages), (None, None));
        return;
    }
    let averages = averages.expect("a valid decision has averages");
    close(averages.stable, &want["stable"], 2e-6);
    close(averages.panic, &want["panic"], 2e-6);
    check_decision(
        &decision,
        &want["desired"],
        (&want["ebc"], 0.0),
        spec.target.total,
        number(&case["resolved"]["tbc"]),
    );
}

/// A decision made from nothing asks for nothing.
pub(super) fn initial_status(case: &Value) -> Outcome {
    let decision = decision_for(None);
    assert_eq!(decision.bound_by(), Bound::NoData);
    assert_eq!(
        decision.replicas,
        replicas(&case["expect"]["desired_scale"])
    );
    Outcome::Passed
}

fn decision_for(wanted: Option<u32>) -> Decision {
    let (now, spec) = (Clock::start().at(0.0), aimed(scaling(), 1.0, 1.0));
    let averages = wanted.map(f64::from).map(|average| Averages {
        stable: average,
        panic: average,
    });
    let seen = Seen::of(&spec, wanted.unwrap_or(0), 0, averages);
    let mut decider = Decider::new(&spec, 0, now);
    decider.decide(&spec, seen, now)
}

pub(super) fn poke(case: &Value) -> Outcome {
    let asked = replicas(&case["latest_desired"]);
    if asked.is_none() {
        return Outcome::Skipped("an unknown number wakes too, so that a restart costs no tick");
    }
    let in_flight = count(&case["stat_concurrency"]);
    let want = flag(&case["expect_immediate_tick"]);
    assert_eq!(wakes(asked, in_flight), want);
    Outcome::Passed
}

pub(super) fn notify_on_change(case: &Value) -> Outcome {
    let (before, after) = (&case["previous"], &case["new"]);
    let (asked, next) = (replicas(&before["desired"]), replicas(&after["desired"]));
    let want = flag(&case["expect_notify"]);
    if want && asked == next {
        return Outcome::Skipped("spare capacity moves nobody: the gate is always in the way");
    }
    assert_eq!(decision_for(next).changes(asked), want);
    Outcome::Passed
}
