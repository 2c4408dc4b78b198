//! The sentences of a gateway: what a person reads in Events, reports and answers.

use std::time::Duration;

use humantime::format_duration;

use super::hosts::{Elsewhere, Way};
use crate::autoscale::Spec;
use crate::backend::kubernetes::{Claim, ObjectRef, Obstacle, Reason};
use crate::revision::Scaling;

/// The word of an obstacle, and what it means.
pub(super) fn obstacle(obstacle: &Obstacle) -> (Reason, String) {
    match obstacle {
        Obstacle::SteeredBy(by) => {
            let reason = match &*by.kind {
                "HorizontalPodAutoscaler" => Reason::SteeredByHorizontalPodAutoscaler,
                "ScaledObject" => Reason::SteeredByScaledObject,
                "PodAutoscaler" => Reason::SteeredByPodAutoscaler,
                _ => Reason::SteeredByAnother,
            };
            let message = format!(
                "{} {} scales it, so holdgate does not: requests still pass and the limit holds",
                by.kind, by.name
            );
            (reason, message)
        }
        Obstacle::AutoscalerClass(class) => {
            let message = format!(
                "not served by holdgate: KServe scales it (autoscaler class {class}, wanted \
                 serving.kserve.io/autoscalerClass: external)"
            );
            (Reason::AutoscalerClass, message)
        }
        Obstacle::DeploymentMode(mode) => {
            let message = format!(
                "not served by holdgate: it runs in mode {mode} (wanted \
                 serving.kserve.io/deploymentMode: Standard)"
            );
            (Reason::DeploymentMode, message)
        }
        Obstacle::Stopped => {
            let message = "stopped (serving.kserve.io/stop), requests are refused".to_owned();
            (Reason::Stopped, message)
        }
        Obstacle::NameTaken(by) => {
            let message = format!(
                "not served by holdgate: {} goes by the same name and is older",
                named(by)
            );
            (Reason::NameTaken, message)
        }
    }
}

/// Its owner wants us to scale it, whatever else keeps us from it.
pub(super) const fn is_ours(claim: &Claim) -> bool {
    !matches!(
        claim.obstacle,
        Some(Obstacle::AutoscalerClass(_) | Obstacle::DeploymentMode(_))
    )
}

/// That what should lead to a revision leads to another.
pub(super) fn elsewhere(lost: &Elsewhere) -> (Reason, String) {
    let (reason, what) = match &lost.way {
        Way::Host(host) => (Reason::HostTaken, format!("host {host}")),
        Way::Model(model) => (Reason::ModelTaken, format!("model {model}")),
    };
    let older = if lost.is_older {
        ", which is older,"
    } else {
        ""
    };
    (
        reason,
        format!("{what} leads to {}{older} and not here", lost.to),
    )
}

/// That a gateway does not listen where callers of a Service are to come in.
pub(super) fn door_closed(service: &str, number: u16, error: &std::io::Error) -> String {
    format!(
        "callers of Service {service} cannot come in at this gateway: port {number} could not be \
         opened ({error}), tried again until it is"
    )
}

pub(super) fn route_timeout(route: &ObjectRef, timeout: Duration, budget: Duration) -> String {
    format!(
        "{} lets a request take {}, a request may wait {} for a cold start (queue.coldTimeout): \
         the route gives up first",
        named(route),
        format_duration(timeout),
        format_duration(budget),
    )
}

/// That nobody sees the requests of a revision, and nothing else says whether there are any.
pub(super) fn unmeasured() -> String {
    "with path takeover requests reach ready pods past the gate and are not counted: there is one \
     replica at least, and of more the number stays as it is (another metric: holdgate.dev/scale-metric, \
     holdgate.dev/autoscaling-metrics; or path always)"
        .to_owned()
}

/// That a workload is ours from now on, and what becomes of the replicas it has.
pub(super) fn managed(replicas: u32, spec: &Spec) -> String {
    let plural = if replicas == 1 { "" } else { "s" };
    let now = format!("managed by holdgate: {replicas} replica{plural} now");
    let (least, idle) = (
        spec.bounds(None).min,
        format_duration(until_zero(&spec.scaling)),
    );
    match (least, replicas) {
        (0, 0) => format!("{now}, the first request starts one"),
        (0, _) => format!("{now}, to zero after {idle} without requests"),
        _ => format!("{now}, never fewer than {least}"),
    }
}

/// How long after the last request the last replica goes.
fn until_zero(scaling: &Scaling) -> Duration {
    let retention = scaling.scale_to_zero_pod_retention_period.resolve(None);
    let grace = scaling.scale_to_zero_grace_period.max(retention);
    scaling
        .stop_after_idle
        .unwrap_or(scaling.stable_window + grace)
}

/// What it is, as a person finds it.
pub(super) fn named(object: &ObjectRef) -> String {
    format!("{} {}/{}", object.kind, object.namespace, object.name)
}
