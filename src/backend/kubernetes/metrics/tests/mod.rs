//! What is believed of the metrics API, in virtual time before a fake one.

mod figures;
mod missing;
mod pages;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::backend::kubernetes::call::timestamp;
use crate::backend::kubernetes::objects::{
    Container, LeavingOrder, PodView, Requirement, Selector, Stage, Template, Workload, samples,
};
use crate::backend::kubernetes::tests_server::Server;
use crate::ports::ReplicaView;

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/models/pods";

/// A revision of which some pods are ready, before a metrics API.
struct Scene {
    server: Server,
    present: watch::Sender<Present>,
    world: watch::Sender<World>,
    told: Arc<Mutex<Vec<Notice>>>,
    gauges: PodGauges<Heard>,
}

struct Heard(Arc<Mutex<Vec<Notice>>>);

impl Announcer for Heard {
    fn announce(&self, notice: Notice) {
        self.0.lock().push(notice);
    }
}

fn workload(containers: &[Option<f64>]) -> Workload {
    let container = |cpu: &Option<f64>| Container {
        cpu: *cpu,
        ..Container::default()
    };
    Workload {
        overdue: None,
        refused: None,
        at: owner(),
        plural: "deployments".into(),
        resource_version: "1".into(),
        created: SystemTime::UNIX_EPOCH,
        terminating: false,
        owner: None,
        labels: [].into(),
        annotations: [].into(),
        replicas: 1,
        selector: Selector(vec![
            Requirement::In("app".into(), vec!["llama".into(), "lama".into()]),
            Requirement::Absent("test".into()),
        ]),
        template: Template {
            labels: [].into(),
            containers: containers.iter().map(container).collect(),
        },
        leaving: LeavingOrder::DeletionCost,
        first_ordinal: 0,
        rolling: false,
    }
}

fn owner() -> ObjectRef {
    ObjectRef {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: "models".into(),
        name: "llama".into(),
        uid: "u".into(),
    }
}

impl Scene {
    /// Of containers that ask for so many cores.
    fn new(containers: &[Option<f64>]) -> Self {
        let (server, told) = (Server::default(), Arc::default());
        let present = watch::Sender::new(Present {
            workload: Some(Arc::new(workload(containers))),
            pods: Vec::new(),
            fresh: true,
        });
        let world = watch::Sender::new(World::default());
        let gauges = PodGauges::new(
            server.client(),
            owner(),
            present.subscribe(),
            world.subscribe(),
            watch::channel(None).1,
            Heard(Arc::clone(&told)),
        );
        Self {
            server,
            present,
            world,
            told,
            gauges,
        }
    }

    /// A pod that is made and ready now.
    fn ready(&self, id: u64, name: &str) {
        self.present.send_modify(|present| {
            present.pods.retain(|pod| &*pod.name != name);
            present.pods.push(Arc::new(PodView {
                stage: Stage::Running,
                ready: true,
                ..samples::pod(&format!("u{id}"), name, wall())
            }));
        });
        self.world.send_modify(|world| {
            world.replicas.push(ReplicaView {
                phase: None,
                kept_by: None,
                uid: None,
                id: ReplicaId(id),
                name: Some(name.into()),
                endpoint: Some(Endpoint(([127, 0, 0, 1], 1).into())),
                state: ReplicaState::Ready,
                since: now(),
                detail: None,
            });
        });
    }

    fn leave(&self, id: u64) {
        self.world.send_modify(|world| {
            for view in world.replicas.iter_mut().filter(|view| view.id.0 == id) {
                view.state = ReplicaState::Draining;
            }
        });
    }

    /// metrics-server has measured a pod until just now.
    fn measured(&self, name: &str, containers: &[(&str, &str)]) {
        let usage =
            |(cpu, memory): &(&str, &str)| json!({ "usage": { "cpu": cpu, "memory": memory } });
        let containers: Vec<Value> = containers.iter().map(usage).collect();
        let pod = json!({
            "metadata": { "name": name },
            "timestamp": timestamp(wall()).to_string(),
            "window": "14.991s",
            "containers": containers,
        });
        self.server.put(&format!("{METRICS}/{name}"), pod);
    }

    async fn cpu(&mut self) -> Result<f64, Missing> {
        self.gauges.read(&[ScaleMetric::Cpu]).await.remove(0)
    }

    async fn memory(&mut self) -> Result<f64, Missing> {
        self.gauges.read(&[ScaleMetric::Memory]).await.remove(0)
    }

    /// Reads once a second for so long, as the loop does; the last of it.
    async fn read_for(&mut self, seconds: u64) -> Result<f64, Missing> {
        for _ in 1..seconds {
            let _ = self.cpu().await;
            pass(1).await;
        }
        let read = self.cpu().await;
        pass(1).await;
        read
    }

    fn heard(&self) -> Vec<(&'static str, String)> {
        let told = std::mem::take(&mut *self.told.lock());
        told.into_iter()
            .map(|notice| (notice.reason.as_str(), notice.message))
            .collect()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
