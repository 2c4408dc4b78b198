//! A cluster as those who hand back find it.

use serde_json::{Value, json};

use super::super::super::objects::DELETION_COST;
use super::super::super::tests_server::Server;
use super::super::*;

const HOME: &str = "holdgate-system";
const GATEWAY_AT: &str = "/apis/apps/v1/namespaces/holdgate-system/deployments/holdgate-gateway";
const STATE_AT: &str = "/api/v1/namespaces/holdgate-system/configmaps/holdgate-state";
const PEERS_AT: &str = "/api/v1/namespaces/holdgate-system/secrets/holdgate-peers";
const LEASE_AT: &str =
    "/apis/coordination.k8s.io/v1/namespaces/holdgate-system/leases/holdgate-gateway";

/// A cluster with a gateway that runs, and the namespace `models` that it manages.
pub(super) struct Cluster(pub(super) Server);

impl Cluster {
    pub(super) fn new() -> Self {
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
        cluster.0.put(
            PEERS_AT,
            json!({ "metadata": { "name": "holdgate-peers" } }),
        );
        cluster
    }

    /// A Deployment with so many replicas.
    pub(super) fn deployment(&self, name: &str, replicas: u32, annotations: &Value) -> &Self {
        self.made_for(name, replicas, annotations, &Value::Null)
    }

    pub(super) fn made_for(
        &self,
        name: &str,
        replicas: u32,
        annotations: &Value,
        owner: &Value,
    ) -> &Self {
        let component = name.rsplit('-').next();
        self.0.put(
            &at("deployments", name),
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": name,
                    "namespace": "models",
                    "uid": format!("uid-of-{name}"),
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

    /// Its pods are labelled by its name.
    pub(super) fn label(&self, name: &str) {
        let path = at("deployments", name);
        let mut object = self.0.get(&path).expect("it is there");
        object["spec"]["template"]["metadata"]["labels"] = json!({ "app": name });
        self.0.put(&path, object);
    }

    /// An `InferenceService`, and what `KServe` makes for one of its components.
    pub(super) fn service(&self, name: &str, class: &str, component: &str, minimum: u32) -> &Self {
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
    pub(super) fn pod(&self, name: &str, manager: &str) -> &Self {
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

    pub(super) fn order(what: What) -> Order {
        Order {
            what,
            namespaces: vec!["models".to_owned()],
            kinds: Vec::new(),
            home: HOME.to_owned(),
        }
    }

    pub(super) async fn release(&self, what: What) -> (Vec<String>, Vec<String>) {
        let order = Self::order(what);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let mut tell = |told| match told {
            Told::Done(line) => done.push(line),
            Told::Failed(line) => failed.push(line),
        };
        release(self.0.client(), &order, &mut tell).await;
        (done, failed)
    }

    pub(super) fn replicas(&self, name: &str) -> Value {
        self.0.get(&at("deployments", name)).expect("it is there")["spec"]["replicas"].clone()
    }

    pub(super) fn gateway(&self) -> Value {
        self.0.get(GATEWAY_AT).expect("it is there")["spec"]["replicas"].clone()
    }
}

pub(super) fn at(plural: &str, name: &str) -> String {
    format!("/apis/apps/v1/namespaces/models/{plural}/{name}")
}

pub(super) fn pod_at(name: &str) -> String {
    format!("/api/v1/namespaces/models/pods/{name}")
}

pub(super) fn enabled() -> Value {
    json!({ "holdgate.dev/enabled": "true" })
}

pub(super) fn these(name: &str) -> What {
    What::These(vec![("models".to_owned(), name.to_owned())])
}

pub(super) fn none() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}
