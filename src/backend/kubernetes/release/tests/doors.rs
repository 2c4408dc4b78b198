//! Services whose callers pass the gate are handed back as well.

use serde_json::{Value, json};

use super::super::super::doors::facts::{MANAGED_BY, OURS, SELECTOR};
use super::super::super::tests_server::Asked;
use super::super::*;
use super::cluster::{Cluster, enabled, these};

const SERVICES: &str = "/api/v1/namespaces/models/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/models/endpointslices";

/// A Service whose selector is taken away, and our slice for it.
fn taken(cluster: &Cluster, name: &str) {
    let service = json!({
        "metadata": {
            "name": name, "namespace": "models", "uid": format!("uid-{name}"),
            "annotations": { SELECTOR: format!("app={name}"), "other": "stays" },
        },
        "spec": { "selector": { "holdgate.dev/nothing": "here" }, "ports": [{ "port": 80 }] },
    });
    cluster.0.put(&format!("{SERVICES}/{name}"), service);
    slice(cluster, name);
}

fn slice(cluster: &Cluster, name: &str) {
    let slice = json!({
        "metadata": {
            "name": format!("{name}-holdgate"), "namespace": "models", "uid": format!("s-{name}"),
            "labels": { MANAGED_BY: OURS, "kubernetes.io/service-name": name },
        },
        "addressType": "IPv4", "ports": [], "endpoints": [],
    });
    cluster.0.put(&format!("{SLICES}/{name}-holdgate"), slice);
}

fn selector(cluster: &Cluster, name: &str) -> Value {
    let service = cluster
        .0
        .get(&format!("{SERVICES}/{name}"))
        .expect("it is there");
    service["spec"]["selector"].clone()
}

#[tokio::test(start_paused = true)]
async fn selectors_are_given_back_and_our_slices_removed() {
    let cluster = Cluster::new();
    taken(&cluster, "flowers");
    cluster.0.put(
        &format!("{SERVICES}/zero"),
        json!({
            "metadata": { "name": "zero", "namespace": "models", "uid": "z" },
            "spec": { "selector": { "app": "zero" } },
        }),
    );
    slice(&cluster, "zero");
    let begun = tokio::time::Instant::now();
    let (done, failed) = cluster.release(What::All).await;
    let took = begun.elapsed();
    assert!(
        took >= crate::backend::kubernetes::doors::SETTLED,
        "who is still led here finds somebody: {took:?}"
    );
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(
        done[1..4],
        [
            "service/flowers in models: selector given back",
            "endpointslice/flowers-holdgate in models: removed",
            "endpointslice/zero-holdgate in models: removed",
        ]
    );
    assert_eq!(selector(&cluster, "flowers"), json!({ "app": "flowers" }));
    let service = cluster
        .0
        .get(&format!("{SERVICES}/flowers"))
        .expect("it is there");
    assert_eq!(
        service["metadata"]["annotations"],
        json!({ "other": "stays" })
    );
    let asked = cluster.0.asked();
    let listed = |asked: &&Asked| asked.what.ends_with("/endpointslices");
    let listed = asked.iter().find(listed).expect("they were listed");
    assert!(
        listed.query.contains("managed-by%3Dholdgate.dev"),
        "{}",
        listed.query
    );
    let (done, failed) = cluster.release(What::All).await;
    assert_eq!((done, failed), super::cluster::none());
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_was_applied_again_meanwhile_is_given_back_without_what_matches_nothing() {
    let cluster = Cluster::new();
    taken(&cluster, "flowers");
    let at = format!("{SERVICES}/flowers");
    let mut applied = cluster.0.get(&at).expect("it is there");
    applied["spec"]["selector"]["app"] = "flowers".into();
    cluster.0.put(&at, applied);
    let (_, failed) = cluster.release(What::All).await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(selector(&cluster, "flowers"), json!({ "app": "flowers" }));
}

#[tokio::test(start_paused = true)]
async fn with_a_running_gateway_only_those_of_the_workload_are() {
    let cluster = Cluster::new();
    for name in ["flowers", "roses"] {
        cluster.deployment(name, 1, &json!({}));
        cluster.label(name);
        taken(&cluster, name);
    }
    cluster.deployment("held", 1, &enabled());
    let (done, failed) = cluster.release(these("flowers")).await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(
        done,
        [
            "service/flowers in models: selector given back",
            "endpointslice/flowers-holdgate in models: removed",
        ]
    );
    assert_eq!(
        selector(&cluster, "roses"),
        json!({ "holdgate.dev/nothing": "here" })
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_takes_away_again_is_said_and_keeps_its_slice() {
    let cluster = Cluster::new();
    taken(&cluster, "flowers");
    let stubborn = json!({ "holdgate.dev/nothing": "here" });
    cluster
        .0
        .admit("/services/flowers", "/spec/selector", stubborn.clone());
    let (_, failed) = cluster.release(What::All).await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    let told = "service/flowers in models: an admission policy takes its selector away again";
    assert!(
        failed[0].starts_with(told) && failed[0].contains("kserve-every-caller"),
        "{failed:?}"
    );
    assert!(
        cluster
            .0
            .get(&format!("{SLICES}/flowers-holdgate"))
            .is_some()
    );
    assert_eq!(selector(&cluster, "flowers"), stubborn);
}
