//! At zero, on the way there, and kept from it.

use super::*;

#[test]
fn at_zero_and_why() {
    check(
        &Scene::new(defaults),
        0,
        "
        none
        at zero: no request since 12:00:00",
    );
    check(
        &Scene::new(defaults).load(1, 10).load(0, 200),
        0,
        "
        none
        at zero since 12:01:40: no request since 12:00:10
        0 asked for by concurrency over 60 s",
    );
    let mut scene = Scene::new(defaults).load(1, 10).load(0, 200);
    scene.outage = Some("exit status: 1".to_owned());
    check(
        &scene,
        0,
        "
        none
        at zero since 12:01:40: no request since 12:00:10; no replica can come: exit status: 1
        0 asked for by concurrency over 60 s",
    );
}

#[test]
fn held_on_the_way_to_zero() {
    check(&Scene::new(defaults).load(1, 10).load(0, 80), 0, "
        scale_to_zero_grace
        1 replica: 0 requests in flight on average over 60 s at target 1; held by scaleToZeroGracePeriod until 12:01:40; goes to zero at 12:01:40 if no request comes
        0 asked for by concurrency over 60 s
        0 → no change: the last replica stays a while longer (scaleToZeroGracePeriod) until 12:01:40");
    let retention = |scaling: &mut Scaling| {
        scaling.scale_to_zero_pod_retention_period = secs(300).into();
    };
    check(&Scene::new(retention).load(1, 10).load(0, 80), 0, "
        scale_to_zero_pod_retention
        1 replica: 0 requests in flight on average over 60 s at target 1; held by scaleToZeroPodRetentionPeriod until 12:06:10; goes to zero at 12:06:10 if no request comes
        0 asked for by concurrency over 60 s
        0 → no change: the last replica stays a while longer (scaleToZeroPodRetentionPeriod) until 12:06:10");
    let stop = |scaling: &mut Scaling| scaling.stop_after_idle = Some(secs(100));
    check(&Scene::new(stop).load(1, 10).load(0, 80), 0, "
        stop_after_idle
        1 replica: 0 requests in flight on average over 60 s at target 1; held by stopAfterIdle until 12:01:50; goes to zero at 12:01:50 if no request comes
        0 asked for by concurrency over 60 s
        0 → 1: not idle for long enough yet (stopAfterIdle) until 12:01:50");
    check(&Scene::new(defaults).load(0, 2).load(1, 3).load(0, 64), 0, "
        stable_window
        1 replica: 0 requests in flight on average over 60 s at target 1; held by stableWindow until 12:01:06; goes to zero at 12:01:36 if no request comes
        0 asked for by concurrency over 60 s
        0 → 1: kept at 1 for a whole window without load (stableWindow) until 12:01:06");
}

#[test]
fn kept_from_zero_by_a_request() {
    let scene = Scene::new(defaults).load(1, 34);
    check(&scene.visit("POST /v1/completions", 0, 2), 1, "
        none
        1 replica: 1 request in flight on average over 60 s at target 1; kept from zero by POST /v1/completions, answering for 34 s on replica 2
        1 asked for by concurrency over 60 s");
    let mut scene = Scene::new(|scaling| scaling.metric = ScaleMetric::Rps);
    scene.arrivals = 1;
    scene = scene.load(1, 10);
    scene.arrivals = 0;
    let scene = scene.load(1, 200).visit("POST /v1/chat/completions", 9, 1);
    check(&scene.visit("GET /v1/models", 30, 1), 1, "
        busy
        1 replica: 0 requests per second on average over 60 s at target 1; kept from zero by POST /v1/chat/completions, answering for 3 min 11 s on replica 1 (and 1 more)
        0 asked for by rps over 60 s
        0 → 1: kept at 1, so many are busy");
    let mut scene = Scene::new(defaults).load(1, 10);
    scene.busy = Some(1);
    let scene = scene.load(0, 100).visit("POST /v1/completions", 4, 2);
    let scene = scene.left(88);
    let told = scene.told(0);
    let ahead = told.details.last().expect("there is something ahead");
    let want = "goes to zero at 12:02:12 if no request comes and none is worked on any more";
    assert_eq!(ahead.text, want);
    check(&scene, 0, "
        busy
        1 replica: 0 requests in flight on average over 60 s at target 1; kept from zero: replica 2 still works for a client that left 12 s ago (POST /v1/completions)
        0 asked for by concurrency over 60 s
        0 → 1: kept at 1, so many are busy");
}
