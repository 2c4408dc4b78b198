//! Where a pod takes requests, and how it is found out whether it does: from what a person wrote and
//! what stands in the template. Asks nobody; what an answer means is decided here too.

use serde_json::Value;

use super::objects::{Container, ReadinessProbe, Template};
use crate::backend::spec::{Model, PodSpec, Protocol};
use crate::tls::ReplicaTls;

#[cfg(test)]
mod tests;

/// The port of a model server that names none.
const USUAL_PORT: u16 = 8080;
/// What `KServe` calls the container of the model server, now and in earlier days.
const MODEL_SERVERS: [&str; 2] = ["kserve-container", "kfserving-container"];

/// Where a pod takes requests, and how to look whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Where requests go.
    pub port: u16,
    /// What is asked, in this order: the next only where the one before does not know.
    pub asks: Vec<Ask>,
    /// How it is reached by TLS, requests and what is asked at the same port; `None` where it is not.
    pub tls: Option<ReplicaTls>,
}

/// One thing that can be asked of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `GET` of a path answers 200 to 399.
    Path {
        /// The path.
        path: String,
        /// The port that is asked.
        port: u16,
    },
    /// The state of a model by the first version of the protocol.
    ModelV1 {
        /// The path.
        path: String,
    },
    /// The state of a model by the second version.
    ModelV2 {
        /// The path.
        path: String,
    },
    /// The state of the whole server by the second version.
    ServerV2 {
        /// The path.
        path: String,
    },
    /// A connection is accepted.
    Connection {
        /// At which port.
        port: u16,
    },
    /// Kubelet says so: it can look in ways that nobody else can.
    Kubelet,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It takes requests.
    Ready,
    /// Not yet.
    NotYet,
    /// This server has no word for what was asked: something else tells.
    Unknown,
}

impl Door {
    /// What is written counts; what is left open is found.
    #[must_use]
    pub fn find(written: &PodSpec, found: &Template) -> Self {
        let container = model_server(found);
        let named = container.and_then(|container| container.ports.first());
        let port = written.port.or(named.map(|port| port.number));
        let port = port.unwrap_or(USUAL_PORT);
        let mut asks = Vec::new();
        if let Some(path) = written.readiness_path.clone() {
            asks.push(Ask::Path { path, port });
        } else {
            if let Some(model) = &written.model {
                asks.extend(about(model));
            }
            asks.push(as_kubelet(container, port, written.tls.is_some()));
        }
        let tls = written.tls.clone();
        Self { port, asks, tls }
    }
}

impl Ask {
    /// What is requested; `None` where there is no request.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Path { path, .. }
            | Self::ModelV1 { path }
            | Self::ModelV2 { path }
            | Self::ServerV2 { path } => Some(path),
            Self::Connection { .. } | Self::Kubelet => None,
        }
    }

    /// Where it is asked; `None` asks where requests go.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Path { port, .. } | Self::Connection { port } => Some(*port),
            Self::ModelV1 { .. } | Self::ModelV2 { .. } | Self::ServerV2 { .. } | Self::Kubelet => {
                None
            }
        }
    }

    /// What this answer to it means.
    #[must_use]
    pub fn meaning(&self, status: u16, body: &[u8]) -> Meaning {
        match (self, status) {
            (Self::ModelV1 { .. } | Self::ModelV2 { .. } | Self::ServerV2 { .. }, 404) => {
                Meaning::Unknown
            }
            // Triton's word for a model that it does not know is also that for one that is loading;
            // its word for the whole server tells them apart.
            (Self::ModelV2 { .. }, 400) => Meaning::Unknown,
            (Self::ModelV1 { .. }, 200) if !has_a_version(body) => Meaning::NotYet,
            (_, 200..=399) => Meaning::Ready,
            _ => Meaning::NotYet,
        }
    }
}

/// The container that takes the requests.
fn model_server(template: &Template) -> Option<&Container> {
    let called = |name: &str| template.containers.iter().find(|c| c.name == name);
    let known = MODEL_SERVERS.into_iter().find_map(called);
    known.or(template.containers.first())
}

fn about(model: &Model) -> Vec<Ask> {
    let name = &model.name;
    match model.protocol {
        Protocol::V1 => vec![Ask::ModelV1 {
            path: format!("/v1/models/{name}"),
        }],
        Protocol::V2 => {
            let server = "/v2/health/ready".to_owned();
            let path = format!("/v2/models/{name}/ready");
            vec![Ask::ModelV2 { path }, Ask::ServerV2 { path: server }]
        }
    }
}

fn as_kubelet(container: Option<&Container>, door: u16, by_tls: bool) -> Ask {
    match container.and_then(|container| container.readiness.clone()) {
        Some(ReadinessProbe::Http { path, port }) => Ask::Path { path, port },
        // What is known of TLS is known of the port of requests; kubelet believes any certificate.
        Some(ReadinessProbe::Https { path, port }) if by_tls && port == door => {
            Ask::Path { path, port }
        }
        Some(ReadinessProbe::Tcp { port }) => Ask::Connection { port },
        Some(ReadinessProbe::Kubelet | ReadinessProbe::Https { .. }) => Ask::Kubelet,
        None => Ask::Connection { port: door },
    }
}

/// `TensorFlow` Serving answers 200 for every model it knows, and tells in the body whether a version
/// of it is loaded. What is no such body says nothing against it.
fn has_a_version(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return true;
    };
    let Some(versions) = body.get("model_version_status").and_then(Value::as_array) else {
        return true;
    };
    let available = |version: &Value| version.get("state") == Some(&"AVAILABLE".into());
    versions.iter().any(available)
}
