//! What others say of pods and of what makes them, and a cluster that does not let us hear it.

use std::time::SystemTime;

use super::*;
use crate::backend::kubernetes::objects::PodView;
use crate::sync::wall;

/// An Event of a pod, said at a time.
fn event(name: &str, reason: &str, component: &str, at: SystemTime) -> Value {
    let at = humantime::format_rfc3339_seconds(at).to_string();
    json!({
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": "Pod", "uid": "p-a", "name": "a", "namespace": "default"},
        "reason": reason, "message": "it is so", "source": {"component": component},
        "firstTimestamp": at, "lastTimestamp": at, "count": 1
    })
}

fn word(present: &Present) -> Option<&str> {
    let a = |pod: &&std::sync::Arc<PodView>| &*pod.name == "a";
    let word = present.pods.iter().find(a)?.node_word.as_ref()?;
    Some(&word.said.reason)
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_pod_is_heard_at_once_and_forgotten_when_it_is_over() {
    let (fake, _catalog, mut present) = flowers().await;
    let told = Instant::now();
    let comes = event("e1", "TriggeredScaleUp", "cluster-autoscaler", wall());
    fake.put(EVENTS, comes);
    until(&mut present, |it| word(it) == Some("TriggeredScaleUp")).await;
    assert_eq!(told.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(14 * 60)).await;
    assert!(word(&present.borrow()).is_some());
    until(&mut present, |it| word(it).is_none()).await;
    assert!(told.elapsed() <= Duration::from_secs(15 * 60 + 10));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_gateway_came_is_heard() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    fake.put(PODS, pod("a"));
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let comes = event("e1", "Nominated", "karpenter", wall() - minutes(2));
    fake.put(EVENTS, comes);
    let none = event("e2", "FailedScheduling", "karpenter", wall() - minutes(1));
    fake.put(EVENTS, none);
    // The scheduler has said the same, which its condition tells too.
    let other = event("e3", "FailedScheduling", "default-scheduler", wall());
    fake.put(EVENTS, other);
    let catalog = everything(&fake);
    let mut present = catalog.present(&RevisionId::new(FLOWERS));
    let seen = until(&mut present, |it| word(it) == Some("FailedScheduling")).await;
    let pod = seen.pods.first().expect("it is there");
    let word = pod.node_word.as_ref().expect("it was said");
    let before = wall().duration_since(word.at).expect("it is over");
    assert!(!word.coming && before >= minutes(1), "{before:?}");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_hear_what_is_said_goes_on_without_and_waits_for_nothing() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    fake.put(PODS, pod("a"));
    fake.forbid(EVENTS);
    let begun = Instant::now();
    let catalog = everything(&fake);
    names(&catalog, &[FLOWERS]).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{begun:?}");
    let mut present = catalog.present(&RevisionId::new(FLOWERS));
    until(&mut present, |it| it.fresh && pods(it) == ["a"]).await;
    sleep(Duration::from_secs(120)).await;
    assert!(present.borrow().fresh);
    fake.asked();
    sleep(Duration::from_secs(300)).await;
    let asked = fake.asked().into_iter().filter(|it| it.starts_with(EVENTS));
    assert!(asked.count() <= 7 * 6, "hardly asked for");
    // Once it may, it does.
    fake.allow(EVENTS);
    fake.put(EVENTS, event("e1", "Nominated", "karpenter", wall()));
    until(&mut present, |it| word(it) == Some("Nominated")).await;
}

#[tokio::test(start_paused = true)]
async fn a_past_that_is_forgotten_of_what_is_said_leaves_everything_fresh() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.put(EVENTS, event("e1", "Nominated", "karpenter", wall()));
    until(&mut present, |it| word(it) == Some("Nominated")).await;
    fake.forbid(EVENTS);
    fake.cut();
    sleep(Duration::from_secs(120)).await;
    assert!(present.borrow().fresh);
    assert_eq!(word(&present.borrow()), Some("Nominated"));
}
