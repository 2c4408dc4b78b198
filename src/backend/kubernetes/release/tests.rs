use serde_json::{Value, json};

use super::super::tests_server::{Fault, Server};
use super::*;

const HOME: &str = "holdgate-system";
const GATEWAY_AT: &str = "/apis/apps/v1/namespaces/holdgate-system/deployments/holdgate-gateway";
const STATE_AT: &str = "/api/v1/namespaces/holdgate-system/configmaps/holdgate-state";
const LEASE_AT: &str =
    "/apis/coordination.k8s.io/v1/namespaces/holdgate-system/leases/holdgate-gateway";

/// A cluster with a gateway that runs, and the namespace `models` that it manages.
struct Cluster(Server);

impl Cluster {
    fn new() -> Self {
        let cluster = Self(Server::default());
        cluster.0.put(
            GATEWAY_AT,
            json!({
                "metadata": { "name": "holdgate-gateway", "namespace": HOME },
                "spec": { "replicas": 1 },
            }),
        );
        cluster.0.put(
            STATE_AT,
            json!({ "metadata": { "name": "holdgate-state" } }),
        );
        cluster.0.put(
            LEASE_AT,
            json!({ "metadata": { "name": "holdgate-gateway" } }),
        );
        cluster
    }

    /// A Deployment with so many replicas.
    fn deployment(&self, name: &str, replicas: u32, annotations: &Value) -> &Self {
        self.made_for(name, replicas, annotations, &Value::Null)
    }

    fn made_for(&self, name: &str, replicas: u32, annotations: &Value, owner: &Value) -> &Self {
        let component = name.rsplit('-').next();
        self.0.put(
            &at("deployments", name),
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": name,
                    "namespace": "models",
                    "labels": { "component": component },
                    "annotations": annotations,
                    "ownerReferences": if owner.is_null() { json!([]) } else { json!([owner]) },
                },
                "spec": {
                    "replicas": replicas,
                    "selector": { "matchLabels": { "app": name } },
                },
            }),
        );
        self
    }

    /// An `InferenceService`, and what `KServe` makes for one of its components.
    fn service(&self, name: &str, class: &str, component: &str, minimum: u32) -> &Self {
        self.0.put(
            &format!("/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices/{name}"),
            json!({
                "apiVersion": "serving.kserve.io/v1beta1",
                "kind": "InferenceService",
                "metadata": { "name": name, "namespace": "models", "uid": format!("uid-{name}") },
                "spec": { component: { "minReplicas": minimum } },
            }),
        );
        let owner = json!({
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "name": name,
            "uid": format!("uid-{name}"),
            "controller": true,
        });
        let class = json!({ "serving.kserve.io/autoscalerClass": class });
        self.made_for(&format!("{name}-{component}"), 0, &class, &owner)
    }

    /// A pod whose deletion cost somebody wrote.
    fn pod(&self, name: &str, manager: &str) -> &Self {
        self.0.put(
            &pod_at(name),
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": "models",
                    "uid": format!("uid-{name}"),
                    "annotations": { DELETION_COST: "100", "other": "stays" },
                    "managedFields": [{
                        "manager": manager,
                        "operation": "Update",
                        "apiVersion": "v1",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": { "f:metadata": { "f:annotations": {
                            ".": {}, format!("f:{DELETION_COST}"): {},
                        } } },
                    }],
                },
            }),
        );
        self
    }

    async fn release(&self, what: What) -> (Vec<String>, Vec<String>) {
        let order = Order {
            what,
            namespaces: vec!["models".to_owned()],
            kinds: Vec::new(),
            home: HOME.to_owned(),
        };
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let mut tell = |told| match told {
            Told::Done(line) => done.push(line),
            Told::Failed(line) => failed.push(line),
        };
        release(self.0.client(), &order, &mut tell).await;
        (done, failed)
    }

    fn replicas(&self, name: &str) -> Value {
        self.0.get(&at("deployments", name)).expect("it is there")["spec"]["replicas"].clone()
    }

    fn gateway(&self) -> Value {
        self.0.get(GATEWAY_AT).expect("it is there")["spec"]["replicas"].clone()
    }
}

fn at(plural: &str, name: &str) -> String {
    format!("/apis/apps/v1/namespaces/models/{plural}/{name}")
}

fn pod_at(name: &str) -> String {
    format!("/api/v1/namespaces/models/pods/{name}")
}

fn enabled() -> Value {
    json!({ "holdgate.dev/enabled": "true" })
}

fn these(name: &str) -> What {
    What::These(vec![("models".to_owned(), name.to_owned())])
}

fn none() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

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
    for name in ["stranger", "off", "manual-predictor", "shared"] {
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
    // The gateway's scale, its change, its pods; then the first list.
    for _ in 0..3 {
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
