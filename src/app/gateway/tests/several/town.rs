//! The simulated cluster as one gateway meets it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::super::cluster::Nothing;
use crate::app::gateway::seams;
use crate::app::gateway::sharing::Commons;
use crate::backend::kubernetes::pods::tests::city::City;
use crate::backend::kubernetes::{
    Announcer, Exit, Notice, ObjectRef, Passages, PodSettings, Pods, Present, Tenure,
};
use crate::revision::RevisionId;
use crate::tls::ReplicaTls;

/// The simulated cluster.
pub(super) struct Town(pub(super) City);

impl Announcer for Town {
    fn announce(&self, _notice: Notice) {}
}

impl seams::Cluster for Town {
    type Pods = Pods;
    type Gauges = Nothing;

    fn present(&self, _id: &RevisionId) -> watch::Receiver<Present> {
        self.0.present()
    }

    fn pods(
        &self,
        settings: PodSettings,
        _owner: ObjectRef,
        tenure: watch::Receiver<Tenure>,
        occupancy: Arc<Commons>,
    ) -> Pods {
        self.0.pods(settings, tenure, occupancy)
    }

    fn exit(&self) -> Exit {
        Exit::new(Arc::default())
    }

    fn lead(&self, _passages: Passages) {}

    fn gauges(
        &self,
        _id: &RevisionId,
        _owner: &ObjectRef,
        _pods: (&Pods, watch::Receiver<Option<ReplicaTls>>),
    ) -> Nothing {
        Nothing
    }
}

/// A request in a pod, until it is dropped.
pub(super) struct Inside {
    city: City,
    at: SocketAddr,
    life: u32,
}

impl Inside {
    pub(super) fn enter(city: &City, at: SocketAddr) -> Self {
        let life = city.enter(at).expect("somebody listens there");
        let city = city.clone();
        Self { city, at, life }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.city.leave(self.at, self.life);
    }
}
