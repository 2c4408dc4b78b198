//! What the inventory is told of, one plain thing for each kind of object. What no decision depends on
//! was dropped before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::super::claim::Component;
use super::super::doors::facts::{ServiceView, SliceView};
use super::super::objects::{ObjectRef, Obstruction, PodView, Port, Workload};

/// Labels of an object.
pub(in super::super) type Labels = BTreeMap<String, String>;

/// One object, as far as somebody decides by it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Fact {
    Pod(Pod),
    Workload(Box<Workload>),
    Service(Service),
    Slice(SliceView),
    Steerer(Steerer),
    InferenceService(InferenceService),
    Route(Route),
    Platform(Platform),
    Said(Said),
}

/// A pod, and what selects it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Pod {
    pub(in super::super) labels: Arc<Labels>,
    pub(in super::super) view: Arc<PodView>,
}

/// What somebody said of an object, in an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Said {
    /// The UID of the object.
    pub(in super::super) about: Arc<str>,
    pub(in super::super) matter: Matter,
    /// Who said it: `cluster-autoscaler`, `karpenter`.
    pub(in super::super) by: Arc<str>,
    /// The Event's reason and message.
    pub(in super::super) words: Obstruction,
    /// When it was said last.
    pub(in super::super) at: SystemTime,
    /// Of two that were said at one moment the later one's is higher.
    pub(in super::super) version: u64,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Matter {
    /// A node for a pod is on its way.
    NodeComes,
    /// No node comes for a pod.
    NoNodeComes,
    /// A pod cannot have a volume.
    Volume,
    /// A controller cannot make pods.
    Making,
}

/// A Service.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Service {
    /// Also while it is taken away.
    pub(in super::super) selector: Labels,
    pub(in super::super) ports: Vec<Port>,
    /// The UID of the controller that made it.
    pub(in super::super) owner: Option<Arc<str>>,
    /// Of which component of an `InferenceService` it says that it is.
    pub(in super::super) component: Option<String>,
    /// As the keeper of its doors sees it.
    pub(in super::super) view: Arc<ServiceView>,
}

/// Something that changes the replicas of something else.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Steerer {
    pub(in super::super) at: ObjectRef,
    /// The group of what it steers, as far as it says so.
    pub(in super::super) group: Option<String>,
    pub(in super::super) kind: String,
    pub(in super::super) name: String,
}

/// An `InferenceService`.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct InferenceService {
    pub(in super::super) at: ObjectRef,
    pub(in super::super) created: SystemTime,
    /// How it is run, in today's words: `Standard`, `Knative`, `ModelMesh`; `None` where nobody says.
    pub(in super::super) mode: Option<String>,
    pub(in super::super) stopped: bool,
    pub(in super::super) word: Word,
    pub(in super::super) parts: Vec<Part>,
    /// The object without its status and what changes by itself.
    pub(in super::super) document: Arc<Value>,
}

/// What an object says about us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Word {
    /// It is ours if it fits, else nobody wants to hear of it.
    None,
    /// It means us: somebody wants to hear why it does not fit.
    Ours,
    /// It wants none of us.
    Refused,
}

/// One component of an `InferenceService`.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Part {
    pub(in super::super) component: Component,
    /// What its Deployment is going to be called.
    pub(in super::super) expected: String,
    /// Who scales it, as written.
    pub(in super::super) class: Option<String>,
}

/// An `HTTPRoute` that bounds how long a request takes.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Route {
    pub(in super::super) at: ObjectRef,
    pub(in super::super) owner: Option<Arc<str>>,
    /// Hosts it is for; none are all.
    pub(in super::super) hostnames: Vec<String>,
    pub(in super::super) legs: Vec<Leg>,
}

/// One rule of a route.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Leg {
    pub(in super::super) timeout: Duration,
    /// The Services it leads to: namespace and name.
    pub(in super::super) to: Vec<(Arc<str>, Arc<str>)>,
}

/// What `KServe`'s own settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Platform {
    /// The domain of hosts.
    pub(in super::super) domain: Option<String>,
    /// How an `InferenceService` is run that does not say it.
    pub(in super::super) mode: Option<String>,
}
