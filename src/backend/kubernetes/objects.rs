//! What is kept of the objects of a cluster: the few facts that something is decided by. An object as
//! the API tells it is many times as large.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// The annotation by which a `ReplicaSet` chooses which of its pods go first.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Which object; the UID tells it from an earlier one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// `apps/v1`.
    pub api_version: Arc<str>,
    /// `Deployment`.
    pub kind: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its UID.
    pub uid: Arc<str>,
}

/// Something with a scale subresource.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Which.
    pub at: ObjectRef,
    /// The plural of its kind, as in the path of the API: `deployments`.
    pub plural: Arc<str>,
    /// As of which version this was seen.
    pub resource_version: Arc<str>,
    /// When it was made.
    pub created: SystemTime,
    /// It is being deleted.
    pub terminating: bool,
    /// The controller that made it, if one did.
    pub owner: Option<ObjectRef>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// How many replicas are asked for.
    pub replicas: u32,
    /// Which pods are its own.
    pub selector: Selector,
    /// What its pods are made of.
    pub template: Template,
    /// In which order its controller takes pods away.
    pub leaving: LeavingOrder,
    /// The number that the name of its first pod ends with, where they are numbered.
    pub first_ordinal: u32,
    /// Its controller cannot make pods: a quota or an admission webhook is in the way. The condition's or
    /// the Event's reason and message.
    pub refused: Option<Obstruction>,
    /// Its rollout has not gone on for longer than `progressDeadlineSeconds`.
    pub overdue: Option<Obstruction>,
    /// A rolling update is under way: pods of two templates are there, and which of them go is not
    /// decided by their deletion costs alone.
    pub rolling: bool,
}

/// In which order a controller takes pods away when it is asked for fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeavingOrder {
    /// Those not ready first, then by `controller.kubernetes.io/pod-deletion-cost`, the lowest first:
    /// a `ReplicaSet`, and so a Deployment.
    DeletionCost,
    /// The highest ordinal first: a `StatefulSet`.
    Ordinal,
    /// Nobody knows.
    Unknown,
}

/// Which labels a thing must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(pub Vec<Requirement>);

/// One thing that a selector wants of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label is there and has one of these values.
    In(String, Vec<String>),
    /// The label is not there, or has none of these values.
    NotIn(String, Vec<String>),
    /// The label is there.
    Exists(String),
    /// The label is not there.
    Absent(String),
}

impl Selector {
    /// Whether labels are as they must be. A selector that wants nothing matches nothing: an empty one
    /// is a mistake more often than a wish for everything.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let one_of = |name: &String, values: &[String]| {
            labels.get(name).is_some_and(|value| values.contains(value))
        };
        let holds = |requirement: &Requirement| match requirement {
            Requirement::In(name, values) => one_of(name, values),
            Requirement::NotIn(name, values) => !one_of(name, values),
            Requirement::Exists(name) => labels.contains_key(name),
            Requirement::Absent(name) => !labels.contains_key(name),
        };
        !self.0.is_empty() && self.0.iter().all(holds)
    }
}

/// What the pods of a workload are made of, as far as somebody decides by it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// The labels of its pods: which Services lead to them.
    pub labels: BTreeMap<String, String>,
    /// The containers that stay, in their order, those that go beside the others last; the first is
    /// the model server unless one is called
    /// `kserve-container`.
    pub containers: Vec<Container>,
}

/// One container of a template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its command and arguments, as one line: a model's name may be in it.
    pub args: Vec<String>,
    /// Its ports in their order.
    pub ports: Vec<Port>,
    /// How kubelet looks whether it is ready; `None` where it does not look.
    pub readiness: Option<ReadinessProbe>,
    /// Cores it asks for, else those it may use.
    pub cpu: Option<f64>,
    /// Bytes of memory it asks for, else those it may use.
    pub memory: Option<u64>,
}

/// A port of a container or a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its number.
    pub number: u16,
}

/// How kubelet looks whether a container is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadinessProbe {
    /// By a request.
    Http {
        /// The path asked for.
        path: String,
        /// The port's number, names resolved.
        port: u16,
    },
    /// By a request behind TLS.
    Https {
        /// The path asked for.
        path: String,
        /// The port's number, names resolved.
        port: u16,
    },
    /// By a connection.
    Tcp {
        /// The port's number, names resolved.
        port: u16,
    },
    /// In a way that only kubelet can: a command in the container, or gRPC.
    Kubelet,
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the API tells each of them by itself"
)]
pub struct PodView {
    /// Its UID: who it is, whatever its name and address.
    pub uid: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// When it was made.
    pub created: SystemTime,
    /// Where it runs; `None` before it was scheduled.
    pub node: Option<Arc<str>>,
    /// Its address; `None` before it has one.
    pub ip: Option<IpAddr>,
    /// How far it has come.
    pub stage: Stage,
    /// Each of its containers has run at least once, whatever they do now: its controller knows no
    /// difference between one that runs and one that crashes.
    pub started: bool,
    /// What its controller and Services go by. Not what decides whether it gets requests.
    pub ready: bool,
    /// How many of its containers kubelet calls not ready. None where it is not ready for another
    /// reason, such as a node of which nobody has heard for a while: that says nothing of the pod.
    pub unready: u32,
    /// It is being deleted.
    pub terminating: bool,
    /// The containers that go first have begun, and not all of them have ended.
    pub initializing: bool,
    /// How often its containers have been started again, all together: what was known of whether it
    /// is ready is about an earlier life.
    pub restarts: u32,
    /// How often one of its containers has ended, those that go first and failed included: kubelet starts
    /// it again, after a pause.
    pub crashes: u32,
    /// How many of them have ended and are not started again yet. Kubelet calls it `CrashLoopBackOff` only
    /// when the pause is nearly over.
    pub down: u32,
    /// `controller.kubernetes.io/pod-deletion-cost`, as written.
    pub deletion_cost: Option<i32>,
    /// What was last said of a node for it; `None` once it has one, before somebody says anything, and
    /// when what was said is too long ago to hold: a node that is on its way comes in 15 minutes, or not.
    pub node_word: Option<NodeWord>,
    /// The node on which the scheduler expects room for it, such as where others are being ended.
    pub nominated: Option<Arc<str>>,
    /// What was last said of a volume that it waits for; `None` once its containers run, and when nobody
    /// has said it again for a while.
    pub volume_word: Option<Obstruction>,
}

/// What somebody who brings nodes said of a pod that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeWord {
    /// A node is on its way for it; otherwise none comes.
    pub coming: bool,
    /// The word and the sentence: `TriggeredScaleUp`, `NotTriggerScaleUp`, `Nominated`.
    pub said: Obstruction,
    /// When it was said last.
    pub at: SystemTime,
}

/// How far a pod has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not scheduled; why not, as far as somebody has said: the condition's reason and message.
    Unscheduled(Option<Obstruction>),
    /// On a node; its containers are not running yet. What keeps one of them, in kubelet's words:
    /// `ContainerCreating`, `ImagePullBackOff`, `CrashLoopBackOff`.
    Waiting(Option<Obstruction>),
    /// Its containers run.
    Running,
}

/// Why something does not go on, in the words of who keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstruction {
    /// One word: `Unschedulable`, `ImagePullBackOff`.
    pub reason: String,
    /// A sentence, or nothing.
    pub message: String,
}

/// What is there of one revision at present.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Present {
    /// What is scaled; `None` while it does not exist.
    pub workload: Option<Arc<Workload>>,
    /// Its pods, oldest first, none that has ended.
    pub pods: Vec<Arc<PodView>>,
    /// The API server tells of every change. Otherwise this is how it was when it was last heard of.
    pub fresh: bool,
}

/// What the tests of other modules begin with.
#[cfg(test)]
pub(super) mod samples {
    use super::{PodView, Stage, SystemTime};

    /// A pod that was just made.
    pub(in super::super) fn pod(uid: &str, name: &str, created: SystemTime) -> PodView {
        PodView {
            uid: uid.into(),
            name: name.into(),
            created,
            node: None,
            ip: None,
            stage: Stage::Unscheduled(None),
            started: false,
            ready: false,
            terminating: false,
            unready: 0,
            initializing: false,
            restarts: 0,
            crashes: 0,
            down: 0,
            deletion_cost: None,
            node_word: None,
            nominated: None,
            volume_word: None,
        }
    }
}
