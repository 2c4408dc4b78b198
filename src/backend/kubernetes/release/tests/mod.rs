mod cluster;
mod doors;

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use self::cluster::{Cluster, enabled, none, pod_at, these};
use super::super::objects::DELETION_COST;
use super::super::tests_server::{Asked, Fault};
use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_at_zero_gets_its_minimum_and_one_at_least() {
    let cluster = Cluster::new();
    cluster
        .deployment("idle", 0, &enabled())
        .deployment(
            "warm",
            0,
            &json!({ "holdgate.dev/enabled": "true", "autoscaling.knative.dev/min-scale": "3" }),
        )
        .deployment("busy", 4, &enabled())
        .service("flowers", "external", "predictor", 0)
        .service("roses", "external", "transformer", 2);
    let (done, failed) = cluster.release(What::All).await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(
        done,
        [
            "deployment/holdgate-gateway in holdgate-system: 1 to 0 replicas",
            "deployment/flowers-predictor in models: 0 to 1 replicas",
            "deployment/idle in models: 0 to 1 replicas",
            "deployment/roses-transformer in models: 0 to 2 replicas",
            "deployment/warm in models: 0 to 3 replicas",
            "configmap/holdgate-state in holdgate-system: removed",
            "lease/holdgate-gateway in holdgate-system: removed",
            "secret/holdgate-peers in holdgate-system: removed",
        ]
    );
    assert_eq!(cluster.replicas("busy"), 4);
    assert_eq!(cluster.replicas("roses-transformer"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_never_opted_in_or_is_steered_by_others_stays_as_it_is() {
    let cluster = Cluster::new();
    cluster
        .deployment("stranger", 0, &json!({}))
        .deployment("off", 0, &json!({ "holdgate.dev/enabled": "false" }))
        .deployment("odd", 0, &json!({ "holdgate.dev/enabled": "yes" }))
        .service("manual", "none", "predictor", 0)
        .deployment("shared", 0, &enabled());
    cluster.0.put(
        "/apis/autoscaling/v2/namespaces/models/horizontalpodautoscalers/theirs",
        json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "theirs", "namespace": "models" },
            "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "shared" } },
        }),
    );
    let (done, failed) = cluster.release(What::All).await;
    assert_eq!(failed, Vec::<String>::new());
    let left = "deployment/shared in models: left at 0 replicas to HorizontalPodAutoscaler theirs";
    assert_eq!(done[1], left);
    for name in ["stranger", "off", "odd", "manual-predictor", "shared"] {
        assert_eq!(cluster.replicas(name), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_deletion_costs_of_ours_are_taken_off() {
    let cluster = Cluster::new();
    cluster.pod("ours", "holdgate").pod("theirs", "somebody");
    let (done, failed) = cluster.release(What::All).await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(done[1], "pod/ours in models: deletion cost removed");
    let annotations = |name| {
        cluster.0.get(&pod_at(name)).expect("it is there")["metadata"]["annotations"].clone()
    };
    assert_eq!(annotations("ours"), json!({ "other": "stays" }));
    assert_eq!(annotations("theirs")[DELETION_COST], "100");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_handed_back_while_a_pod_of_the_gateway_runs() {
    let cluster = Cluster::new();
    cluster.deployment("idle", 0, &enabled());
    let pod = "/api/v1/namespaces/holdgate-system/pods/holdgate-gateway-1";
    cluster.0.put(
        pod,
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": "holdgate-gateway-1", "deletionGracePeriodSeconds": 45 },
        }),
    );
    let begun = Instant::now();
    let (done, failed) = cluster.release(What::All).await;
    assert_eq!(done.len(), 1, "{done:?}");
    let told = "deployment/holdgate-gateway in holdgate-system: its pods do not go";
    assert_eq!(failed, [told]);
    assert_eq!(cluster.replicas("idle"), 0);
    assert_eq!(begun.elapsed().as_secs(), 75);

    let server = cluster.0.clone();
    let gone = async {
        sleep(Duration::from_secs(20)).await;
        server.delete(pod);
    };
    let ((done, failed), ()) = tokio::join!(cluster.release(What::All), gone);
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(done[0], "deployment/idle in models: 0 to 1 replicas");
}

#[tokio::test(start_paused = true)]
async fn doing_it_again_changes_nothing() {
    let cluster = Cluster::new();
    cluster
        .deployment("idle", 0, &enabled())
        .pod("ours", "holdgate");
    cluster.release(What::All).await;
    assert_eq!(cluster.release(What::All).await, none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_and_the_rest_goes_on() {
    let cluster = Cluster::new();
    cluster
        .deployment("idle", 0, &enabled())
        .pod("ours", "holdgate");
    // The gateway's scale, its change, its pods; Services and slices; then the first workloads.
    for _ in 0..5 {
        cluster.0.fail(Fault::Pass);
    }
    cluster
        .0
        .fail(Fault::Refuse(403, "you may not list deployments"));
    let (done, failed) = cluster.release(What::All).await;
    assert_eq!(
        failed,
        ["namespace models: not allowed: you may not list deployments"]
    );
    assert_eq!(done[1], "pod/ours in models: deletion cost removed");
    assert_eq!(cluster.gateway(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_the_running_gateway_still_manages_is_not_fought_over() {
    let cluster = Cluster::new();
    cluster
        .deployment("idle", 0, &enabled())
        .service("flowers", "external", "predictor", 0);
    let still = "still the running gateway's own; first";
    let (done, failed) = cluster.release(these("idle")).await;
    assert_eq!(done, Vec::<String>::new());
    let how = "kubectl -n models annotate deployments idle holdgate.dev/enabled-";
    assert_eq!(
        failed,
        [format!("deployment/idle in models: {still} {how}")]
    );
    let (_, failed) = cluster.release(these("flowers")).await;
    let how = "take serving.kserve.io/autoscalerClass: external off its InferenceService";
    assert_eq!(
        failed,
        [format!(
            "deployment/flowers-predictor in models: {still} {how}"
        )]
    );
    assert_eq!(
        (cluster.replicas("idle"), cluster.gateway()),
        (json!(0), json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_has_opted_out_is_brought_up_beside_the_running_gateway() {
    let cluster = Cluster::new();
    cluster
        .deployment("idle", 0, &json!({}))
        .deployment("other", 0, &json!({}));
    let (done, failed) = cluster.release(these("idle")).await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(done, ["deployment/idle in models: 0 to 1 replicas"]);
    assert_eq!(
        (cluster.replicas("other"), cluster.gateway()),
        (json!(0), json!(1))
    );
    let asked = cluster.0.asked();
    let pods = asked
        .iter()
        .find(|asked| asked.what.ends_with("/pods"))
        .expect("they were listed");
    assert!(
        pods.query.contains("labelSelector=app%3Didle"),
        "{}",
        pods.query
    );
    let (_, failed) = cluster.release(these("nobody")).await;
    assert_eq!(failed, ["models/nobody: there is no workload of this name"]);
}

#[tokio::test(start_paused = true)]
async fn pods_of_the_gateway_that_were_evicted_are_not_waited_for() {
    let cluster = Cluster::new();
    let (_, failed) = cluster.release(What::All).await;
    assert_eq!(failed, Vec::<String>::new());
    let asked = cluster.0.asked();
    let waited = |asked: &&Asked| asked.what.ends_with("holdgate-system/pods");
    let waited = asked.iter().find(waited).expect("they were listed");
    let only = "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed";
    assert!(waited.query.contains(only), "{}", waited.query);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_says_nothing_of_replicas_keeps_nothing_from_being_handed_back() {
    for (replicas, told) in [
        (0, "deployment/idle in models: 0 to 1 replicas"),
        (
            2,
            "deployment/idle in models: somebody else has changed it meanwhile",
        ),
    ] {
        let cluster = Cluster::new();
        cluster.deployment("idle", 0, &enabled());
        let listed = Found::look(&cluster.0.client(), Some("models"), &[]).await;
        let listed = listed.expect("it is listed");
        // Written again after it was listed, as its status is.
        cluster.deployment("idle", replicas, &enabled());
        let (order, mut all) = (Cluster::order(What::All), Vec::new());
        let mut tell = |told| all.push(told);
        let mut release = Release {
            client: cluster.0.client(),
            order: &order,
            tell: &mut tell,
        };
        let workload = listed.ours().next().expect("it is ours");
        release.bring_up(&listed, workload).await;
        assert_eq!(all, [Told::Done(told.to_owned())]);
    }
}
