//! Which workloads are ours to hand back, how many replicas each should have then, and who else steers
//! it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use kube::Client;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, ObjectMeta};

use super::super::call::{in_time, kind_of};
use super::super::read::{CLASS, ENABLED, EXTERNAL};
use super::super::scope::Kind;
use super::super::seams::ApiError;
use super::{PAGE, deployments};

/// What says in an annotation how many replicas there are at least; the first one counts.
const FLOORS: [&str; 3] = [
    "holdgate.dev/min-replicas",
    "autoscaling.knative.dev/min-scale",
    "autoscaling.knative.dev/minScale",
];
/// Kinds that scale workloads, all with a `scaleTargetRef`.
const SCALERS: [(&str, &str, &str); 3] = [
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    ),
    ("keda.sh/v1alpha1", "ScaledObject", "scaledobjects"),
    (
        "autoscaling.internal.knative.dev/v1alpha1",
        "PodAutoscaler",
        "podautoscalers",
    ),
];
const INFERENCE_SERVICES: [&str; 2] = ["serving.kserve.io/v1beta1", "serving.kubeflow.org/v1beta1"];

/// Something with a scale subresource.
pub(super) struct Workload {
    pub(super) resource: ApiResource,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    object: DynamicObject,
}

/// Workloads, and what is to be known to hand them back.
pub(super) struct Found {
    workloads: Vec<Workload>,
    /// By UID.
    services: HashMap<String, DynamicObject>,
    /// Who steers a workload, by namespace, kind and name of the workload.
    steered: BTreeMap<(String, String, String), String>,
}

impl Found {
    /// Looks at one namespace, or at all.
    pub(super) async fn look(
        client: &Client,
        namespace: Option<&str>,
        kinds: &[Kind],
    ) -> Result<Self, ApiError> {
        let mut found = Self {
            workloads: Vec::new(),
            services: HashMap::new(),
            steered: BTreeMap::new(),
        };
        for kind in workload_kinds(client, kinds).await? {
            let listed = list(client, namespace, &kind, None).await?;
            let workloads = listed.into_iter().map(|it| Workload::new(kind.clone(), it));
            found.workloads.extend(workloads);
        }
        for version in INFERENCE_SERVICES {
            let kind = kind_of(version, "InferenceService", "inferenceservices");
            for service in list(client, namespace, &kind, None).await? {
                let uid = service.metadata.uid.clone().unwrap_or_default();
                found.services.insert(uid, service);
            }
        }
        for (version, name, plural) in SCALERS {
            let kind = kind_of(version, name, plural);
            for scaler in list(client, namespace, &kind, None).await? {
                found.note_scaler(name, &scaler);
            }
        }
        Ok(found)
    }

    fn note_scaler(&mut self, kind: &str, scaler: &DynamicObject) {
        let target = &scaler.data["spec"]["scaleTargetRef"];
        let Some(name) = target["name"].as_str() else {
            return;
        };
        let namespace = scaler.metadata.namespace.clone().unwrap_or_default();
        let target = target["kind"].as_str().unwrap_or("Deployment").to_owned();
        let itself = scaler.metadata.name.as_deref().unwrap_or_default();
        self.steered.insert(
            (namespace, target, name.to_owned()),
            format!("{kind} {itself}"),
        );
    }

    /// Those that opted in.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Workload> {
        self.workloads
            .iter()
            .filter(|workload| self.is_ours(workload))
    }

    /// Those of this name, or of the `InferenceService` of this name.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Workload> {
        self.workloads.iter().filter(move |workload| {
            let service = self
                .service(workload)
                .and_then(|service| service.metadata.name.as_deref());
            workload.name == name || service == Some(name)
        })
    }

    fn is_ours(&self, workload: &Workload) -> bool {
        match self.service(workload) {
            // The class may be a component's own; either way it is on what KServe made for it.
            Some(_) => annotation(&workload.object.metadata, CLASS) == Some(EXTERNAL),
            None => annotation(&workload.object.metadata, ENABLED) == Some("true"),
        }
    }

    /// What a person does so that it is no longer ours; `None` where it is not.
    pub(super) fn how_to_opt_out(&self, workload: &Workload) -> Option<String> {
        let service = self.service(workload);
        self.is_ours(workload).then(|| match service {
            Some(_) => format!("take {CLASS}: {EXTERNAL} off its InferenceService"),
            None => format!(
                "kubectl -n {} annotate {} {} {ENABLED}-",
                workload.namespace, workload.resource.plural, workload.name
            ),
        })
    }

    /// Who else scales it.
    pub(super) fn steered_by(&self, workload: &Workload) -> Option<&str> {
        let Workload {
            namespace,
            name,
            resource,
            ..
        } = workload;
        let key = (namespace.clone(), resource.kind.clone(), name.clone());
        self.steered.get(&key).map(String::as_str)
    }

    /// How many replicas it should have: as many as it has at least, but one.
    pub(super) fn floor(&self, workload: &Workload) -> u32 {
        let own = &workload.object.metadata;
        let written = match self.service(workload) {
            Some(service) => {
                let component = own
                    .labels
                    .as_ref()
                    .and_then(|labels| labels.get("component"));
                let component = component.map_or("predictor", String::as_str);
                let field = service.data["spec"][component]["minReplicas"].as_u64();
                field.and_then(|floor| u32::try_from(floor).ok())
            }
            None => None,
        };
        let annotated = || {
            let floor = FLOORS.iter().find_map(|key| annotation(own, key))?;
            floor.parse().ok()
        };
        written.or_else(annotated).unwrap_or(1).max(1)
    }

    /// The `InferenceService` that it was made for.
    fn service(&self, workload: &Workload) -> Option<&DynamicObject> {
        let owners = workload.object.metadata.owner_references.as_ref()?;
        let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
        self.services.get(&owner.uid)
    }
}

impl Workload {
    fn new(resource: ApiResource, object: DynamicObject) -> Self {
        let meta = &object.metadata;
        Self {
            resource,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            object,
        }
    }

    pub(super) fn replicas(&self) -> u64 {
        // The API server fills in what is not written.
        self.object.data["spec"]["replicas"].as_u64().unwrap_or(1)
    }

    /// What its pods are labelled with.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let labels = &self.object.data["spec"]["template"]["metadata"]["labels"];
        serde_json::from_value(labels.clone()).unwrap_or_default()
    }

    /// Which pods are its own.
    pub(super) fn pods(&self) -> Option<ListParams> {
        let selector = self.object.data["spec"]["selector"].clone();
        let selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector =
            serde_json::from_value(selector).ok()?;
        let selector = kube::core::Selector::try_from(selector).ok()?;
        // One that selects nothing in particular would select everybody's.
        let is_empty = selector.to_string().is_empty();
        (!is_empty).then(|| ListParams::default().labels_from(&selector))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.resource.kind.to_lowercase();
        write!(f, "{kind}/{} in {}", self.name, self.namespace)
    }
}

pub(super) fn annotation<'a>(of: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    of.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Which kinds of workloads there may be, those that a person has named as the cluster calls them.
async fn workload_kinds(client: &Client, named: &[Kind]) -> Result<Vec<ApiResource>, ApiError> {
    let mut all = vec![
        deployments(),
        kind_of("apps/v1", "StatefulSet", "statefulsets"),
    ];
    for kind in named {
        let kind = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let known = in_time(kube::discovery::pinned_kind(client, &kind)).await;
        let (resource, _) = known.map_err(|failure| match failure.error {
            ApiError::Gone => ApiError::Refused(format!("there is no kind {}", kind.kind)),
            error => error,
        })?;
        all.push(resource);
    }
    Ok(all)
}

/// All objects of a kind, or those with such labels; none where the cluster does not know the kind.
pub(super) async fn list(
    client: &Client,
    namespace: Option<&str>,
    kind: &ApiResource,
    labels: Option<&str>,
) -> Result<Vec<DynamicObject>, ApiError> {
    let api: kube::Api<DynamicObject> = match namespace {
        Some(namespace) => kube::Api::namespaced_with(client.clone(), namespace, kind),
        None => kube::Api::all_with(client.clone(), kind),
    };
    let mut page = ListParams::default().limit(PAGE);
    page.label_selector = labels.map(str::to_owned);
    let mut all = Vec::new();
    loop {
        let listed = match in_time(api.list(&page)).await {
            Ok(listed) => listed,
            Err(failure) if failure.error == ApiError::Gone && page.continue_token.is_none() => {
                return Ok(all);
            }
            Err(failure) => return Err(failure.error),
        };
        all.extend(listed.items);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}
