//! Everything behind the sentence, as it is printed.

use holdgate::autoscale::Shortage;
use holdgate::revision::{MetricTarget, ScaleMetric};

use super::scene::Scene;

#[test]
fn everything_behind_the_sentence() {
    let scene = Scene::new(|_| {}).load(2, 100).load(1, 130);
    let scene = scene.visit("POST /v1/completions", 96, 2);
    let want = "\
2 replicas: 1.5 requests in flight on average over 60 s at target 1; next: 1 at 12:02:40
  measured  concurrency: 1.5 requests in flight on average over 60 s asks for 2, \
1 over 6 s for 1, at target 1
  replicas  2 ready, 0 starting, 1 busy
  mode      stable, active
  decided   2 asked for by concurrency over 60 s
  here      POST /v1/completions, answering for 34 s on replica 2
  ahead     1 replica at 12:02:40 if the demand stays as it is
            a 3rd replica above 2 requests in flight on average over 60 s
            panic (more at once, nothing shrinks) above 3 requests in flight on average over 6 s
            goes to zero 90 s after the last request has ended
";
    assert_eq!(scene.told(1).to_string(), want);
}

#[test]
fn everything_behind_a_start_in_panic() {
    let mut scene = Scene::new(|scaling| scaling.max_replicas = Some(3));
    scene.start = 9;
    let want = "\
3 replicas, still starting: 5 requests in flight on average over 60 s at target 1; \
held by maxReplicas
  measured  concurrency: 5 requests in flight on average over 60 s asks for 5, \
5 over 6 s for 5, at target 1
  replicas  0 ready, 3 starting, 0 busy; a start takes 9 s
  mode      panic, activating; until 12:01:02 unless a burst comes; \
up to 5 replicas wanted so far
  decided   5 asked for by concurrency over 60 s
            5 → 3: never more than 3 (maxReplicas)
  ahead     never more than 3 (maxReplicas)
            goes to zero 100 s after the last request has ended
";
    assert_eq!(scene.load(5, 4).told(5).to_string(), want);
}

#[test]
fn at_zero_the_next_request_starts_what_it_asks_for() {
    let scene = Scene::new(|scaling| scaling.activation_scale = 3);
    let told = scene.load(0, 100).told(0);
    let ahead = told.details.last().expect("there is something ahead");
    assert_eq!(ahead.text, "the next request starts 3 replicas at once");
}

/// What would change the number.
fn ahead(scene: &Scene, load: u32) -> Vec<String> {
    let told = scene.told(load).details.into_iter();
    told.filter(|line| line.about == "ahead")
        .map(|line| line.text)
        .collect()
}

#[test]
fn more_load_is_not_said_to_bring_what_it_cannot() {
    let mut scene = Scene::new(|_| {});
    scene.most = Some((1, Shortage::NoFreeGpu));
    assert_eq!(
        ahead(&scene.load(3, 20), 3)[..1],
        ["2 more replicas as soon as a GPU is free"]
    );
    let mut scene = Scene::new(|scaling| scaling.max_replicas = Some(3));
    scene.most = Some((2, Shortage::MaxProcesses));
    let want = [
        "never more than 3 (maxReplicas)",
        "1 more replica as soon as another process has ended (--max-processes)",
    ];
    assert_eq!(ahead(&scene.load(9, 20), 9)[..2], want);
    let mut scene = Scene::new(|scaling| scaling.max_starting = Some(2));
    scene.start = 100;
    let told = ahead(&scene.load(9, 20), 9);
    assert!(
        !told.iter().any(|line| line.contains("3rd replica")),
        "{told:?}"
    );
}

#[test]
fn every_metric_that_would_bring_another_replica_is_told() {
    let mut scene = Scene::new(|scaling| {
        let (metric, target) = (ScaleMetric::Cpu, Some(80.0));
        scaling.further_metrics = vec![MetricTarget { metric, target }];
    });
    scene.gauged = vec![Some(10.0)];
    let told = ahead(&scene.load(1, 100), 1);
    let want = "a 2nd replica above 1 request in flight or 80% of cpu on average over 60 s";
    assert_eq!(told[0], want);
}

#[test]
fn what_cannot_come_is_given_up_rather_than_going_to_zero() {
    let mut scene = Scene::new(|_| {});
    scene.most = Some((0, Shortage::NoFreeGpu));
    let told = scene.load(1, 10).load(0, 20).told(0);
    assert!(told.to_string().contains("given up at "), "{told}");
    assert!(!told.to_string().contains("goes to zero"), "{told}");
}

#[test]
fn at_zero_nothing_is_said_to_stay() {
    let told = Scene::new(|_| {}).load(0, 10).told(0).to_string();
    assert!(told.starts_with("at zero: "), "{told}");
    assert!(!told.contains("stays"), "{told}");
}
