//! Everything behind the sentence, as it is printed.

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
  mode      panic, activating; last over the threshold at 12:00:02; \
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
