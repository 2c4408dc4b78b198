//! A cluster that exists in memory only: an API server, the controller of one workload, kubelets and
//! model servers. Clones are one.

mod nodes;
mod pod;
mod seams;
mod turn;

pub(super) use self::nodes::{Autoscaler, comes, none_comes};
pub(super) use self::pod::{Pod, Start};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use crate::backend::kubernetes::objects::{
    Container, LeavingOrder, ObjectRef, Obstruction, Present, Selector, Stage, Template, Workload,
};
use crate::backend::kubernetes::seams::{ApiError, Notice};
use crate::sync::wall;

/// Between two turns of everything that turns in it, while something happens and while nothing does.
const TURN: Duration = Duration::from_millis(15);
const REST: Duration = Duration::from_millis(90);
/// From then on everybody could know.
const KNOWN: Duration = Duration::from_millis(150);

pub(super) struct Inside {
    pub(super) workload: Option<Workload>,
    pub(super) pods: Vec<Pod>,
    pub(super) start: Start,
    made: u32,
    version: u64,
    /// The API server answers.
    pub(super) up: bool,
    /// No call is answered, and who watches has not noticed.
    pub(super) mute: bool,
    /// Calls are heard so late that nobody waits for the answer.
    pub(super) slow: Option<Duration>,
    /// At this port of any pod nobody listens.
    pub(super) shut_port: Option<u16>,
    /// Answers of the next calls to the scale subresource.
    pub(super) answers: VecDeque<ApiError>,
    /// Every call to the scale subresource, and what it asked for.
    pub(super) calls: Vec<(Instant, u32)>,
    pub(super) marks: Vec<(String, Option<i32>)>,
    /// So many deletion costs are taken away again before anybody sees them.
    pub(super) lost_marks: u32,
    marking: u32,
    /// Most deletion costs that ever were written at once.
    pub(super) most_marking: u32,
    pub(super) notices: Vec<Notice>,
    /// Most requests that ever were in one pod at once.
    pub(super) fullest: u32,
    /// When the number was last lowered through its API.
    lowered: Option<Instant>,
    /// Busy pods that were taken by the controller while an idle one was there.
    pub(super) wronged: Vec<String>,
    /// Pods that got a request after everybody could know that they are being deleted.
    pub(super) late: Vec<String>,
    up_since: Instant,
    pub(super) looks: u32,
    /// Looks that do not stand in line behind others.
    pub(super) hurried: u32,
    /// The controller does nothing.
    pub(super) paused: bool,
    /// So many pods find a node.
    pub(super) room: u32,
    /// What the scheduler says of the others.
    pub(super) refusal: Obstruction,
    pub(super) autoscaler: Autoscaler,
    /// When nodes that are on their way are there.
    pub(super) nodes_at: Vec<Instant>,
    /// So many pods may be made.
    pub(super) quota: u32,
    /// Which policy refuses pods, if any does.
    pub(super) policy: Option<&'static str>,
    making: nodes::Making,
    /// So many more pods than asked for are there, as while pods are replaced.
    pub(super) surge: u32,
    /// How much older than they are the API tells pods to be.
    pub(super) rounding: Duration,
    published: Option<(u64, bool)>,
    present: watch::Sender<Present>,
}

#[derive(Clone)]
pub(super) struct Cluster(pub(super) Arc<Mutex<Inside>>, Arc<Notify>);

pub(super) fn at() -> ObjectRef {
    ObjectRef {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: "default".into(),
        name: "flowers".into(),
        uid: "w-1".into(),
    }
}

impl Cluster {
    pub(super) fn new(leaving: LeavingOrder, replicas: u32) -> Self {
        let workload = Workload {
            overdue: None,
            refused: None,
            at: at(),
            plural: "deployments".into(),
            resource_version: "1".into(),
            created: wall(),
            terminating: false,
            owner: None,
            labels: [].into(),
            annotations: [].into(),
            replicas,
            selector: Selector::default(),
            template: Template {
                labels: [].into(),
                containers: vec![Container::default()],
            },
            leaving,
            first_ordinal: 0,
            rolling: false,
        };
        let inside = Inside {
            workload: Some(workload),
            pods: Vec::new(),
            start: Start::default(),
            made: 0,
            version: 1,
            up: true,
            mute: false,
            slow: None,
            shut_port: None,
            up_since: Instant::now(),
            late: Vec::new(),
            answers: VecDeque::new(),
            calls: Vec::new(),
            marks: Vec::new(),
            lost_marks: 0,
            marking: 0,
            most_marking: 0,
            notices: Vec::new(),
            fullest: 0,
            lowered: None,
            wronged: Vec::new(),
            looks: 0,
            hurried: 0,
            paused: false,
            room: u32::MAX,
            refusal: nodes::unschedulable(),
            autoscaler: Autoscaler::Absent,
            nodes_at: Vec::new(),
            quota: u32::MAX,
            policy: None,
            making: nodes::Making::default(),
            surge: 0,
            rounding: Duration::ZERO,
            published: None,
            present: watch::Sender::new(Present::default()),
        };
        let cluster = Self(Arc::new(Mutex::new(inside)), Arc::default());
        let turning = cluster.clone();
        tokio::spawn(async move {
            loop {
                let nap = turning.0.lock().turn();
                tokio::select! {
                    () = sleep(nap) => {}
                    () = turning.1.notified() => sleep(TURN).await,
                }
            }
        });
        cluster
    }

    pub(super) fn present(&self) -> watch::Receiver<Present> {
        self.0.lock().present.subscribe()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Inside)) {
        let mut inside = self.0.lock();
        change(&mut inside);
        inside.version += 1;
        self.1.notify_one();
    }

    pub(super) fn pod(&self, name: &str, change: impl FnOnce(&mut Pod)) {
        self.change(|inside| {
            let pod = inside.pods.iter_mut().find(|pod| &*pod.view.name == name);
            change(pod.expect("the pod is there"));
        });
    }

    /// As `kubectl scale`.
    pub(super) fn set_replicas(&self, replicas: u32) {
        self.change(|inside| inside.workload.as_mut().unwrap().replicas = replicas);
    }

    pub(super) fn replicas(&self) -> u32 {
        self.0.lock().workload.as_ref().unwrap().replicas
    }

    /// Pods that are not being deleted.
    pub(super) fn alive(&self) -> Vec<Pod> {
        let inside = self.0.lock();
        let alive = inside.pods.iter().filter(|pod| !pod.view.terminating);
        alive.cloned().collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.alive()
            .iter()
            .map(|pod| pod.view.name.to_string())
            .collect()
    }

    /// What was asked for, in order.
    pub(super) fn asked(&self) -> Vec<u32> {
        self.0
            .lock()
            .calls
            .iter()
            .map(|(_, replicas)| *replicas)
            .collect()
    }

    pub(super) fn told(&self, reason: &str) -> Vec<String> {
        let inside = self.0.lock();
        let told = inside
            .notices
            .iter()
            .filter(|notice| notice.reason.as_str() == reason);
        told.map(|notice| notice.message.clone()).collect()
    }

    /// A request comes in, in this life of the model; `None`: nobody listens.
    pub(super) fn enter(&self, address: SocketAddr) -> Option<u32> {
        let mut inside = self.0.lock();
        let known = |since: Instant| Instant::now() >= since + KNOWN;
        let heard = inside.published.is_some_and(|(_, up)| up);
        let tells = inside.up && heard && known(inside.up_since);
        let pod = inside.listening(address.ip())?;
        let late = tells && pod.terminating_since.is_some_and(known);
        let late = late.then(|| pod.view.name.to_string());
        pod.inside += 1;
        let (now_inside, life) = (pod.inside, pod.view.restarts);
        inside.late.extend(late);
        inside.fullest = inside.fullest.max(now_inside);
        Some(life)
    }

    pub(super) fn leave(&self, address: SocketAddr, life: u32) {
        let mut inside = self.0.lock();
        let at = |pod: &&mut Pod| pod.view.ip == Some(address.ip()) && pod.view.restarts == life;
        if let Some(pod) = inside.pods.iter_mut().find(at) {
            pod.inside = pod.inside.saturating_sub(1);
            self.1.notify_one();
        }
    }

    /// The process in a pod is killed; kubelet starts it again after a second.
    pub(super) fn kill(&self, name: &str) {
        let now = Instant::now();
        self.pod(name, |pod| {
            pod.made = now;
            pod.killed = Some(now);
            pod.start.network = Duration::ZERO;
            pod.view.restarts += 1;
            pod.view.ready = false;
            pod.inside = 0;
        });
    }
}

pub(super) fn waiting(reason: &str, message: &str) -> Stage {
    Stage::Waiting(Some(Obstruction {
        reason: reason.into(),
        message: message.into(),
    }))
}
