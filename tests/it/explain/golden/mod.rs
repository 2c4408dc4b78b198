//! What is read, word for word.

mod unknown;
mod zero;

use std::time::Duration;

use holdgate::autoscale::{Shortage, TypicalPhases};
use holdgate::revision::{MetricTarget, ScaleMetric, Scaling};

use super::scene::Scene;
use crate::support::secs;

/// The word in metrics, the sentence, and what was made of the number, step by step.
fn check(scene: &Scene, load: u32, want: &str) {
    let told = scene.told(load);
    let decided = told
        .details
        .into_iter()
        .filter(|line| line.about == "decided");
    let decided = decided.map(|line| line.text);
    let first = [scene.bound_by().to_owned(), told.sentence];
    let lines: Vec<String> = first.into_iter().chain(decided).collect();
    let want: Vec<&str> = want.trim().lines().map(str::trim).collect();
    assert_eq!(lines, want);
}

fn defaults(_: &mut Scaling) {}

#[test]
fn held_by_a_bound() {
    let scene = Scene::new(|scaling| scaling.min_replicas = 2);
    check(
        &scene.load(0, 100),
        0,
        "
        min_replicas
        2 replicas: 0 requests in flight on average over 60 s at target 1; held by minReplicas
        0 asked for by concurrency over 60 s
        0 → 1: only down to 1 at once (maxScaleDownRate)
        1 → 2: never fewer than 2 (minReplicas)",
    );
    let scene = Scene::new(|scaling| scaling.max_replicas = Some(4));
    check(
        &scene.load(9, 10),
        9,
        "
        max_replicas
        4 replicas: 9 requests in flight on average over 60 s at target 1; held by maxReplicas
        9 asked for by concurrency over 60 s
        9 → 4: never more than 4 (maxReplicas)",
    );
    let mut scene = Scene::new(defaults);
    scene.scheduled = Some(3);
    check(
        &scene.load(1, 100),
        1,
        "
        schedule
        3 replicas: 1 request in flight on average over 60 s at target 1; held by schedule
        1 asked for by concurrency over 60 s
        1 → 3: never fewer than 3 at this hour (schedule)",
    );
    scene = Scene::new(defaults);
    (scene.scheduled, scene.hours_until) = (Some(3), Some(21_600));
    check(
        &scene.load(1, 100),
        1,
        "
        schedule
        3 replicas: 1 request in flight on average over 60 s at target 1; held by schedule until 18:00:00
        1 asked for by concurrency over 60 s
        1 → 3: never fewer than 3 at this hour (schedule) until 18:00:00",
    );
    let scene = Scene::new(|scaling| scaling.initial_scale = Some(3));
    check(&scene.load(0, 2), 0, "
        initial_scale
        3 replicas: 0 requests in flight on average over 60 s at target 1; raised to 3 by initialScale; next: 1 at 12:00:06
        0 asked for by concurrency over 60 s
        0 → 3: begins with 3 (initialScale)");
    let scene = Scene::new(|scaling| scaling.activation_scale = 3);
    check(&scene.load(1, 10), 1, "
        activation_scale
        3 replicas: 1 request in flight on average over 60 s at target 1; raised to 3 by activationScale
        1 asked for by concurrency over 60 s
        1 → 3: starts with 3 (activationScale)");
}

#[test]
fn held_by_how_fast_it_may_change() {
    let scene = Scene::new(|scaling| scaling.max_scale_up_rate = 2.0);
    check(&scene.load(9, 2), 9, "
        max_scale_up_rate
        2 replicas: 9 requests in flight on average over 60 s at target 1; held by maxScaleUpRate; next: 4 at 12:00:04
        9 asked for by concurrency over 60 s
        9 → 2: only up to 2 at once (maxScaleUpRate)");
    let scene = Scene::new(|scaling| {
        scaling.stable_window = secs(6);
        scaling.max_scale_down_rate = 1.1;
    });
    check(&scene.load(8, 60).load(0, 64), 0, "
        max_scale_down_rate
        6 replicas: 2.67 requests in flight on average over 6 s at target 1; held by maxScaleDownRate; next: 5 at 12:01:06
        3 asked for by concurrency over 6 s
        3 → 6: only down to 6 at once (maxScaleDownRate)");
    let scene = Scene::new(|scaling| scaling.scale_down_delay = secs(300).into());
    check(&scene.load(3, 100).load(1, 200), 1, "
        scale_down_delay
        3 replicas: 1 request in flight on average over 60 s at target 1; held by scaleDownDelay until 12:07:08; next: 2 at 12:07:08
        1 asked for by concurrency over 60 s
        1 → 3: kept at 3, so many were wanted before (scaleDownDelay) until 12:07:08");
    check(&Scene::new(defaults).load(1, 60).load(8, 64).load(1, 90), 1, "
        panic
        6 replicas: 1.47 requests in flight on average over 60 s at target 1; held by panic until 12:02:02; next: 3 at 12:02:04
        2 asked for by concurrency over 60 s
        2 → 3: only down to 3 at once (maxScaleDownRate)
        3 → 6: kept at 6, nothing shrinks in panic until 12:02:02");
}

#[test]
fn held_by_what_is_busy_or_on_its_way() {
    let mut scene = Scene::new(|scaling| scaling.target = Some(2.0));
    scene = scene.load(6, 100);
    scene.busy = Some(3);
    check(
        &scene.load(3, 200),
        3,
        "
        busy
        3 replicas: 3 requests in flight on average over 60 s at target 2; held by busy replicas
        2 asked for by concurrency over 60 s
        2 → 3: kept at 3, so many are busy",
    );
    let mut scene = Scene::new(|scaling| scaling.max_starting = Some(2));
    scene.start = 100;
    check(&scene.load(9, 20), 9, "
        max_starting
        2 replicas, still starting: 9 requests in flight on average over 60 s at target 1; held by maxStarting; next: 4 at 12:02:00
        9 asked for by concurrency over 60 s
        9 → 2: only 2 for now, no more start at once (maxStarting)");
    let mut scene = Scene::new(defaults);
    scene.start = 100;
    check(&scene.load(1, 5).load(0, 80), 0, "
        activating
        1 replica, still starting: 0 requests in flight on average over 60 s at target 1; held by a start under way, given up at 12:10:32; goes to zero at 12:04:30 if no request comes
        0 asked for by concurrency over 60 s
        0 → no change: left as it is while a start is under way, given up at 12:10:32");
}

#[test]
fn held_by_what_the_machine_has() {
    let mut scene = Scene::new(defaults);
    scene.most = Some((1, Shortage::NoFreeGpu));
    check(
        &scene.load(3, 20),
        3,
        "
        no_free_gpu
        1 of 3 replicas: 3 requests in flight on average over 60 s at target 1; waiting: no free GPU
        3 asked for by concurrency over 60 s
        1 of 3 for now: no free GPU",
    );
    let mut scene = Scene::new(defaults);
    scene.most = Some((2, Shortage::MaxProcesses));
    check(&scene.load(3, 20), 3, "
        max_processes
        2 of 3 replicas: 3 requests in flight on average over 60 s at target 1; waiting: as many processes run as may (--max-processes)
        3 asked for by concurrency over 60 s
        2 of 3 for now: --max-processes");
}

#[test]
fn where_the_time_of_a_start_goes_and_when_the_next_is_likely_is_told() {
    let mut scene = Scene::new(defaults);
    scene.start = 62;
    scene.typical_phases = TypicalPhases {
        schedule: Some(Duration::from_millis(20)),
        node: Some(secs(125)),
        pull: Some(secs(41)),
        init: Some(secs(0)),
        load: Some(secs(21)),
    };
    let mut scene = scene.load(1, 10);
    scene.expected = Some(65);
    let told = scene.told(1).details;
    let replicas = told.iter().find(|line| line.about == "replicas");
    assert_eq!(
        replicas.map(|line| line.text.as_str()),
        Some(
            "0 ready, 1 starting, 0 busy; a start takes 62 s (node 2 min 5 s, pull 41 s, load 21 s), \
             the next is likely in 55 s"
        )
    );
}
