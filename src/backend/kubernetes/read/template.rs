//! What the pods of a workload are made of.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

use super::super::inventory::facts::Labels;
use super::super::objects::{Container, Port, ReadinessProbe, Template};
use crate::backend::quantity::{amount, whole};

/// As much of a pod template as somebody decides by.
#[derive(Default, Deserialize)]
pub(super) struct RawTemplate {
    metadata: Option<RawMeta>,
    spec: Option<RawSpec>,
}

#[derive(Deserialize)]
struct RawMeta {
    labels: Option<Labels>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    init_containers: Option<Vec<RawContainer>>,
    containers: Option<Vec<RawContainer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer {
    name: String,
    restart_policy: Option<String>,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    ports: Option<Vec<core::ContainerPort>>,
    readiness_probe: Option<core::Probe>,
    startup_probe: Option<core::Probe>,
    resources: Option<core::ResourceRequirements>,
}

impl RawTemplate {
    pub(super) fn read(self) -> Template {
        let spec = self.spec.unwrap_or_default();
        let stays = |it: &RawContainer| it.restart_policy.as_deref() == Some("Always");
        let beside = spec.init_containers.into_iter().flatten().filter(stays);
        let containers = spec.containers.into_iter().flatten().chain(beside);
        Template {
            labels: self.metadata.and_then(|m| m.labels).unwrap_or_default(),
            containers: containers.map(container).collect(),
        }
    }
}

fn container(raw: RawContainer) -> Container {
    let ports: Vec<Port> = raw.ports.into_iter().flatten().filter_map(port).collect();
    let command = raw.command.into_iter().flatten();
    let of = |probe: Option<core::Probe>| probe.map(|probe| readiness(&probe, &ports));
    let (ready, started) = (of(raw.readiness_probe), of(raw.startup_probe));
    let asked = |what: &str| raw.resources.as_ref().and_then(|all| asked_for(all, what));
    Container {
        name: raw.name,
        args: command.chain(raw.args.into_iter().flatten()).collect(),
        cpu: asked("cpu"),
        memory: asked("memory").map(whole),
        readiness: first_to_know(ready, started),
        ports,
    }
}

/// Kubelet looks whether it is ready only after it has seen it start. Where the one says no more than
/// that a port is open, or nothing, the other knows better whether the model is loaded.
fn first_to_know(
    ready: Option<ReadinessProbe>,
    started: Option<ReadinessProbe>,
) -> Option<ReadinessProbe> {
    match ready {
        None | Some(ReadinessProbe::Tcp { .. }) => started.or(ready),
        Some(
            ReadinessProbe::Http { .. } | ReadinessProbe::Https { .. } | ReadinessProbe::Kubelet,
        ) => ready,
    }
}

fn port(raw: core::ContainerPort) -> Option<Port> {
    Some(Port {
        name: raw.name,
        number: u16::try_from(raw.container_port).ok()?,
    })
}

/// What a container asks for, else what it may use: what its share of is counted in percent.
fn asked_for(resources: &core::ResourceRequirements, what: &str) -> Option<f64> {
    let of = |amounts: &Option<std::collections::BTreeMap<String, Quantity>>| {
        let asked = amount(&amounts.as_ref()?.get(what)?.0);
        // A share of nothing says nothing.
        asked.filter(|asked| *asked > 0.0)
    };
    of(&resources.requests).or_else(|| of(&resources.limits))
}

/// What only kubelet can do is told as such, and so is what nobody can resolve.
fn readiness(probe: &core::Probe, ports: &[Port]) -> ReadinessProbe {
    if let Some(http) = &probe.http_get {
        let sends = |headers: &Vec<core::HTTPHeader>| !headers.is_empty();
        let plain = http.host.is_none() && !http.http_headers.as_ref().is_some_and(sends);
        let port = resolve(&http.port, ports).filter(|_| plain);
        let path = rooted(http.path.as_deref().unwrap_or_default());
        return match (port, http.scheme.as_deref()) {
            (Some(port), None | Some("HTTP")) => ReadinessProbe::Http { path, port },
            (Some(port), Some("HTTPS")) => ReadinessProbe::Https { path, port },
            _ => ReadinessProbe::Kubelet,
        };
    }
    let tcp = probe.tcp_socket.as_ref().filter(|tcp| tcp.host.is_none());
    tcp.and_then(|tcp| resolve(&tcp.port, ports))
        .map_or(ReadinessProbe::Kubelet, |port| ReadinessProbe::Tcp { port })
}

/// Kubelet asks for `/health` where `health` is written.
fn rooted(path: &str) -> String {
    format!("/{}", path.strip_prefix('/').unwrap_or(path))
}

fn resolve(wanted: &IntOrString, ports: &[Port]) -> Option<u16> {
    match wanted {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let named = ports.iter().find(|port| port.name.as_ref() == Some(name));
            named.map(|port| port.number).or_else(|| name.parse().ok())
        }
    }
}
