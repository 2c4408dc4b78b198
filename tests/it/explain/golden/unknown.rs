//! Held because something is not known, or not for long enough.

use super::*;

#[test]
fn held_for_missing_data() {
    let mut scene = Scene::new(|scaling| {
        let metric = ScaleMetric::Memory;
        let target = Some(1_073_741_824.0);
        scaling.further_metrics = vec![MetricTarget { metric, target }];
    });
    scene.gauged = vec![Some(3.5e9)];
    scene = scene.load(1, 60);
    check(
        &scene,
        1,
        "
        none
        4 replicas: 3.26GiB of memory on average over 60 s at target 1GiB
        4 asked for by memory over 60 s",
    );
    scene.gauged = vec![None];
    check(&scene.load(1, 180), 1, "
        no_data
        4 replicas: 1 request in flight on average over 60 s at target 1; held by missing data: nothing of memory in the last 60 s
        1 asked for by concurrency over 60 s
        1 → 2: only down to 2 at once (maxScaleDownRate)
        2 → 4: kept at 4 while a metric is missing");
}

#[test]
fn held_for_a_metric_that_cannot_be_read_at_the_moment() {
    let mut scene = Scene::new(|scaling| {
        scaling.metric = ScaleMetric::Memory;
        scaling.target = Some(1_073_741_824.0);
    });
    scene.gauged = vec![Some(4e9)];
    scene = scene.load(1, 100);
    scene.gauged = vec![Some(1e9)];
    scene = scene.load(1, 120);
    scene.gauged = vec![None];
    let why = "the page of metrics took too long".to_owned();
    scene.unread = vec![("memory".to_owned(), why)];
    check(&scene.load(1, 150), 1, "
        no_data
        3 replicas: 1.86GiB of memory on average over 60 s at target 1GiB; held by missing data: memory cannot be read (the page of metrics took too long)
        2 asked for by memory over 60 s
        2 → 3: kept at 3 while a metric is missing");
}

#[test]
fn held_for_a_gateway_that_is_not_heard() {
    let mut scene = Scene::new(defaults).load(4, 100);
    scene.unheard = true;
    check(&scene.load(1, 200), 1, "
        unheard_gateway
        4 replicas: 1 request in flight on average over 60 s at target 1; held by a gateway that is not heard
        1 asked for by concurrency over 60 s
        1 → 2: only down to 2 at once (maxScaleDownRate)
        2 → 4: kept at 4 while another gateway is not heard");
}

#[test]
fn held_after_a_restart() {
    check(&Scene::new(defaults).load(3, 100).load(0, 120).restart().load(0, 150), 0, "
        restart
        2 replicas: 0.48 requests in flight on average over 60 s at target 1; held by the first window until 12:03:00; next: 1 at 12:03:02
        1 asked for by concurrency over 60 s
        1 → 2: kept at 2, nothing shrinks in the first window until 12:03:00");
}

#[test]
fn held_for_new_metrics() {
    let scene = Scene::new(defaults).load(3, 100);
    check(&scene.adopt(|s| s.metric = ScaleMetric::Rps).load(3, 120), 3, "
        new_metrics
        3 replicas: 0 requests per second on average over 60 s at target 1; held by a recent change of metrics until 12:02:40
        0 asked for by rps over 60 s
        0 → 1: only down to 1 at once (maxScaleDownRate)
        1 → 3: kept at 3, nothing shrinks with new metrics until 12:02:40");
}
