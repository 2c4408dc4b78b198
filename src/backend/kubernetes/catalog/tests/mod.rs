//! What the catalog promises while an API server comes, goes, forgets and refuses, in virtual time.

mod fake;
mod refusing;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use self::fake::{DEPLOYMENTS, Fake, HPAS, ISVCS, MAPS, PODS, ROLLOUTS, SERVICES};
use super::{Catalog, Claims, Present, Scope};
use crate::backend::kubernetes::claim::Obstacle;
use crate::revision::RevisionId;

const FLOWERS: &str = "flowers.default";

fn everything(fake: &Fake) -> Catalog {
    Catalog::start(fake.client(), Scope::default())
}

fn deployment(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "default", "uid": format!("d-{name}"),
            "creationTimestamp": "2026-11-22T07:00:00Z",
            "annotations": {"holdgate.dev/enabled": "true"}
        },
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "m"}]}}
        },
        "status": {}
    })
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "default", "uid": format!("p-{name}"),
            "creationTimestamp": "2026-11-22T07:00:00Z", "labels": {"app": "flowers"}
        },
        "spec": {}, "status": {"phase": "Pending"}
    })
}

fn inference_service(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "default", "uid": format!("i-{name}"),
            "creationTimestamp": "2026-11-22T07:00:00Z",
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "external"
            }
        },
        "spec": {"predictor": {"minReplicas": 0}}
    })
}

/// Waits, and fails after two minutes.
async fn until<T: Clone>(seen: &mut watch::Receiver<T>, holds: impl FnMut(&T) -> bool) -> T {
    let waited = timeout(Duration::from_secs(120), seen.wait_for(holds)).await;
    waited
        .expect("it comes in time")
        .expect("the catalog lives")
        .clone()
}

async fn names(catalog: &Catalog, want: &[&str]) {
    let names = |claims: &Option<std::sync::Arc<Claims>>| {
        let claims = claims.as_ref()?;
        Some(claims.keys().map(ToString::to_string).collect::<Vec<_>>())
    };
    let want: Vec<String> = want.iter().map(|it| (*it).to_owned()).collect();
    until(&mut catalog.claims(), |claims| {
        names(claims).as_ref() == Some(&want)
    })
    .await;
}

fn pods(present: &Present) -> Vec<&str> {
    present.pods.iter().map(|pod| &*pod.name).collect()
}

/// One workload with two pods, seen.
async fn flowers() -> (Fake, Catalog, watch::Receiver<Present>) {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    fake.put(PODS, pod("a"));
    fake.put(PODS, pod("b"));
    let catalog = everything(&fake);
    let mut present = catalog.present(&RevisionId::new(FLOWERS));
    until(&mut present, |it| {
        it.fresh && pods(it) == ["a", "b"] && it.workload.is_some()
    })
    .await;
    names(&catalog, &[FLOWERS]).await;
    // Until every watch is open.
    sleep(Duration::from_secs(10)).await;
    fake.asked();
    (fake, catalog, present)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_before_everything_was_listed() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    fake.put(HPAS, json!({
        "metadata": {"name": "h", "namespace": "default", "uid": "h"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "flowers"}}
    }));
    fake.leave();
    let catalog = everything(&fake);
    sleep(Duration::from_secs(60)).await;
    assert!(catalog.claims().borrow().is_none());
    fake.come_back();
    let claims = until(&mut catalog.claims(), Option::is_some)
        .await
        .expect("they are there");
    let obstacle = claims[&RevisionId::new(FLOWERS)].obstacle.clone();
    assert!(
        matches!(obstacle, Some(Obstacle::SteeredBy(_))),
        "the first look is complete"
    );
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_told_at_once() {
    let (fake, _catalog, mut present) = flowers().await;
    let begun = Instant::now();
    fake.put(PODS, pod("c"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
    fake.delete(PODS, "a");
    until(&mut present, |it| pods(it) == ["b", "c"]).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_was_cut_goes_on_where_it_was() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.cut();
    fake.put(PODS, pod("c"));
    fake.delete(PODS, "a");
    until(&mut present, |it| pods(it) == ["b", "c"]).await;
    assert!(present.borrow().fresh);
    let listed: Vec<_> = fake
        .asked()
        .into_iter()
        .filter(|it| !it.contains("watch=true"))
        .collect();
    let again = listed
        .iter()
        .any(|it| it.starts_with(PODS) || it.starts_with(DEPLOYMENTS));
    assert!(!again, "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_meanwhile_is_listed_again() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.cut();
    fake.delete(PODS, "a");
    fake.put(PODS, pod("c"));
    fake.compact();
    until(&mut present, |it| pods(it) == ["b", "c"] && it.fresh).await;
    let listed = fake
        .asked()
        .into_iter()
        .any(|it| it.starts_with(PODS) && !it.contains("watch=true"));
    assert!(listed);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_was_told_how_far_it_has_come_goes_on_from_there() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.put(
        SERVICES,
        json!({"metadata": {"name": "s", "namespace": "x"}, "spec": {}}),
    );
    fake.bookmark();
    fake.compact();
    sleep(Duration::from_secs(1)).await;
    fake.cut();
    fake.put(PODS, pod("c"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
    let asked = fake.asked();
    let listed = asked.iter().any(|it| !it.contains("watch=true"));
    assert!(!listed, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_after_what_it_was_told_last() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.put(PODS, pod("c"));
    fake.put(DEPLOYMENTS, deployment("roses"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
    fake.asked();
    fake.cut();
    sleep(Duration::from_secs(10)).await;
    let asked = fake.asked();
    let of = |base: &str| {
        let mut asked = asked.iter().filter(|it| it.starts_with(base));
        asked.next().expect("it is asked for").clone()
    };
    assert!(of(PODS).contains("resourceVersion=5"), "{}", of(PODS));
    assert!(of(DEPLOYMENTS).contains("resourceVersion=6"));
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_is_away_nothing_is_fresh_and_nothing_is_lost() {
    let (fake, catalog, mut present) = flowers().await;
    fake.leave();
    until(&mut present, |it| !it.fresh).await;
    fake.delete(PODS, "b");
    let mut scaled = deployment("flowers");
    scaled["spec"]["replicas"] = json!(5);
    fake.put(DEPLOYMENTS, scaled);
    sleep(Duration::from_secs(110)).await;
    assert_eq!(pods(&present.borrow()), ["a", "b"]);
    assert!(present.borrow().workload.is_some());
    assert!(!present.borrow().fresh);
    let back = Instant::now();
    fake.come_back();
    let now = until(&mut present, |it| it.fresh).await;
    assert_eq!(pods(&now), ["a"], "it is fresh only once it has caught up");
    assert_eq!(
        now.workload.map(|it| it.replicas),
        Some(5),
        "both of them have"
    );
    assert!(
        back.elapsed() < Duration::from_secs(2),
        "{:?}",
        back.elapsed()
    );
    names(&catalog, &[FLOWERS]).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_unnoticed_is_found_out() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.fall_silent();
    fake.put(PODS, pod("c"));
    until(&mut present, |it| pods(it) == ["a", "b", "c"]).await;
}

#[tokio::test(start_paused = true)]
async fn while_a_connection_is_dead_nothing_is_fresh() {
    let (fake, _catalog, mut present) = flowers().await;
    fake.tear();
    fake.put(PODS, pod("c"));
    let now = until(&mut present, |it| !it.fresh).await;
    assert_eq!(pods(&now), ["a", "b"]);
    until(&mut present, |it| it.fresh && pods(it) == ["a", "b", "c"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_comes_later_is_seen_without_a_restart() {
    let fake = Fake::new();
    fake.serve(ISVCS, false);
    let catalog = everything(&fake);
    names(&catalog, &[]).await;
    fake.serve(ISVCS, true);
    fake.put(ISVCS, inference_service("ext"));
    names(&catalog, &["ext-predictor.default"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_seems_gone_for_a_moment_takes_nothing_with_it() {
    let fake = Fake::new();
    fake.put(ISVCS, inference_service("ext"));
    let catalog = everything(&fake);
    names(&catalog, &["ext-predictor.default"]).await;
    fake.serve(ISVCS, false);
    fake.cut();
    sleep(Duration::from_secs(20)).await;
    names(&catalog, &["ext-predictor.default"]).await;
    sleep(Duration::from_secs(40)).await;
    names(&catalog, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_a_person_names_is_found_when_it_is_there() {
    let fake = Fake::new();
    fake.serve(ROLLOUTS, false);
    let named = [
        "Rollout.v1alpha1.argoproj.io",
        "Deployment.v1.apps",
        "Rollout.v1alpha1.argoproj.io",
    ];
    let kinds = named.map(|it| it.parse().expect("it is a kind")).to_vec();
    let catalog = Catalog::start(
        fake.client(),
        Scope {
            kinds,
            ..Scope::default()
        },
    );
    names(&catalog, &[]).await;
    fake.serve(ROLLOUTS, true);
    fake.put(ROLLOUTS, deployment("flowers"));
    fake.put(DEPLOYMENTS, deployment("roses"));
    names(&catalog, &[FLOWERS, "roses.default"]).await;
    sleep(Duration::from_secs(20)).await;
    names(&catalog, &[FLOWERS, "roses.default"]).await;
    let claims = catalog.claims().borrow().clone().expect("they are there");
    assert_eq!(&*claims[&RevisionId::new(FLOWERS)].owner.kind, "Rollout");
}

#[tokio::test(start_paused = true)]
async fn with_a_list_of_namespaces_nothing_else_is_asked_for() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    let mut elsewhere = deployment("roses");
    elsewhere["metadata"]["namespace"] = json!("other");
    fake.put(DEPLOYMENTS, elsewhere);
    let namespaces = vec!["default".to_owned(), "third".to_owned()];
    let scope = Scope {
        namespaces,
        ..Scope::default()
    };
    let catalog = Catalog::start(fake.client(), scope);
    names(&catalog, &[FLOWERS]).await;
    sleep(Duration::from_secs(60)).await;
    let beyond: Vec<_> = fake
        .asked()
        .into_iter()
        .filter(|it| !it.contains("/namespaces/default/") && !it.contains("/namespaces/third/"))
        .collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[tokio::test(start_paused = true)]
async fn everything_is_listed_however_much_there_is() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    for number in 0..250 {
        fake.put(PODS, pod(&format!("p{number}")));
    }
    let catalog = everything(&fake);
    let mut present = catalog.present(&RevisionId::new(FLOWERS));
    until(&mut present, |it| {
        it.fresh && it.pods.len() == 250 && it.workload.is_some()
    })
    .await;
    let pages = fake
        .asked()
        .into_iter()
        .filter(|it| it.starts_with(PODS) && it.contains("limit="));
    assert_eq!(pages.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_takes_too_long_is_begun_again() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    for number in 0..150 {
        fake.put(PODS, pod(&format!("p{number}")));
    }
    fake.outdate_listing();
    let catalog = everything(&fake);
    let mut present = catalog.present(&RevisionId::new(FLOWERS));
    let now = until(&mut present, |it| it.fresh && it.workload.is_some()).await;
    assert_eq!(now.pods.len(), 150);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_hides_no_other() {
    let fake = Fake::new();
    let mut broken = deployment("broken");
    broken["spec"]["replicas"] = json!("many");
    fake.put(DEPLOYMENTS, broken);
    fake.put(DEPLOYMENTS, deployment("flowers"));
    let catalog = everything(&fake);
    names(&catalog, &[FLOWERS]).await;
}

#[tokio::test(start_paused = true)]
async fn the_domain_is_the_one_of_kserve() {
    let fake = Fake::new();
    let catalog = everything(&fake);
    names(&catalog, &[]).await;
    assert_eq!(*catalog.domain().borrow(), None);
    fake.put(
        MAPS,
        json!({
            "metadata": {"name": "inferenceservice-config", "namespace": "kserve"},
            "data": {"ingress": "{\"ingressDomain\": \"ml.example\"}"}
        }),
    );
    until(&mut catalog.domain(), |it| {
        it.as_deref() == Some("ml.example")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_changes_are_told_and_nobody_is_told_who_has_left() {
    let (fake, catalog, mut present) = flowers().await;
    present.mark_unchanged();
    fake.put(PODS, pod("a"));
    let mut stranger = pod("x");
    stranger["metadata"]["labels"] = json!({"app": "else"});
    fake.put(PODS, stranger);
    sleep(Duration::from_secs(1)).await;
    let (again, other) = (
        catalog.present(&RevisionId::new(FLOWERS)),
        catalog.present(&RevisionId::new("x.y")),
    );
    sleep(Duration::from_secs(1)).await;
    assert!(other.borrow().fresh && other.borrow().workload.is_none());
    assert!(!present.has_changed().expect("the catalog lives"));
    assert_eq!(catalog.listeners.presents.lock().len(), 2);
    drop((present, again, other));
    fake.leave();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(catalog.listeners.presents.lock().len(), 0);
}
