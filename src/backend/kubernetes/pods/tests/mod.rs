//! What the actor of a revision's pods promises, in virtual time on a simulated cluster, through the
//! real throttler.

mod asking;
pub(crate) mod city;
mod cluster;
mod crashing;
mod exiting;
mod failing;
mod laws;
mod leaving;
mod others;
mod phases;
mod seeing;
mod starting;
mod staying;
mod unmade;
mod unschedulable;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use self::cluster::Cluster;
use super::{PodSettings, Pods};
use crate::admission::{Back, Terms};
use crate::autoscale::TypicalPhases;
use crate::backend::kubernetes::objects::LeavingOrder;
use crate::backend::kubernetes::seams::Tenure;
use crate::backend::spec::PodSpec;
use crate::ports::{Hindrance, Occupancy, OutageReason, ReplicaState, Scaler, World};
use crate::revision::{ContainerConcurrency, QueueLimits, RevisionId};
use crate::stats::Stats;
use crate::throttler::{Arrival, Denied, Throttler};
use crate::trace::Tape;

const SECOND: Duration = Duration::from_secs(1);
const SOLE: Tenure = Tenure {
    steers: true,
    heard: true,
};

/// One revision in a simulated cluster.
struct Scene {
    cluster: Cluster,
    throttler: Arc<Throttler<()>>,
    tenure: watch::Sender<Tenure>,
    stats: Arc<Stats>,
    pods: Pods,
    world: watch::Receiver<World>,
}

impl Scene {
    /// A Deployment with so many replicas.
    fn new(replicas: u32) -> Self {
        Self::of(LeavingOrder::DeletionCost, replicas, 1)
    }

    fn of(leaving: LeavingOrder, replicas: u32, limit: u32) -> Self {
        Self::on(Cluster::new(leaving, replicas), limit)
    }

    fn on(cluster: Cluster, limit: u32) -> Self {
        let bounds = QueueLimits {
            max_requests: 1000,
            max_bytes: 1000,
            timeout: 60 * SECOND,
            cold_timeout: 600 * SECOND,
            read_ahead: 1000,
            order: crate::revision::QueueOrder::Fifo,
        };
        let throttler = Throttler::new(ContainerConcurrency::new(limit), bounds);
        let tenure = watch::Sender::new(SOLE);
        let stats = Arc::new(Stats::new());
        let pods = Pods::start(
            settings(&stats),
            cluster::at(),
            cluster.present(),
            tenure.subscribe(),
            (cluster.clone(), cluster.clone(), cluster.clone()),
            Arc::clone(&throttler),
        );
        let (mut followed, followers) = (pods.world(), Arc::clone(&throttler));
        tokio::spawn(async move {
            loop {
                let world = followed.borrow_and_update().clone();
                followers.follow(&world);
                if followed.changed().await.is_err() {
                    return;
                }
            }
        });
        let world = pods.world();
        Self {
            cluster,
            throttler,
            tenure,
            stats,
            pods,
            world,
        }
    }

    async fn scale_to(&self, replicas: u32) {
        let why = format!("{replicas} are right");
        self.pods.scale_to(replicas, &why).await.unwrap();
    }

    /// Waits for what the world must come to.
    async fn sees(&mut self, what: impl FnMut(&World) -> bool) -> World {
        let seen = timeout(600 * SECOND, self.world.wait_for(what)).await;
        let world = seen.expect("the world comes to it").unwrap().clone();
        sleep(Duration::from_millis(60)).await;
        world
    }

    /// So many are ready, for kubelet too.
    async fn settled(&mut self, replicas: u32) -> World {
        self.scale_to(replicas).await;
        self.sees(|world| counts(world) == (0, replicas, 0)).await;
        sleep(15 * SECOND).await;
        self.world.borrow().clone()
    }

    async fn after(&self, duration: Duration) -> World {
        sleep(duration).await;
        self.world.borrow().clone()
    }

    /// A request that takes so long; ends with where it was answered, or why it was not.
    fn request(&self, takes: Duration) -> JoinHandle<Result<String, OutageReason>> {
        let (throttler, cluster) = (Arc::clone(&self.throttler), self.cluster.clone());
        tokio::spawn(async move {
            let mut arrival = throttler.arrive(0);
            loop {
                let mut permit = match arrival {
                    Arrival::Admitted(permit) => permit,
                    Arrival::Waiting(place) => match place.await {
                        Ok(permit) => permit,
                        Err(Denied::Outage(outage)) => return Err(outage.reason),
                        Err(Denied::GaveWay) => panic!("nobody gives way"),
                    },
                    Arrival::QueueFull(_) | Arrival::Late(_) => panic!("the queue is long enough"),
                    Arrival::Outage(outage) => return Err(outage.reason),
                };
                let address = permit.replica().endpoint.0;
                let Some(life) = cluster.enter(address) else {
                    let id = permit.replica().id;
                    let (bytes, terms, since) = (0, Terms::default(), permit.since());
                    arrival = permit.rebuffed(Back {
                        bytes,
                        terms,
                        since,
                    });
                    // As the data path does, which then tries again whether it is there.
                    let throttler = Arc::clone(&throttler);
                    tokio::spawn(async move {
                        sleep(Duration::from_millis(25)).await;
                        throttler.restore(id);
                    });
                    continue;
                };
                permit.used(Instant::now().into_std());
                sleep(takes).await;
                cluster.leave(address, life);
                return Ok(address.ip().to_string());
            }
        })
    }
}

fn settings(stats: &Arc<Stats>) -> PodSettings {
    PodSettings {
        revision: RevisionId::new("flowers.default"),
        spec: PodSpec::default(),
        stopped: false,
        failed_starts: 3,
        max_starting: None,
        pending_grace: Duration::from_secs(60),
        max_pending: 1,
        exit: None,
        typical_start: None,
        typical_phases: TypicalPhases::default(),
        stats: Arc::clone(stats),
        tape: Tape::default(),
    }
}

/// On their way, ready, draining.
fn counts(world: &World) -> (u32, u32, u32) {
    let count = |state| world.count(state);
    (
        world.on_their_way(),
        count(ReplicaState::Ready),
        count(ReplicaState::Draining),
    )
}

fn details(world: &World) -> Vec<String> {
    let details = world
        .replicas
        .iter()
        .filter_map(|replica| replica.detail.as_ref());
    details.map(ToString::to_string).collect()
}

/// Whether the throttler gives a replica requests is seen by what it calls idle.
fn idle(scene: &Scene) -> usize {
    scene.throttler.idle().len()
}
