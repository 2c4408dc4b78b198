//! Pods that come further only as they are told to.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::super::cluster::waiting;
use super::super::*;
use crate::autoscale::StartPhase;

const LONG: Duration = Duration::from_secs(10_000);

impl Scene {
    /// A Deployment at zero whose pods come further only as they are told to.
    pub(super) fn step_by_step() -> Self {
        let scene = Self::new(0);
        scene.cluster.change(|inside| {
            inside.start.network = LONG;
            inside.start.listens = LONG;
        });
        scene
    }

    /// Another pod is made.
    pub(super) async fn made(&mut self, number: u32) -> String {
        self.scale_to(number).await;
        let all = number as usize;
        self.sees(|world| world.replicas.len() == all).await;
        format!("flowers-{number}x")
    }

    /// It has a node and waits for its images.
    pub(super) fn pulls(&self, pod: &str) {
        self.cluster.pod(pod, |pod| {
            pod.start.network = Duration::ZERO;
            pod.stuck = Some(waiting("ContainerCreating", ""));
            pod.view.initializing = false;
        });
    }

    /// A container that goes first runs.
    pub(super) fn fetches(&self, pod: &str) {
        self.cluster.pod(pod, |pod| {
            pod.stuck = Some(waiting("PodInitializing", "init container fetch runs"));
            pod.view.initializing = true;
        });
    }

    /// Its containers run.
    pub(super) fn loads(&self, pod: &str) {
        self.cluster.pod(pod, |pod| {
            pod.stuck = None;
            pod.view.initializing = false;
        });
    }

    /// Its model listens.
    pub(super) fn listens(&self, pod: &str) {
        self.cluster
            .pod(pod, |pod| pod.start.listens = Duration::ZERO);
    }

    /// From its creation to its first request, in so many seconds each.
    pub(super) async fn starts(
        &mut self,
        number: u32,
        [schedule, pull, init, again, load]: [u64; 5],
    ) {
        let pod = self.made(number).await;
        sleep(Duration::from_secs(schedule)).await;
        self.pulls(&pod);
        sleep(Duration::from_secs(pull)).await;
        if init > 0 {
            self.fetches(&pod);
            sleep(Duration::from_secs(init)).await;
            self.pulls(&pod);
            sleep(Duration::from_secs(again)).await;
        }
        self.loads(&pod);
        sleep(Duration::from_secs(load)).await;
        self.listens(&pod);
        self.sees(|world| world.count(ReplicaState::Ready) == number)
            .await;
    }

    /// How often a phase was observed, and how long it took together.
    pub(super) fn observed(&self, phase: StartPhase) -> (u32, f64) {
        let mut registry = Registry::default();
        let histogram = self.stats.start_phases[phase as usize].clone();
        registry.register("phase", "of a start", histogram);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let count = value("phase_count").parse().unwrap();
        (count, value("phase_sum").parse().unwrap())
    }

    /// Seconds until the next is expected.
    pub(super) fn expected(&self) -> Option<f64> {
        let at = self.world.borrow().expected?;
        let left = at.saturating_duration_since(Instant::now().into_std());
        Some(left.as_secs_f64())
    }

    /// The same as who waits is told.
    pub(super) fn estimate(&self) -> Option<f64> {
        let estimate = self.throttler.outlook().estimate;
        estimate.map(|left| left.as_secs_f64())
    }

    pub(super) fn phase(&self, at: usize) -> Option<StartPhase> {
        self.world.borrow().replicas[at].phase
    }
}
