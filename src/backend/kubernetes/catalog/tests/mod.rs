//! What the catalog promises while an API server comes, goes, forgets and refuses, in virtual time.

mod fake;
mod listing;
mod refusing;
mod scope;
mod watching;
mod words;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use self::fake::{DEPLOYMENTS, EVENTS, Fake, HPAS, ISVCS, MAPS, PODS, ROLLOUTS, SERVICES};
use super::{Catalog, Claims, Present, Scope};
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
