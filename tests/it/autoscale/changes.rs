//! Settings that change while they steer, and restarts under other settings.

use std::time::Duration;

use holdgate::autoscale::{Bound, Steering};
use holdgate::revision::{MetricTarget, ScaleMetric, Scaling};

use super::odd::{Scene, cpu, spec};

/// Other settings.
type Change = fn(&mut Scaling);

#[test]
fn another_metric_beside_the_first_forgets_nothing_of_it() {
    let mut scene = Scene::new(&spec(|_| {}));
    scene.load = 6;
    scene.run(100);
    scene.load = 0;
    scene.run(20);
    let both = spec(|s| {
        s.further_metrics = vec![MetricTarget {
            metric: ScaleMetric::Cpu,
            target: Some(80.0),
        }];
    });
    scene.gauged = vec![Some(0.0)];
    scene.steering.adopt(&both, scene.now());
    // Forty seconds of six requests in a minute, whichever settings they were measured under.
    let last = scene.run(2);
    let averages = last.averages.expect("it is measured");
    assert!((3.5..4.5).contains(&averages.stable), "{averages:?}");
    assert!(scene.ready() >= 4);
    scene.steering.adopt(&spec(|_| {}), scene.now());
    let last = scene.run(2);
    assert!(last.averages.is_some_and(|averages| averages.stable > 3.0));
}

#[test]
fn metrics_that_are_all_new_shrink_nothing_before_a_window_of_them() {
    for change in [|s: &mut Scaling| s.metric = ScaleMetric::Rps, cpu] {
        let mut scene = Scene::new(&spec(|_| {}));
        scene.load = 6;
        scene.run(100);
        assert_eq!(scene.ready(), 6);
        (scene.load, scene.gauged) = (1, vec![Some(0.0)]);
        scene.steering.adopt(&spec(change), scene.now());
        let last = scene.run(58);
        assert_eq!(last.replicas, Some(6));
        assert_eq!(last.bound_by(), Bound::NewMetrics);
        assert!(scene.until(1).is_some_and(|seconds| seconds <= 12));
    }
}

#[test]
fn changed_windows_and_weights_keep_what_was_measured() {
    let mut scene = Scene::new(&spec(|_| {}));
    scene.load = 5;
    scene.run(100);
    let changes: [Change; 4] = [
        |s| s.stable_window = Duration::from_secs(6),
        |s| s.stable_window = Duration::from_secs(600),
        |s| s.panic_window_percentage = 100.0,
        |s| s.aggregation = holdgate::revision::Aggregation::WeightedExponential,
    ];
    for change in changes {
        scene.steering.adopt(&spec(change), scene.now());
        let last = scene.run(2);
        assert_eq!(last.replicas, Some(5), "{last:?}");
    }
}

#[test]
fn a_maximum_lowered_while_all_are_busy_is_kept_to() {
    let mut scene = Scene::new(&spec(|_| {}));
    scene.load = 6;
    scene.run(100);
    let lower = spec(|s| s.max_replicas = Some(2));
    scene.steering.adopt(&lower, scene.now());
    let last = scene.run(2);
    assert_eq!(
        (last.replicas, last.bound_by()),
        (Some(2), Bound::MaxReplicas)
    );
}

#[test]
fn a_restart_under_other_settings_is_as_safe_as_one_under_the_same() {
    let mut scene = Scene::new(&spec(|s| {
        s.further_metrics = vec![MetricTarget {
            metric: ScaleMetric::Cpu,
            target: Some(80.0),
        }];
    }));
    (scene.load, scene.gauged) = (6, vec![Some(500.0)]);
    scene.run(100);
    assert_eq!(scene.ready(), 7);
    let memory = scene.steering.remember(scene.now());
    let changes: [(Change, u32); 5] = [
        (|_| {}, 7),
        (cpu, 7),
        (|s| s.metric = ScaleMetric::Rps, 7),
        (|s| s.max_replicas = Some(3), 3),
        (|s| s.stable_window = Duration::from_secs(6), 7),
    ];
    for (change, want) in changes {
        let mut later = Scene::new(&spec(change));
        let (away, now) = (Duration::from_secs(2), later.now());
        later.steering = Steering::recall(&spec(change), &memory, away, now);
        later.decide();
        let first = later.last.as_ref().expect("it has decided");
        assert_eq!(first.replicas, Some(want));
        assert_eq!(later.steering.asked(), Some(want));
    }
    let again = spec(|_| {});
    let mut later = Scene::new(&again);
    let now = later.now();
    later.steering = Steering::recall(&again, &memory, Duration::from_secs(2), now);
    let last = later.run(50);
    assert_eq!((last.replicas, last.bound_by()), (Some(7), Bound::Restart));
    assert!(later.until(0).is_some(), "nobody came back");
}

#[test]
fn so_many_start_at_once_as_may_on_the_way_to_the_least() {
    let mut scene = Scene::new(&spec(|s| {
        (s.min_replicas, s.max_starting) = (5, Some(2));
        s.initial_scale = Some(7);
    }));
    let steps: Vec<u32> = (0..6).map(|_| scene.run(2).replicas.unwrap_or(0)).collect();
    assert_eq!(steps, [2, 4, 6, 7, 7, 5]);
}

#[test]
fn what_is_on_its_way_is_not_taken_back_when_fewer_may_start_at_once() {
    let mut scene = Scene::new(&spec(|_| {}));
    (scene.load, scene.slow) = (6, true);
    scene.run(10);
    assert_eq!(scene.ready(), 6);
    let fewer = spec(|s| s.max_starting = Some(2));
    scene.steering.adopt(&fewer, scene.now());
    let last = scene.run(20);
    assert_eq!((last.seen.starting, last.replicas), (6, Some(6)));
}
