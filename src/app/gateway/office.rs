//! What a gateway is in its cluster: what it sees and does there, what it may do, and what it keeps
//! for the one after it.

use std::sync::Arc;

use kube::Client;

use super::following::Sources;
use super::real::{self, Real};
use super::sharing::Sharing;
use crate::backend::kubernetes::{Catalog, Events, KubeApi, NetLook, PodIdentity, Reign};
use crate::config::GatewayConfig;
use crate::state::{Keeper, Notebook};

/// What a gateway is in its cluster.
pub(super) struct Office {
    pub(super) cluster: Arc<Real>,
    pub(super) sources: Sources,
    pub(super) sharing: Sharing,
    pub(super) seat: Seat,
}

/// What one gateway has and the next one gets.
pub(super) struct Seat {
    reign: Reign,
    /// `None` on somebody's own machine: what it learns there is not for the next gateway of an
    /// installation.
    keeper: Option<Keeper>,
}

impl Office {
    /// Watches the cluster and seeks to steer in it; `identity` is that of the pod it is in.
    pub(super) async fn open(
        client: Client,
        config: &GatewayConfig,
        identity: Option<PodIdentity>,
    ) -> Self {
        let cluster = Arc::new(Real {
            catalog: Catalog::start(client.clone(), real::scope(config, identity.as_ref())),
            api: KubeApi::new(client.clone()),
            events: Arc::new(Events::start(client.clone(), &instance(identity.as_ref()))),
            look: NetLook::new(),
            client: client.clone(),
        });
        let reign = Reign::start(&client, identity.clone());
        let (keeper, tenure) = match &identity {
            Some(pod) => {
                let kept = Keeper::in_cluster(client, &pod.namespace, reign.tenure()).await;
                (Some(kept.0), kept.1)
            }
            None => (None, reign.tenure()),
        };
        let sources = Sources {
            claims: cluster.catalog.claims(),
            entrances: cluster.catalog.entrances(),
            domain: cluster.catalog.domain(),
            tenure,
        };
        Self {
            cluster,
            sources,
            sharing: Sharing::never(),
            seat: Seat { reign, keeper },
        }
    }
}

impl Seat {
    /// Where what is remembered is noted; `None` where nothing is.
    pub(super) fn notebook(&self) -> Option<Notebook> {
        self.keeper.as_ref().map(|keeper| keeper.notebook().clone())
    }

    /// Lets the next gateway steer. What is remembered is there before it may look.
    pub(super) async fn resign(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.close().await;
        }
        self.reign.abdicate().await;
    }
}

/// In whose name Events are written.
fn instance(identity: Option<&PodIdentity>) -> String {
    identity.map_or_else(|| "holdgate".to_owned(), |identity| identity.name.clone())
}
