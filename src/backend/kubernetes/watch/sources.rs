//! Everything that is watched, for how much of a cluster is looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Need, Watched};
use crate::backend::kubernetes::inventory::Tells;
use crate::backend::kubernetes::read::{
    KindOf, Reader, by_autoscaler, by_scaled_object, inference_service, platform, pod, route, said,
    service, slice, workload,
};
use crate::backend::kubernetes::scope::{Kind, Scope};

type Row = (
    &'static str,
    &'static str,
    &'static str,
    Reader,
    Tells,
    Need,
);

/// What is watched in every cluster, in this order.
const KINDS: [Row; 11] = [
    ("v1", "Pod", "pods", pod, Tells::Pods, Need::Needed),
    (
        "apps/v1",
        "Deployment",
        "deployments",
        workload,
        Tells::Workloads,
        Need::Needed,
    ),
    (
        "apps/v1",
        "StatefulSet",
        "statefulsets",
        workload,
        Tells::Workloads,
        Need::Needed,
    ),
    (
        "v1",
        "Service",
        "services",
        service,
        Tells::Doors,
        Need::Needed,
    ),
    (
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "endpointslices",
        slice,
        Tells::Doors,
        Need::Optional,
    ),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        by_autoscaler,
        Tells::Others,
        Need::Needed,
    ),
    (
        "serving.kserve.io/v1beta1",
        "InferenceService",
        "inferenceservices",
        inference_service,
        Tells::Others,
        Need::Optional,
    ),
    (
        "serving.kubeflow.org/v1beta1",
        "InferenceService",
        "inferenceservices",
        inference_service,
        Tells::Others,
        Need::Optional,
    ),
    (
        "keda.sh/v1alpha1",
        "ScaledObject",
        "scaledobjects",
        by_scaled_object,
        Tells::Others,
        Need::Optional,
    ),
    (
        "autoscaling.internal.knative.dev/v1alpha1",
        "PodAutoscaler",
        "podautoscalers",
        by_autoscaler,
        Tells::Others,
        Need::Optional,
    ),
    (
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "httproutes",
        route,
        Tells::Others,
        Need::Optional,
    ),
];

/// Pods that have ended, or were evicted, stay to be read and do nothing: they are not even sent.
pub(in super::super) const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";
/// A cluster has many times as many of the others.
const OUR_SLICES: &str = "endpointslice.kubernetes.io/managed-by=holdgate.dev";
/// Where `KServe` is installed.
const PLATFORM: &str = "kserve";
const ITS_SETTINGS: &str = "metadata.name=inferenceservice-config";

/// Every watch. With a list of namespaces nothing is asked of the cluster as a whole, and nothing of
/// a namespace that is not in it.
pub(in super::super) fn sources(scope: &Scope) -> Vec<Watched> {
    let known = |kind: &Kind| {
        let is_it = |row: &Row| row.0 == kind.api_version() && row.1 == kind.kind;
        KINDS.iter().any(is_it)
    };
    let others: BTreeSet<&Kind> = scope.kinds.iter().filter(|kind| !known(kind)).collect();
    let kinds = KINDS.iter().map(usual).chain(others.into_iter().map(named));
    let everywhere: Vec<Watched> = kinds.chain(words()).collect();
    let mut sources = if scope.namespaces.is_empty() {
        everywhere
    } else {
        let within = |namespace: &String| {
            let namespace: Arc<str> = namespace.as_str().into();
            let within = everywhere.iter().cloned();
            within.map(move |it| Watched {
                namespace: Some(namespace.clone()),
                ..it
            })
        };
        scope.namespaces.iter().flat_map(within).collect()
    };
    let sees_platform =
        scope.namespaces.is_empty() || scope.namespaces.iter().any(|it| it == PLATFORM);
    sources.extend(sees_platform.then(settings));
    sources
}

fn usual((api_version, kind, plural, read, tells, need): &Row) -> Watched {
    Watched {
        kind: KindOf {
            api_version: (*api_version).into(),
            kind: (*kind).into(),
            plural: (*plural).into(),
        },
        namespace: None,
        fields: (*tells == Tells::Pods).then(|| NOT_ENDED.to_owned()),
        labels: (*kind == "EndpointSlice").then_some(OUR_SLICES),
        read: *read,
        tells: *tells,
        need: *need,
    }
}

/// A kind of workload that a person has named.
fn named(kind: &Kind) -> Watched {
    Watched {
        kind: KindOf {
            api_version: kind.api_version().into(),
            kind: kind.kind.as_str().into(),
            plural: format!("{}s", kind.kind.to_lowercase()).into(),
        },
        namespace: None,
        fields: None,
        labels: None,
        read: workload,
        tells: Tells::Workloads,
        need: Need::Named,
    }
}

/// What is said of pods and of what makes them: Events by their reason, and by who says it where others
/// say the same. The API server tells them apart: all Events of a cluster are many.
const SAID: [&str; 7] = [
    // Cluster Autoscaler.
    "reason=TriggeredScaleUp",
    "reason=NotTriggerScaleUp",
    // Karpenter.
    "reason=Nominated",
    "reason=FailedScheduling,source=karpenter",
    // Kubelet and the controller of volumes.
    "reason=FailedMount",
    "reason=FailedAttachVolume",
    // The controllers of workloads.
    "reason=FailedCreate",
];

fn words() -> impl Iterator<Item = Watched> {
    SAID.iter().enumerate().map(|(number, fields)| Watched {
        kind: KindOf {
            api_version: "v1".into(),
            kind: "Event".into(),
            plural: "events".into(),
        },
        namespace: None,
        fields: Some((*fields).to_owned()),
        labels: None,
        read: said,
        tells: Tells::Words,
        need: if number == 0 {
            Need::Optional
        } else {
            Need::Beside
        },
    })
}

/// What `KServe` is told itself.
fn settings() -> Watched {
    Watched {
        kind: KindOf {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
        },
        namespace: Some(PLATFORM.into()),
        fields: Some(ITS_SETTINGS.to_owned()),
        labels: None,
        read: platform,
        tells: Tells::Platform,
        need: Need::Optional,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::kubernetes::doors::facts;

    #[test]
    fn of_endpoint_slices_only_our_own_are_watched() {
        let all = sources(&Scope::default());
        let selected = |it: &&Watched| it.labels.is_some();
        let selected: Vec<_> = all.iter().filter(selected).collect();
        assert_eq!(selected.len(), 1);
        assert_eq!(&*selected[0].kind.kind, "EndpointSlice");
        let ours = format!("{}={}", facts::MANAGED_BY, facts::OURS);
        assert_eq!(selected[0].labels, Some(&*ours));
        assert_eq!(selected[0].need, Need::Optional);
    }

    #[test]
    fn nothing_is_watched_twice_however_often_a_person_names_it() {
        let named = [
            "Deployment.v1.apps",
            "StatefulSet.v1.apps",
            "Rollout.v1alpha1.argoproj.io",
            "Rollout.v1alpha1.argoproj.io",
        ];
        let scope = Scope {
            kinds: named.map(|it| it.parse().expect("a kind")).to_vec(),
            ..Scope::default()
        };
        let all = sources(&scope);
        let of = |kind: &str| all.iter().filter(|it| &*it.kind.kind == kind).count();
        for kind in ["Deployment", "StatefulSet", "Rollout"] {
            assert_eq!(of(kind), 1, "{kind}");
        }
    }

    #[test]
    fn of_all_that_is_asked_of_what_others_say_one_tells_that_it_may_not() {
        let scope = Scope {
            namespaces: vec!["a".to_owned(), "b".to_owned()],
            ..Scope::default()
        };
        for namespace in ["a", "b"] {
            let all = sources(&scope);
            let within = |it: &&Watched| it.namespace.as_deref() == Some(namespace);
            let said = all
                .iter()
                .filter(within)
                .filter(|it| it.tells == Tells::Words);
            let (telling, beside): (Vec<_>, Vec<_>) = said.partition(|it| it.need != Need::Beside);
            assert_eq!((telling.len(), beside.len()), (1, SAID.len() - 1));
            assert_eq!(telling[0].need, Need::Optional);
        }
    }
}
