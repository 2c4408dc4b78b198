//! What is decided, case by case.

use super::super::support::{seconds, spec, start};
use super::super::{Averages, MetricReading};
use super::*;
use crate::revision::{ContainerConcurrency, MetricTarget, ScaleMetric};

struct See(f64, f64, u32);

fn seen(See(stable, panic, ready): See) -> Seen {
    let averages = Averages { stable, panic };
    Seen::of(&spec(1.0), ready, 0, Some(averages))
}

/// One decision of a fresh decider at target 1, rates 10 up and 2 down.
fn check(see: See, want: u32, by: Bound) {
    let mut spec = spec(1.0);
    spec.scaling.max_scale_up_rate = 10.0;
    let now = start();
    let decision = Decider::new(&spec, 1, now).decide(&spec, seen(see), now);
    assert_eq!((decision.replicas, decision.bound_by()), (Some(want), by));
}

#[test]
fn the_average_over_the_target_within_the_rates() {
    //        stable panic ready  want
    check(See(10.0, 10.0, 1), 10, Bound::None);
    check(See(9.1, 9.1, 8), 10, Bound::None);
    check(See(0.0, 0.0, 1), 0, Bound::None);
    check(See(0.0, 0.0, 3), 1, Bound::MaxScaleDownRate);
    check(See(0.0, 0.0, 8), 4, Bound::MaxScaleDownRate);
    check(See(11.0, 11.0, 1), 10, Bound::MaxScaleUpRate);
    check(See(11.0, 99.0, 0), 10, Bound::MaxScaleUpRate);
    check(See(3.0, 7.0, 1), 7, Bound::None);
    check(See(3.0, 7.0, 4), 3, Bound::None);
}

#[test]
fn replicas_on_their_way_count_as_supply() {
    let (now, spec) = (start(), spec(1.0));
    let mut decider = Decider::new(&spec, 0, now);
    let (stable, panic) = (5.0, 5.0);
    let seen = Seen::of(&spec, 0, 5, Some(Averages { stable, panic }));
    let decision = decider.decide(&spec, seen, now);
    assert_eq!(decision.mode, Mode::Stable);
    assert_eq!(decision.replicas, Some(5));
}

#[test]
fn panic_begins_extends_and_ends() {
    let (t, spec) = (start(), spec(1.0));
    let mut decider = Decider::new(&spec, 1, t);
    let mut at = |second, see| {
        let decision = decider.decide(&spec, seen(see), t + seconds(second));
        (decision.mode.as_str(), decision.replicas)
    };
    assert_eq!(at(0, See(1.0, 1.0, 1)), ("stable", Some(1)));
    assert_eq!(at(2, See(1.0, 2.0, 1)), ("panic", Some(2)));
    assert_eq!(at(4, See(2.0, 8.0, 2)), ("panic", Some(8)));
    assert_eq!(at(6, See(3.0, 3.0, 8)), ("panic", Some(8)));
    assert_eq!(at(64, See(3.0, 3.0, 8)), ("panic", Some(8)));
    assert_eq!(at(66, See(3.0, 3.0, 8)), ("stable", Some(4)));
}

#[test]
fn without_a_history_nothing_shrinks_for_a_stable_window() {
    let (t, spec) = (start(), spec(1.0));
    let mut decider = Decider::new(&spec, 6, t);
    let mut at = |second| {
        let decision = decider.decide(&spec, seen(See(0.0, 0.0, 6)), t + seconds(second));
        (decision.replicas, decision.bound_by())
    };
    assert_eq!(at(2), (Some(6), Bound::Panic));
    assert_eq!(at(60), (Some(6), Bound::Panic));
    assert_eq!(at(62), (Some(3), Bound::MaxScaleDownRate));
}

#[test]
fn beside_a_gateway_that_is_not_heard_the_number_grows_and_never_shrinks() {
    let spec = spec(1.0);
    let decided = |see, unheard| {
        let mut seen = seen(see);
        seen.unheard = unheard;
        let decision = Decider::new(&spec, 1, start()).decide(&spec, seen, start());
        (decision.replicas, decision.bound_by())
    };
    let blind = Bound::UnheardGateway;
    assert_eq!(decided(See(3.0, 3.0, 4), false), (Some(3), Bound::None));
    assert_eq!(decided(See(3.0, 3.0, 4), true), (Some(4), blind));
    assert_eq!(decided(See(0.0, 0.0, 1), true), (Some(1), blind));
    assert_eq!(decided(See(7.0, 7.0, 4), true), (Some(7), Bound::None));
}

#[test]
fn every_clamp_is_kept_in_order() {
    let (t, mut spec) = (start(), spec(1.0));
    spec.scaling.scale_down_delay = seconds(20).into();
    let mut decider = Decider::new(&spec, 1, t);
    decider.decide(&spec, seen(See(12.0, 12.0, 12)), t);
    let decision = decider.decide(&spec, seen(See(0.0, 0.0, 12)), t + seconds(2));
    let by: Vec<_> = decision.clamps.iter().map(|c| (c.by, c.to)).collect();
    let rate = (Bound::MaxScaleDownRate, Some(6));
    let delay = (Bound::ScaleDownDelay, Some(12));
    assert_eq!(by, [rate, delay]);
    assert_eq!(decision.clamps[1].until, Some(t + seconds(20)));
}

fn with_memory(memory: Option<f64>, ready: u32) -> (Spec, Seen) {
    let mut spec = spec(1.0);
    spec.scaling.further_metrics = vec![MetricTarget {
        metric: ScaleMetric::Memory,
        target: Some(100.0),
    }];
    let spec = Spec::new(spec.scaling, ContainerConcurrency::UNLIMITED);
    let (stable, panic) = (1.0, 1.0);
    let mut seen = Seen::of(&spec, ready, 0, Some(Averages { stable, panic }));
    let (metric, target) = (ScaleMetric::Memory, 100.0);
    let averages = memory.map(|stable| Averages {
        stable,
        panic: stable,
    });
    seen.readings.push(MetricReading {
        metric,
        target,
        averages,
        late: false,
    });
    (spec, seen)
}

#[test]
fn the_largest_wish_wins_and_is_named() {
    let t = start();
    let (spec, seen) = with_memory(Some(250.0), 2);
    let decision = Decider::new(&spec, 1, t).decide(&spec, seen, t);
    assert_eq!(decision.replicas, Some(3));
    assert_eq!(
        (decision.metric, decision.target),
        (ScaleMetric::Memory, 100.0)
    );
}

#[test]
fn with_one_metric_missing_nothing_shrinks() {
    let t = start();
    let (_, mut late) = with_memory(Some(250.0), 4);
    late.readings[1].late = true;
    for (spec, seen) in [with_memory(None, 4), (with_memory(None, 4).0, late)] {
        let decision = Decider::new(&spec, 1, t).decide(&spec, seen, t);
        assert_eq!(
            (decision.replicas, decision.bound_by()),
            (Some(4), Bound::NoData)
        );
    }
}
