//! The simulated cluster as others use it, who look after its pods with actors of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::cluster::{self, Cluster};
use crate::backend::kubernetes::objects::{LeavingOrder, ObjectRef, Present};
use crate::backend::kubernetes::seams::Tenure;
use crate::backend::kubernetes::{PodSettings, Pods};
use crate::ports::Occupancy;

/// A cluster with one Deployment in it. Clones are one.
#[derive(Clone)]
pub(crate) struct City(Cluster);

impl City {
    /// With so many replicas.
    pub(crate) fn new(replicas: u32) -> Self {
        Self(Cluster::new(LeavingOrder::DeletionCost, replicas))
    }

    /// A pod listens so long after it was made, and is ready then.
    pub(crate) fn starts_within(&self, start: Duration) {
        self.0.change(|inside| {
            inside.start.network = start / 4;
            inside.start.listens = start;
            inside.start.ready = start;
        });
    }

    /// The Deployment.
    pub(crate) fn deployment() -> ObjectRef {
        cluster::at()
    }

    pub(crate) fn present(&self) -> watch::Receiver<Present> {
        self.0.present()
    }

    /// One more that looks after the pods.
    pub(crate) fn pods<O: Occupancy>(
        &self,
        settings: PodSettings,
        tenure: watch::Receiver<Tenure>,
        occupancy: Arc<O>,
    ) -> Pods {
        let seams = (self.0.clone(), self.0.clone(), self.0.clone());
        Pods::start(
            settings,
            cluster::at(),
            self.present(),
            tenure,
            seams,
            occupancy,
        )
    }

    /// A request comes in; `None`: nobody listens.
    pub(crate) fn enter(&self, at: SocketAddr) -> Option<u32> {
        self.0.enter(at)
    }

    /// It has ended, in the life that it came in.
    pub(crate) fn leave(&self, at: SocketAddr, life: u32) {
        self.0.leave(at, life);
    }

    /// The most requests that ever were in one pod at once.
    pub(crate) fn fullest(&self) -> u32 {
        self.0.0.lock().fullest
    }

    /// Pods that got a request though everybody could know that they end, and busy ones that were
    /// taken while an idle one was there.
    pub(crate) fn wronged(&self) -> Vec<String> {
        let inside = self.0.0.lock();
        inside.late.iter().chain(&inside.wronged).cloned().collect()
    }

    /// How many replicas were asked for.
    pub(crate) fn replicas(&self) -> u32 {
        self.0.replicas()
    }

    /// The API server answers, or does not.
    pub(crate) fn answers(&self, up: bool) {
        self.0.change(|inside| inside.up = up);
    }
}
