//! The cluster behind the API server.

use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;

use super::seams::{Cluster, Replicas};
use super::sharing::Commons;
use crate::backend::kubernetes::own::GATEWAY;
use crate::backend::kubernetes::{
    Announcer, Catalog, Doorkeeper, Events, Exit, Kind, KubeApi, NetLook, Notice, ObjectRef,
    Passages, PodGauges, PodIdentity, PodSettings, Pods, Present, Scope, Tenure,
};
use crate::config::GatewayConfig;
use crate::ports::World;
use crate::revision::RevisionId;
use crate::tls::ReplicaTls;

/// The cluster behind the API server.
pub(super) struct Real {
    pub(super) client: Client,
    pub(super) catalog: Catalog,
    pub(super) api: KubeApi,
    pub(super) events: Arc<Events>,
    pub(super) herald: Herald<Arc<Events>>,
    pub(super) look: NetLook,
    pub(super) doors: Doorkeeper,
}

/// Tells what every gateway sees, where this one steers: each thing is told once.
#[derive(Clone, Debug)]
pub(super) struct Herald<N> {
    pub(super) to: N,
    pub(super) tenure: watch::Receiver<Tenure>,
}

impl<N: Announcer> Announcer for Herald<N> {
    fn announce(&self, notice: Notice) {
        if self.tenure.borrow().steers {
            self.to.announce(notice);
        }
    }
}

/// How much of a cluster a gateway looks at.
pub(super) fn scope(config: &GatewayConfig, identity: Option<&PodIdentity>) -> Scope {
    let kinds = config.workloads.iter().map(|workload| Kind {
        kind: workload.kind.clone(),
        version: workload.version.clone(),
        group: workload.group.clone(),
    });
    Scope {
        namespaces: config.namespaces.clone(),
        kinds: kinds.collect(),
        own: identity.map(|identity| (identity.namespace.clone(), GATEWAY.to_owned())),
    }
}

impl Announcer for Real {
    fn announce(&self, notice: Notice) {
        self.events.announce(notice);
    }
}

impl Cluster for Real {
    type Pods = Pods;
    type Gauges = PodGauges<Herald<Arc<Events>>>;

    fn present(&self, id: &RevisionId) -> watch::Receiver<Present> {
        self.catalog.present(id)
    }

    fn pods(
        &self,
        settings: PodSettings,
        owner: ObjectRef,
        tenure: watch::Receiver<Tenure>,
        occupancy: Arc<Commons>,
    ) -> Pods {
        let present = self.catalog.present(&settings.revision);
        let seams = (self.api.clone(), self.herald.clone(), self.look.clone());
        Pods::start(settings, owner, present, tenure, seams, occupancy)
    }

    fn exit(&self) -> Exit {
        self.doors.exit()
    }

    fn lead(&self, passages: Passages) {
        self.doors.lead(passages);
    }

    fn gauges(
        &self,
        id: &RevisionId,
        owner: &ObjectRef,
        (pods, tls): (&Pods, watch::Receiver<Option<ReplicaTls>>),
    ) -> Self::Gauges {
        PodGauges::new(
            self.client.clone(),
            owner.clone(),
            self.catalog.present(id),
            pods.world(),
            tls,
            self.herald.clone(),
        )
    }
}

impl Replicas for Pods {
    fn world(&self) -> watch::Receiver<World> {
        Self::world(self)
    }

    fn set(&self, settings: PodSettings) {
        Self::set(self, settings);
    }
}
