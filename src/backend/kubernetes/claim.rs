//! What in a cluster wants to be a revision of ours, and where its settings stand. What the settings
//! mean is decided by whoever reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::doors::Spoken;
use super::objects::{ObjectRef, Port, Template};
pub use crate::backend::Component;
use crate::revision::RevisionId;

/// All of them, by the name of the revision.
pub type Claims = BTreeMap<RevisionId, Arc<Claim>>;

/// One thing that wants to be a revision. Changes when its settings do, not with its replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// What the revision is called: `WORKLOAD.NAMESPACE`, of a component of an `InferenceService` the
    /// name that its Deployment has or will have.
    pub revision: RevisionId,
    /// Whom Events are about: the `InferenceService`, or the workload itself.
    pub owner: ObjectRef,
    /// When the owner was made: of two that claim one host, the older keeps it.
    pub created: SystemTime,
    /// Where its settings stand.
    pub settings: Settings,
    /// What its pods are made of; `None` while there is no workload.
    pub template: Option<Arc<Template>>,
    /// The Services that lead to its pods, by name, with their ports.
    pub services: BTreeMap<String, Vec<Port>>,
    /// Those of them that lead to the pods of other workloads as well, ours or not.
    pub shared: BTreeSet<String>,
    /// What the ports of those Services say is spoken where they lead to.
    pub spoken: Vec<Spoken>,
    /// Where the gateways listen for callers of those Services that lead through them.
    pub doors: Vec<ServiceDoor>,
    /// Why it must be left alone, or is not there; `None` where it is ours to scale.
    pub obstacle: Option<Obstacle>,
    /// What else a person should know, each a sentence: routes with a timeout that is too short.
    pub remarks: Vec<Remark>,
}

/// A port of a Service whose callers pass the gateways, and where those listen for them: whatever
/// comes in there is for the revision behind that Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceDoor {
    /// The Service, by its name in the namespace of the revision.
    pub service: Arc<str>,
    /// Which of its ports, where that has a name.
    pub port_name: Option<String>,
    /// Where every gateway listens.
    pub number: u16,
    /// The Service is headless, so that its callers come to a number that other Services lead to as
    /// well: their requests are told apart by their host.
    pub by_host: bool,
}

/// A route that leads to this revision and may cut its requests short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Which `HTTPRoute`.
    pub route: ObjectRef,
    /// How long it lets a request take.
    pub timeout: std::time::Duration,
}

/// A route that leads to the gateway itself, whatever revision its requests are for, and may cut them
/// short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    /// Which `HTTPRoute`.
    pub route: ObjectRef,
    /// Hosts it is for, `*.` for any label before the rest; none are all.
    pub hostnames: Vec<String>,
    /// How long it lets a request take.
    pub timeout: std::time::Duration,
}

impl Entrance {
    /// Whether requests for a host, in lower case and without a port, come this way.
    #[must_use]
    pub fn takes(&self, host: &str) -> bool {
        let takes = |name: &String| match name.strip_prefix('*') {
            Some(rest) => host.len() > rest.len() && host.ends_with(rest),
            None => host.eq_ignore_ascii_case(name),
        };
        self.hostnames.is_empty() || self.hostnames.iter().any(takes)
    }
}

/// Where the settings of a revision stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Settings {
    /// In an `InferenceService`: the whole object without its status and managed fields, and which of
    /// its components this is.
    InferenceService(Arc<Value>, Component),
    /// In the annotations of a workload: `apiVersion`, `kind`, name, namespace and annotations as an
    /// object.
    Workload(Arc<Value>),
}

/// Why a revision is not scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Somebody else steers it: a `HorizontalPodAutoscaler`, `ScaledObject` or `PodAutoscaler`.
    SteeredBy(ObjectRef),
    /// `KServe` scales it itself: the autoscaler class that is written, or `hpa` where none is.
    AutoscalerClass(String),
    /// `KServe` runs it in a mode that is none of ours: `Knative`, `ModelMesh`.
    DeploymentMode(String),
    /// Its owner wants none of it: `serving.kserve.io/stop`.
    Stopped,
    /// Another workload goes by the same revision name, and is older.
    NameTaken(ObjectRef),
}
