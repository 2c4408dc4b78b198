//! What a person sees over minutes, at every shift between measuring and deciding.

use std::time::Duration;

use holdgate::autoscale::{Bound, Decision, Mode};
use holdgate::revision::Scaling;

use super::world::{World, scaling};

fn panics(decision: &Decision) -> bool {
    decision.mode != Mode::Stable
}

#[test]
fn a_burst_panics_within_three_seconds_and_nothing_shrinks_until_it_is_over() {
    for phase in 0..4 {
        let mut world = World::new(scaling(), 1, 0.0, phase);
        world.arrive(1, 0.0);
        world.arrive(9, 60.0);
        world.leave(10, 90.0);
        world.run_until(200.0);

        let before = |(t, d): &&(f64, Decision)| *t <= 60.0 && d.replicas.is_some();
        assert!(world.log.iter().filter(before).all(|(_, d)| !panics(d)));
        let begin = world.first(60.0, panics);
        assert!((61.0..=63.0).contains(&begin), "panic at {begin}");
        let ten = world.first(0.0, |d| d.replicas == Some(10));
        assert!((66.0..=68.0).contains(&ten), "ten wanted at {ten}");

        let supply = |d: &Decision| (d.seen.ready + d.seen.starting).max(1);
        let over = |d: &Decision| d.panic_wish >= 2 * supply(d);
        let end = world.first(begin, |d| !panics(d));
        let readings = world.log.iter().filter(|(_, d)| over(d));
        let last = readings.map(|(t, _)| *t).next_back().expect("it was over");
        assert!(end - last > 60.0 && end - last <= 62.0, "{last} to {end}");

        let in_panic = world.log.iter().filter(|(t, _)| (begin..end).contains(t));
        let numbers: Vec<_> = in_panic.map(|(_, d)| d.replicas).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
        assert_eq!(numbers.last(), Some(&Some(10)));
        assert!(world.replicas() < 10, "it shrinks after the panic");
    }
}

#[test]
fn the_last_replica_goes_ninety_seconds_after_the_last_request() {
    for phase in 0..4 {
        for (requests, last) in [(1, 100.0), (1, 100.3), (3, 100.5), (3, 100.9), (1, 101.7)] {
            let mut world = World::new(scaling(), 0, 0.0, phase);
            world.arrive(requests, 0.0);
            world.leave(requests, last);
            world.run_until(300.0);
            let gone = world.first(last, |d| d.replicas == Some(0)) - last;
            assert!((90.0..=94.0).contains(&gone), "gone {gone} s later");
            assert_eq!(world.replicas(), 0);
        }
    }
}

#[test]
fn a_request_in_the_grace_period_starts_the_wait_anew() {
    let mut world = World::new(scaling(), 0, 0.0, 0);
    world.arrive(1, 0.0);
    world.leave(1, 100.0);
    world.arrive(1, 180.0);
    world.leave(1, 180.5);
    world.run_until(269.0);
    assert_eq!(world.replicas(), 1);
    world.run_until(275.0);
    assert_eq!(world.replicas(), 0);
}

#[test]
fn as_many_stay_as_are_the_least() {
    for least in [1, 3] {
        let mut world = World::new(
            Scaling {
                min_replicas: least,
                ..scaling()
            },
            0,
            0.0,
            0,
        );
        world.arrive(5, 10.0);
        world.leave(5, 100.0);
        world.run_until(600.0);
        assert_eq!(world.log[0].1.replicas, Some(least));
        let from = world.log.iter().filter(|(t, _)| *t > 170.0);
        assert!(from.clone().count() > 200);
        assert!(from.into_iter().all(|(_, d)| d.replicas == Some(least)));
    }
}

#[test]
fn fifty_at_once_are_eight_where_eight_is_the_most() {
    for start_time in [0.0, 9.0, 90.0] {
        let mut world = World::new(
            Scaling {
                max_replicas: Some(8),
                ..scaling()
            },
            0,
            start_time,
            1,
        );
        world.arrive(50, 5.0);
        world.run_until(200.0);
        assert_eq!(world.replicas(), 8);
        let most = world.log.iter().filter_map(|(_, d)| d.replicas).max();
        assert_eq!(most, Some(8));
        let (_, last) = world.log.last().expect("decisions were made");
        assert_eq!(last.bound_by(), Bound::MaxReplicas);
    }
}

#[test]
fn ten_in_flight_are_ten_replicas() {
    for (ready, start_time) in [(0, 0.0), (1, 0.0), (0, 30.0), (1, 200.0)] {
        let mut world = World::new(scaling(), ready, start_time, 2);
        world.arrive(10, 0.0);
        world.run_until(600.0);
        let numbers = world.log.iter().filter_map(|(_, d)| d.replicas);
        assert_eq!(numbers.clone().max(), Some(10));
        assert_eq!(world.replicas(), 10);
    }
}

#[test]
fn fifty_a_second_of_two_hundred_milliseconds_are_ten_replicas() {
    let mut world = World::new(scaling(), 0, 3.0, 0);
    // One every 20 ms, shifted so that none falls on a measurement.
    for n in 0..6_000_u32 {
        let t = 0.01 + f64::from(n) * 0.02;
        if n >= 10 {
            world.leave(1, t - 0.001);
        }
        world.arrive(1, t);
    }
    assert_eq!(world.replicas(), 10);
    let most = world.log.iter().filter_map(|(_, d)| d.replicas).max();
    assert_eq!(most, Some(10));
}

#[test]
fn a_slow_start_asks_for_no_more_than_is_waiting() {
    let mut world = World::new(scaling(), 0, 9.0, 3);
    world.arrive(5, 0.0);
    world.run_until(60.0);
    let most = world.log.iter().filter_map(|(_, d)| d.replicas).max();
    assert_eq!((world.replicas(), most), (5, Some(5)));
}

#[test]
fn a_start_nobody_waits_for_any_more_is_seen_through() {
    let mut world = World::new(scaling(), 0, 300.0, 0);
    world.arrive(1, 0.0);
    world.leave(1, 10.0);
    world.run_until(301.0);
    assert_eq!(world.replicas(), 1, "it starts");
    world.run_until(400.0);
    assert_eq!(world.replicas(), 0, "nobody wants it");
}

#[test]
fn a_start_that_never_ends_is_given_up() {
    let mut world = World::new(scaling(), 0, f64::INFINITY, 0);
    world.arrive(1, 0.0);
    world.leave(1, 10.0);
    world.run_until(600.0);
    assert_eq!(world.replicas(), 1);
    world.run_until(1_000.0);
    assert_eq!(world.replicas(), 0);
}

#[test]
fn stop_after_idle_is_kept_to_the_tick() {
    for (limit, phase) in [(10, 0), (20, 1), (60, 2), (200, 3)] {
        let mut world = World::new(
            Scaling {
                stop_after_idle: Some(Duration::from_secs(limit)),
                ..scaling()
            },
            0,
            0.0,
            phase,
        );
        world.arrive(3, 0.0);
        world.leave(3, 100.2);
        world.run_until(400.0);
        let gone = world.first(100.2, |d| d.replicas == Some(0)) - 100.2;
        let limit = Duration::from_secs(limit).as_secs_f64();
        assert!((limit..=limit + 2.0).contains(&gone), "gone {gone} s later");
        assert_eq!(world.replicas(), 0);
    }
}
