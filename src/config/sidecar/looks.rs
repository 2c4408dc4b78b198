//! How a sidecar looks whether its model server is ready: as its own keys say, else as the probes that
//! Knative has moved to its queue-proxy, else whether the port is open.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::keys as k;
use super::knative::{Knative, Probe, ProbeKind};
use crate::backend::beside::{Check, How};
use crate::config::complaint::{Complaint, Complaints, Origin};
use crate::config::layers::Layers;

/// Of one look, with a period of 0.
const AT_ONCE: Duration = Duration::from_millis(100);
const USUAL: Duration = Duration::from_secs(1);

/// Every check that has to pass; `None` where something is wrong with one.
pub(super) fn looks(
    top: &Layers<'_>,
    knative: &Knative,
    app: SocketAddr,
    complaints: &mut Complaints,
) -> Option<Vec<Check>> {
    let own = top.node(&k::READINESS_PATH).is_some()
        || top.node(&k::READINESS_PORT).is_some()
        || top.node(&k::READINESS_GRPC).is_some();
    let Some(probes) = knative.probes.as_ref().filter(|_| !own) else {
        return Some(vec![written(top, app, complaints)]);
    };
    let checks = probes.iter().map(|probe| moved(probe, app));
    let checks: Option<Vec<_>> = checks.collect();
    if checks.is_none() {
        complaints.push(Complaint {
            origin: Origin::Environment("SERVING_READINESS_PROBE".to_owned()),
            path: String::new(),
            message: "has a header that is none".to_owned(),
        });
    }
    checks
}

fn written(top: &Layers<'_>, app: SocketAddr, complaints: &mut Complaints) -> Check {
    let port = top.written(&k::READINESS_PORT).unwrap_or(app.port());
    let path = top.written(&k::READINESS_PATH);
    let grpc: Option<String> = top.written(&k::READINESS_GRPC);
    if let (Some(_), Some(node)) = (&path, top.node(&k::READINESS_GRPC)) {
        complaints.push(node.complaint("wanted readiness.path or readiness.grpc, not both"));
    }
    let how = match (path, grpc) {
        (Some(path), _) => How::Http {
            path,
            headers: Vec::new(),
        },
        (None, Some(service)) => How::Grpc {
            service: if service == "*" {
                String::new()
            } else {
                service
            },
        },
        (None, None) => How::Tcp,
    };
    let period: Duration = top.value(&k::READINESS_PERIOD);
    Check {
        how,
        at: SocketAddr::new(app.ip(), port),
        period,
        timeout: top
            .written(&k::READINESS_TIMEOUT)
            .unwrap_or(usual_timeout(period)),
        successes: top.value(&k::READINESS_SUCCESSES),
        failures: top.value(&k::READINESS_FAILURES),
    }
}

fn usual_timeout(period: Duration) -> Duration {
    if period.is_zero() { AT_ONCE } else { USUAL }
}

/// As Knative's: always on this machine, whatever host it names; an aggressive one has its own timeout.
fn moved(probe: &Probe, app: SocketAddr) -> Option<Check> {
    let how = match &probe.kind {
        ProbeKind::Tcp => How::Tcp,
        ProbeKind::Grpc { service } => How::Grpc {
            service: service.clone(),
        },
        ProbeKind::Http { path, headers } => How::Http {
            path: path.clone(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    let name = HeaderName::try_from(name.as_str()).ok()?;
                    Some((name, HeaderValue::try_from(value.as_str()).ok()?))
                })
                .collect::<Option<_>>()?,
        },
    };
    let timeout = match probe.timeout {
        Some(timeout) if !probe.period.is_zero() => timeout,
        _ => usual_timeout(probe.period),
    };
    Some(Check {
        how,
        at: SocketAddr::new(app.ip(), probe.port.unwrap_or(app.port())),
        period: probe.period,
        timeout,
        successes: probe.successes,
        failures: probe.failures,
    })
}
