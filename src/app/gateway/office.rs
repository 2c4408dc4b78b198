//! What a gateway is in its cluster: what it sees and does there, what it may do, and what it keeps
//! for the one after it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use kube::Client;
use tokio::sync::watch;

use super::following::Sources;
use super::leaving::left;
use super::listening;
use super::real::{self, Herald, Real};
use super::sharing::{Lease, Sharing};
use crate::backend::kubernetes::doors::Inputs;
use crate::backend::kubernetes::doors::facts::DoorSight;
use crate::backend::kubernetes::{
    Catalog, Doorkeeper, Events, KubeApi, NetLook, PodIdentity, Reign,
};
use crate::config::GatewayConfig;
use crate::peers::{Peers, TcpNet};
use crate::server;
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
    /// Where others reach this gateway.
    ip: Option<IpAddr>,
    sight: watch::Receiver<Arc<DoorSight>>,
    /// `None` on somebody's own machine: what it learns there is not for the next gateway of an
    /// installation.
    keeper: Option<Keeper>,
}

impl Office {
    /// Watches the cluster and seeks to steer in it; `identity` is that of the pod it is in, `open` are the
    /// doors at which it listens.
    ///
    /// # Errors
    /// When its peers' address cannot be listened on.
    pub(super) async fn open(
        client: Client,
        config: &GatewayConfig,
        identity: Option<PodIdentity>,
        open: watch::Receiver<BTreeSet<u16>>,
    ) -> anyhow::Result<Self> {
        let ip = listening::own_ip();
        let reign = Reign::start(&client, identity.clone());
        let learned = watch::Sender::new(false);
        let around = (open.clone(), learned.subscribe());
        let sharing = share(&reign, config, identity.as_ref(), around)?;
        let allowed = sharing.tenure().unwrap_or_else(|| reign.tenure());
        let catalog = Catalog::start(client.clone(), real::scope(config, identity.as_ref()));
        let events = Arc::new(Events::start(client.clone(), &instance(identity.as_ref())));
        let inputs = Inputs {
            sight: catalog.doors(),
            gateways: listening::gateways(ip, open, reign.roll(), sharing.listening()),
            tenure: allowed.clone(),
        };
        let numbers = config.takeover_ports.clone();
        let herald = Herald {
            to: Arc::clone(&events),
            tenure: reign.tenure(),
        };
        let cluster = Arc::new(Real {
            doors: Doorkeeper::start(client.clone(), Arc::clone(&events), inputs, numbers),
            catalog,
            api: KubeApi::new(client.clone()),
            events,
            herald,
            look: NetLook::new(),
            client: client.clone(),
        });
        let (keeper, tenure) = match &identity {
            Some(pod) => {
                let kept = Keeper::in_cluster(client, &pod.namespace, allowed, learned).await;
                (Some(kept.0), kept.1)
            }
            None => (None, allowed),
        };
        let sources = Sources {
            claims: cluster.catalog.claims(),
            entrances: cluster.catalog.entrances(),
            domain: cluster.catalog.domain(),
            tenure,
        };
        let seat = Seat {
            reign,
            ip,
            sight: cluster.catalog.doors(),
            keeper,
        };
        Ok(Self {
            cluster,
            sources,
            sharing,
            seat,
        })
    }
}

impl Seat {
    /// Where what is remembered is noted; `None` where nothing is.
    pub(super) fn notebook(&self) -> Option<Notebook> {
        self.keeper.as_ref().map(|keeper| keeper.notebook().clone())
    }

    /// Lets the next gateway steer, and waits until it leads callers of Services to itself. What is
    /// remembered is there before it may look.
    pub(super) async fn resign(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.close().await;
        }
        self.reign.abdicate().await;
        left(self.ip, self.sight.clone(), self.reign.roll()).await;
    }
}

/// Begins to speak with the other gateways. Outside a pod there are none.
fn share(
    reign: &Reign,
    config: &GatewayConfig,
    identity: Option<&PodIdentity>,
    (open, learned): (watch::Receiver<BTreeSet<u16>>, watch::Receiver<bool>),
) -> anyhow::Result<Sharing> {
    let (Some(credential), Some(identity)) = (reign.credential(), identity) else {
        return Ok(Sharing::never());
    };
    let Some(at) = config.peers else {
        tracing::warn!("hears no other gateway (--peers off): run no second one");
        return Ok(Sharing::never());
    };
    let listener = server::listen(at).with_context(|| format!("could not listen on {at}"))?;
    let net = TcpNet::new(listener)?;
    let peers = Peers::start(
        identity.uid.as_str().into(),
        net,
        reign.roll(),
        credential,
        open,
    );
    let lease = Lease {
        tenure: reign.tenure(),
        number: reign.number(),
        inherits: reign.inherits(),
        learned,
        outdone: reign.outdone(),
    };
    Ok(Sharing::start(peers, reign.roll(), lease))
}

/// In whose name Events are written.
fn instance(identity: Option<&PodIdentity>) -> String {
    identity.map_or_else(|| "holdgate".to_owned(), |identity| identity.name.clone())
}
