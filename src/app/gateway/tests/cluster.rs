//! The cluster of these tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::seams::{self, Replicas};
use super::super::sharing::Commons;
use crate::backend::kubernetes::objects::{LeavingOrder, Selector, Template};
use crate::backend::kubernetes::{
    Announcer, Claim, Exit, Notice, ObjectRef, Passages, PodSettings, Present, Settings, Tenure,
    Workload,
};
use crate::ports::{Gauges, Missing, ReplicaState, ReplicaView, ScaleError, Scaler, World};
use crate::revision::{Endpoint, ReplicaId, RevisionId, ScaleMetric};
use crate::sync::now;
use crate::tls::ReplicaTls;

/// What is there, and what was done.
#[derive(Default)]
pub(super) struct Cluster {
    present: Mutex<BTreeMap<RevisionId, watch::Sender<Present>>>,
    announced: Mutex<Vec<Notice>>,
    pods: Mutex<BTreeMap<RevisionId, Pods>>,
    /// What is led through the gate.
    pub(super) led: Mutex<Passages>,
}

/// Pods that come and go as they are asked to.
#[derive(Clone)]
pub(super) struct Pods {
    world: Arc<watch::Sender<World>>,
    pub(super) asked: Arc<Mutex<Vec<u32>>>,
    pub(super) settings: Arc<Mutex<PodSettings>>,
    pub(super) tenure: watch::Receiver<Tenure>,
}

impl Cluster {
    /// A workload with so many replicas, all of them ready.
    pub(super) fn deploy(&self, name: &str, replicas: u32) {
        let id = RevisionId::new(name);
        self.sender(&id).send_replace(Present {
            workload: Some(Arc::new(workload(name, replicas))),
            pods: Vec::new(),
            fresh: true,
        });
        if let Some(pods) = self.pods.lock().get(&id) {
            pods.world.send_replace(world(replicas));
        }
    }

    /// The pods of a revision, once somebody looks after them.
    pub(super) fn pods_of(&self, name: &str) -> Option<Pods> {
        self.pods.lock().get(&RevisionId::new(name)).cloned()
    }

    /// What was asked for, in order.
    pub(super) fn asked(&self, name: &str) -> Vec<u32> {
        let pods = self.pods_of(name);
        pods.map(|pods| pods.asked.lock().clone())
            .unwrap_or_default()
    }

    /// What was told since the last look: about whom, and the reason.
    pub(super) fn told(&self) -> Vec<String> {
        let told = std::mem::take(&mut *self.announced.lock());
        let line = |notice: &Notice| format!("{} {}", notice.about.name, notice.reason);
        told.iter().map(line).collect()
    }

    /// The same, with what was said.
    pub(super) fn said(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.announced.lock())
    }

    fn sender(&self, id: &RevisionId) -> watch::Sender<Present> {
        let mut all = self.present.lock();
        all.entry(id.clone()).or_default().clone()
    }
}

impl Announcer for Cluster {
    fn announce(&self, notice: Notice) {
        self.announced.lock().push(notice);
    }
}

impl seams::Cluster for Cluster {
    type Pods = Pods;
    type Gauges = Nothing;

    fn present(&self, id: &RevisionId) -> watch::Receiver<Present> {
        self.sender(id).subscribe()
    }

    fn pods(
        &self,
        settings: PodSettings,
        _owner: ObjectRef,
        tenure: watch::Receiver<Tenure>,
        _occupancy: Arc<Commons>,
    ) -> Pods {
        let id = settings.revision.clone();
        let workload = self.sender(&id).borrow().workload.clone();
        let there = workload.map_or(0, |workload| workload.replicas);
        let pods = Pods {
            world: Arc::new(watch::Sender::new(world(there))),
            asked: Arc::default(),
            settings: Arc::new(Mutex::new(settings)),
            tenure,
        };
        self.pods.lock().insert(id, pods.clone());
        pods
    }

    fn exit(&self) -> Exit {
        Exit::new(Arc::default())
    }

    fn lead(&self, passages: Passages) {
        *self.led.lock() = passages;
    }

    fn gauges(
        &self,
        _id: &RevisionId,
        _owner: &ObjectRef,
        _pods: (&Pods, watch::Receiver<Option<ReplicaTls>>),
    ) -> Nothing {
        Nothing
    }
}

impl Replicas for Pods {
    fn world(&self) -> watch::Receiver<World> {
        self.world.subscribe()
    }

    fn set(&self, settings: PodSettings) {
        *self.settings.lock() = settings;
    }
}

impl Scaler for Pods {
    async fn scale_to(&self, replicas: u32, _why: &str) -> Result<(), ScaleError> {
        self.asked.lock().push(replicas);
        self.world.send_replace(world(replicas));
        Ok(())
    }
}

/// Measures nothing.
pub(super) struct Nothing;

impl Gauges for Nothing {
    async fn read(&mut self, metrics: &[ScaleMetric]) -> Vec<Result<f64, Missing>> {
        metrics.iter().map(|_| Err(Missing::NotYet)).collect()
    }
}

/// So many pods that are ready.
fn world(replicas: u32) -> World {
    let replica = |n: u32| ReplicaView {
        phase: None,
        kept_by: None,
        uid: Some(format!("pod-{n}").into()),
        id: ReplicaId(u64::from(n)),
        name: None,
        endpoint: Some(Endpoint(([127, 0, 0, 1], 8080).into())),
        state: ReplicaState::Ready,
        since: now(),
        detail: None,
    };
    World {
        replicas: (0..replicas).map(replica).collect(),
        ..World::default()
    }
}

pub(super) fn object(kind: &str, name: &str) -> ObjectRef {
    let (name, namespace) = name.split_once('.').unwrap_or((name, "ns"));
    ObjectRef {
        api_version: "apps/v1".into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("{kind}-{name}").into(),
    }
}

fn workload(name: &str, replicas: u32) -> Workload {
    Workload {
        overdue: None,
        refused: None,
        at: object("Deployment", name),
        plural: "deployments".into(),
        resource_version: "1".into(),
        created: UNIX_EPOCH,
        terminating: false,
        owner: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        replicas,
        selector: Selector::default(),
        template: Template::default(),
        leaving: LeavingOrder::DeletionCost,
        first_ordinal: 0,
        rolling: false,
    }
}

/// An annotated Deployment: its host is its name, and it is so many seconds old at the beginning.
pub(super) fn claim(name: &str, age: u64, settings: Value) -> Claim {
    let mut all = json!({ "hosts": name });
    if let (Value::Object(all), Value::Object(settings)) = (&mut all, settings) {
        all.extend(settings);
    }
    Claim {
        revision: RevisionId::new(name),
        owner: object("Deployment", name),
        created: UNIX_EPOCH + Duration::from_secs(1_000_000 - age),
        settings: Settings::Workload(Arc::new(all)),
        template: None,
        services: BTreeMap::new(),
        shared: std::collections::BTreeSet::new(),
        doors: Vec::new(),
        spoken: Vec::new(),
        obstacle: None,
        remarks: Vec::new(),
    }
}
