//! What a small cluster holds, as facts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::super::Named;
use super::super::facts::{
    Fact, InferenceService, Labels, Leg, Matter, Part, Platform, Pod, Route, Said, Service,
    Steerer, Word,
};
use crate::backend::kubernetes::claim::Component;
use crate::backend::kubernetes::doors::facts::ServiceView;
use crate::backend::kubernetes::objects::{
    LeavingOrder, ObjectRef, Obstruction, Port, Requirement, Selector, Template, Workload, samples,
};

pub(super) fn at(api_version: &str, kind: &str, name: &str, uid: &str) -> ObjectRef {
    ObjectRef {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: "default".into(),
        name: name.into(),
        uid: uid.into(),
    }
}

pub(super) fn moment(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// `app=NAME` selects, and is on the pods. Not annotated.
pub(super) fn workload(kind: &str, name: &str) -> Workload {
    Workload {
        overdue: None,
        refused: None,
        at: at("apps/v1", kind, name, &format!("{kind}-{name}")),
        plural: "x".into(),
        resource_version: "1".into(),
        created: moment(10),
        terminating: false,
        owner: None,
        labels: Labels::new(),
        annotations: Labels::new(),
        replicas: 1,
        selector: Selector(vec![Requirement::In("app".into(), vec![name.into()])]),
        template: Template {
            labels: labels(&[("app", name), ("tier", "model")]),
            containers: Vec::new(),
        },
        leaving: LeavingOrder::DeletionCost,
        first_ordinal: 0,
        rolling: false,
    }
}

/// One that opts in.
pub(super) fn enabled(kind: &str, name: &str) -> Workload {
    let annotations = labels(&[("holdgate.dev/enabled", "true")]);
    Workload {
        annotations,
        ..workload(kind, name)
    }
}

/// One that `KServe` made for a component.
pub(super) fn made(name: &str, component: Component, owner: &InferenceService) -> Workload {
    Workload {
        owner: Some(owner.at.clone()),
        labels: labels(&[("component", component.as_str())]),
        ..workload("Deployment", name)
    }
}

/// In Standard mode, with a predictor that somebody else scales.
pub(super) fn inference_service(name: &str) -> InferenceService {
    InferenceService {
        at: at(
            "serving.kserve.io/v1beta1",
            "InferenceService",
            name,
            &format!("isvc-{name}"),
        ),
        created: moment(5),
        mode: Some("Standard".into()),
        stopped: false,
        word: Word::None,
        parts: vec![Part {
            component: Component::Predictor,
            expected: format!("{name}-predictor"),
            class: Some("external".into()),
        }],
        document: Arc::new(json!({"metadata": {"name": name}})),
    }
}

pub(super) fn with_class(name: &str, class: Option<&str>, word: Word) -> InferenceService {
    let mut fact = inference_service(name);
    fact.parts[0].class = class.map(str::to_owned);
    InferenceService { word, ..fact }
}

/// A pod with `app=APP`.
pub(super) fn pod(name: &str, app: &str, uid: &str, second: u64) -> Named {
    named(
        name,
        Fact::Pod(Pod {
            labels: Arc::new(labels(&[("app", app), ("pod-template-hash", "7d9")])),
            view: Arc::new(samples::pod(uid, name, moment(second))),
        }),
    )
}

/// Something that was said of an object at a second.
pub(super) fn said(uid: &str, matter: Matter, reason: &str, second: u64) -> Named {
    named(
        &format!("{uid}.{reason}.{second}"),
        Fact::Said(Said {
            about: uid.into(),
            matter,
            by: "cluster-autoscaler".into(),
            words: words(reason),
            at: moment(second),
            // Of those of one second the one that a node comes is the later one.
            version: 2 * second + u64::from(matter == Matter::NodeComes),
        }),
    )
}

pub(super) fn words(reason: &str) -> Obstruction {
    Obstruction {
        reason: reason.to_owned(),
        message: "it is so".to_owned(),
    }
}

pub(super) fn service(name: &str, selector: &[(&str, &str)], owner: Option<&str>) -> Named {
    named(
        name,
        Fact::Service(Service {
            selector: labels(selector),
            ports: vec![Port {
                name: None,
                number: 80,
            }],
            owner: owner.map(Into::into),
            component: owner.map(|_| "predictor".to_owned()),
            view: Arc::new(service_view(name, selector)),
        }),
    )
}

fn service_view(name: &str, selector: &[(&str, &str)]) -> ServiceView {
    ServiceView {
        at: at("v1", "Service", name, &format!("service-{name}")),
        resource_version: "1".into(),
        selector: labels(selector),
        kept: None,
        headless: false,
        local: false,
        families: Vec::new(),
        ports: Vec::new(),
        made: false,
    }
}

pub(super) fn steerer(kind: &str, name: &str, target: &str) -> Named {
    named(
        name,
        Fact::Steerer(Steerer {
            at: at("autoscaling/v2", kind, name, &format!("{kind}-{name}")),
            group: Some("apps".into()),
            kind: "Deployment".into(),
            name: target.into(),
        }),
    )
}

pub(super) fn route(name: &str, owner: Option<&str>, to: &[(&str, &str, u64)]) -> Named {
    let leg = |(namespace, service, seconds): &(&str, &str, u64)| Leg {
        timeout: Duration::from_secs(*seconds),
        to: vec![((*namespace).into(), (*service).into())],
    };
    named(
        name,
        Fact::Route(Route {
            at: at("gateway.networking.k8s.io/v1", "HTTPRoute", name, name),
            owner: owner.map(Into::into),
            hostnames: vec!["*.example.com".into()],
            legs: to.iter().map(leg).collect(),
        }),
    )
}

pub(super) fn platform(domain: &str, mode: &str) -> Named {
    named(
        "inferenceservice-config",
        Fact::Platform(Platform {
            domain: Some(domain.into()),
            mode: Some(mode.into()),
        }),
    )
}

pub(super) fn named(name: &str, fact: Fact) -> Named {
    Named {
        namespace: "default".into(),
        name: name.into(),
        fact,
    }
}
