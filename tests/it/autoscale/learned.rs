//! Holds that are as long as a start takes, and change with it.

use std::time::{Duration, Instant};

use holdgate::admission::meter::Report;
use holdgate::autoscale::{Around, Bound, Decision, Measured, Spec, Steering};
use holdgate::revision::{ContainerConcurrency, Hold, Scaling};

use super::scaling;
use crate::clock::Clock;

/// One revision with three requests here, which all leave at second 100.
struct Scene {
    clock: Clock,
    steering: Steering,
    /// From which second on a start is known to take so long.
    learned: Vec<(u64, f64)>,
}

impl Scene {
    fn new(scaling: Scaling, learned: &[(u64, f64)]) -> Self {
        let (clock, spec) = (
            Clock::start(),
            Spec::new(scaling, ContainerConcurrency::UNLIMITED),
        );
        Self {
            steering: Steering::new(&spec, clock.at(0.0)),
            clock,
            learned: learned.to_vec(),
        }
    }

    fn at(&self, second: u64) -> Instant {
        self.clock.at(Duration::from_secs(second).as_secs_f64())
    }

    /// The decision of every second one.
    fn run(mut self, end: u64) -> Vec<(u64, Decision)> {
        let mut told = Vec::new();
        for second in 1..=end {
            let here = if second <= 100 { 3.0 } else { 0.0 };
            let (average_concurrency, requests) = (here, 0);
            let report = Report {
                average_concurrency,
                requests,
            };
            let gauged = Vec::new();
            let now = self.at(second);
            self.steering.record(&Measured { report, gauged }, now);
            if !second.is_multiple_of(2) {
                continue;
            }
            let typical = self.learned.iter().rev().find(|(from, _)| *from <= second);
            let around = Around {
                ready: self.steering.asked().unwrap_or(0),
                starting: 0,
                busy: 0,
                idle_since: (second > 100).then(|| self.at(100)),
                typical_start: typical.map(|(_, took)| Duration::from_secs_f64(*took)),
                shortage: None,
                scheduled: None,
                unheard: false,
            };
            let decision = self.steering.decide(&around, now);
            if let Some(replicas) = decision.replicas {
                self.steering.note_asked(replicas);
            }
            told.push((second, decision));
        }
        told
    }
}

/// The first second at which fewer than three, and none at all, are wanted.
fn falls(told: &[(u64, Decision)]) -> (u64, u64) {
    let first = |most: u32| {
        let below = |(second, d): &&(u64, Decision)| {
            *second > 100 && d.replicas.is_some_and(|replicas| replicas <= most)
        };
        told.iter().find(below).expect("it falls").0
    };
    (first(2), first(0))
}

fn delayed(delay: Hold, learned: &[(u64, f64)]) -> (u64, u64) {
    let scaling = Scaling {
        scale_down_delay: delay,
        ..scaling()
    };
    falls(&Scene::new(scaling, learned).run(10_000))
}

fn fixed(seconds: u64) -> Hold {
    Hold::Fixed(Duration::from_secs(seconds))
}

#[test]
fn a_learned_delay_is_as_long_as_a_start_takes() {
    let auto = |learned: &[(u64, f64)]| delayed(Hold::Auto, learned);
    //                 from, seconds                 like a written delay of
    assert_eq!(
        auto(&[]),
        delayed(fixed(0), &[]),
        "nothing before the first"
    );
    assert_eq!(auto(&[(0, 40.0)]), delayed(fixed(40), &[]));
    assert_eq!(auto(&[(0, 39.2)]), delayed(fixed(40), &[]), "whole seconds");
    assert_eq!(auto(&[(0, 7200.0)]), delayed(fixed(3600), &[]), "an hour");
    assert_eq!(auto(&[(0, 300.0), (90, 40.0)]), delayed(fixed(40), &[]));
    assert!(auto(&[(0, 40.0)]) > auto(&[]));
    assert!(auto(&[(0, 40.0), (90, 300.0)]) > auto(&[(0, 40.0)]));
}

#[test]
fn a_learned_delay_says_until_when_it_holds() {
    let scaling = Scaling {
        scale_down_delay: Hold::Auto,
        ..scaling()
    };
    let scene = Scene::new(scaling, &[(0, 40.0)]);
    let clock = scene.clock;
    let told = scene.run(300);
    let three = |(_, d): &&(u64, Decision)| d.replicas == Some(3);
    let (_, last) = told.iter().rfind(three).expect("there were three");
    assert_eq!(last.bound_by(), Bound::ScaleDownDelay);
    let until = last.clamps.last().and_then(|clamp| clamp.until);
    let until = until.expect("it says so").duration_since(clock.at(0.0));
    let (fewer, _) = falls(&told);
    assert!(until.as_secs().abs_diff(fewer) <= 2, "{until:?}, {fewer}");
}

#[test]
fn a_learned_retention_keeps_the_last_replica_as_long_as_a_start_takes() {
    let kept = |retention: Hold, learned: &[(u64, f64)]| {
        let scaling = Scaling {
            scale_to_zero_pod_retention_period: retention,
            ..scaling()
        };
        falls(&Scene::new(scaling, learned).run(5_000)).1
    };
    let auto = |learned: &[(u64, f64)]| kept(Hold::Auto, learned);
    assert_eq!(auto(&[]), kept(fixed(0), &[]), "the grace period alone");
    assert_eq!(auto(&[(0, 20.0)]), kept(fixed(0), &[]), "the longer counts");
    assert_eq!(auto(&[(0, 200.0)]), kept(fixed(200), &[]));
    assert_eq!(auto(&[(0, 9999.0)]), kept(fixed(3600), &[]), "an hour");
    let grows = auto(&[(0, 100.0), (150, 200.0)]);
    assert_eq!(
        grows,
        kept(fixed(200), &[]),
        "what is learned meanwhile counts"
    );
}
