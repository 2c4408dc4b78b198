//! What an object of a cluster says of one revision. Everything that is wrong with it is told at once;
//! whoever asks keeps the last good value.

use std::sync::Arc;

use super::complaint::{Complaint, Complaints, Origin};
use super::file::Section;
use super::gateway::GatewayConfig;
use super::json;
use super::layers::{Layer, Layers};
use super::manifest::{self, DOMAIN, Site};
use super::pod;
use super::revision::Draft;
use super::tree::Node;
use crate::backend::{Component, PodSpec, Resources};
use crate::revision::{RevisionId, RevisionSpec};
use crate::schedule::Schedule;

/// Where the settings of a revision in a cluster stand.
#[derive(Clone, Copy, Debug)]
pub enum ClaimSettings<'a> {
    /// In an `InferenceService`, in one of its components.
    InferenceService(&'a serde_json::Value, Component),
    /// In the annotations of a workload.
    Workload(&'a serde_json::Value),
}

/// What is known of a revision in a cluster beside its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimFacts {
    /// What it is called: `WORKLOAD.NAMESPACE`.
    pub revision: RevisionId,
    /// The domain of routes as `KServe` has it; a gateway's own wins.
    pub domain: Option<String>,
    /// The Services that lead to its pods.
    pub services: Vec<String>,
    /// The command and arguments of its model server; empty while nobody knows.
    pub args: Vec<String>,
    /// What its model server asks for.
    pub resources: Resources,
}

impl ClaimFacts {
    /// The name of its workload.
    pub(super) fn workload(&self, namespace: &str) -> Option<&str> {
        let name = self.revision.as_str().strip_suffix(namespace)?;
        name.strip_suffix('.')
    }
}

/// What holds for a revision in a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadClaim {
    /// Everything that is so of any revision.
    pub spec: RevisionSpec,
    /// Hours at which it has more than its least.
    pub schedule: Schedule,
    /// What is so of its pods.
    pub pod: PodSpec,
    /// What may not do what its writer thinks, but stops nobody.
    pub warnings: Vec<Complaint>,
}

/// Reads what an object of a cluster says of one revision.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn read_claim(
    settings: &ClaimSettings<'_>,
    facts: &ClaimFacts,
    gateway: &GatewayConfig,
) -> Result<ReadClaim, Complaints> {
    let mut complaints = Complaints::default();
    let read = read(settings, facts, gateway, &mut complaints);
    complaints.unless_any(read)
}

fn read(
    settings: &ClaimSettings<'_>,
    facts: &ClaimFacts,
    gateway: &GatewayConfig,
    complaints: &mut Complaints,
) -> Option<ReadClaim> {
    let domain = gateway.domain.as_ref().or(facts.domain.as_ref());
    let domain = domain.map_or(DOMAIN, String::as_str);
    let site = Site::Cluster { facts, domain };
    let cluster = &gateway.defaults.cluster;
    let section = section(settings, cluster, site, complaints)?;
    let subject = section.subject.as_ref()?;
    let below = [cluster, &subject.defaults, &gateway.defaults.files];
    let layers: Vec<&Layer> = below.into_iter().chain(&section.layers).collect();
    let pod = pod::spec(
        &Layers::new(layers.clone()),
        subject.model.clone(),
        subject.port,
        complaints,
    );
    let draft = Draft {
        at: &section.at,
        layers: Layers::new(layers),
        subject: Some(subject),
    };
    draft.rules(complaints);
    Some(ReadClaim {
        spec: draft.spec(facts.revision.clone()),
        schedule: draft.schedule(),
        pod,
        warnings: complaints.warnings(),
    })
}

fn section(
    settings: &ClaimSettings<'_>,
    cluster: &Layer,
    site: Site<'_>,
    complaints: &mut Complaints,
) -> Option<Section> {
    match *settings {
        ClaimSettings::InferenceService(object, role) => {
            let service = tree(object);
            let read = manifest::component(&service, role, cluster, site, complaints);
            if read.is_none() && complaints.is_empty() {
                let message = format!("has no {}", role.as_str());
                complaints.push(service.complaint(message));
            }
            read
        }
        ClaimSettings::Workload(object) => {
            manifest::workload(&tree(object), cluster, site, complaints)
        }
    }
}

/// An object as a tree that says which it is: `InferenceService default/flowers-sample`.
fn tree(object: &serde_json::Value) -> Node {
    let text = |path: &str| object.pointer(path).and_then(serde_json::Value::as_str);
    let kind = text("/kind").unwrap_or("object");
    let namespace = text("/metadata/namespace").unwrap_or("default");
    let name = text("/metadata/name").unwrap_or_default();
    let origin = Origin::Object(Arc::from(format!("{kind} {namespace}/{name}")));
    json::tree(&origin, object)
}

#[cfg(feature = "kubernetes")]
pub use of_cluster::essential;

#[cfg(feature = "kubernetes")]
mod of_cluster {
    use std::sync::Arc;

    use super::{ClaimFacts, ClaimSettings};
    use crate::backend::Resources;
    use crate::backend::kubernetes::objects::{Container, Template};
    use crate::backend::kubernetes::{Claim, Settings};
    use crate::config::manifest::{essence, is_model_server};

    impl<'a> ClaimSettings<'a> {
        /// Where a claim's stand.
        #[must_use]
        pub fn of(settings: &'a Settings) -> Self {
            match settings {
                Settings::InferenceService(object, component) => {
                    Self::InferenceService(object, *component)
                }
                Settings::Workload(object) => Self::Workload(object),
            }
        }
    }

    /// As much of settings as they are read by.
    #[must_use]
    pub fn essential(settings: &Settings) -> Settings {
        match settings {
            Settings::InferenceService(object, component) => {
                Settings::InferenceService(Arc::new(essence(object)), *component)
            }
            Settings::Workload(object) => Settings::Workload(Arc::new(essence(object))),
        }
    }

    impl ClaimFacts {
        /// What a claim tells, where this is the domain of `KServe`'s routes.
        #[must_use]
        pub fn of(claim: &Claim, domain: Option<String>) -> Self {
            let server = claim.template.as_deref().and_then(model_server);
            let resources = server.map(|server| Resources {
                cpu: server.cpu,
                memory: server.memory,
            });
            Self {
                revision: claim.revision.clone(),
                domain,
                services: claim.services.keys().cloned().collect(),
                args: server.map(|server| server.args.clone()).unwrap_or_default(),
                resources: resources.unwrap_or_default(),
            }
        }
    }

    fn model_server(template: &Template) -> Option<&Container> {
        let mut containers = template.containers.iter();
        let called = containers.find(|container| is_model_server(&container.name));
        called.or_else(|| template.containers.first())
    }
}
