//! The gateway: what a gate is in a cluster, where its revisions are claimed by objects and their
//! replicas are pods. Puts the real parts together; what becomes of claims is in `claims`, how it ends
//! in `ending`.

mod claimed;
mod claims;
mod ending;
mod following;
mod hosts;
mod real;
mod seams;
mod steering;
mod telling;
#[cfg(test)]
mod tests;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::drain::Signals;
use super::gate::retire_connections;
use super::{record, serve_admin};
use crate::admin::{Audience, Board};
use crate::backend::kubernetes::{Catalog, Events, KubeApi, NetLook, PodIdentity, Reign, client};
use crate::config::{GatewayConfig, Overrides, Program};
use crate::proxy::{Proxy, Registry, TcpDial};
use crate::server::{self, Server};
use crate::state::Keeper;
use claims::Gateway;
use ending::{Budgets, end};
use following::{Sources, Written, until_ended};
use real::Real;

/// How long a gateway in a pod serves on after it was asked to end, where nobody says: by then whoever
/// sends requests has heard that it is not ready any more.
const SPREAD: Duration = Duration::from_secs(5);

/// How long the last Events may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a gateway is started with.
#[derive(Debug)]
pub struct GatewayStart {
    /// The settings as they are now.
    pub config: GatewayConfig,
    /// What does not change while it runs.
    pub program: Program,
    /// Where the settings came from, to be read again.
    pub files: Vec<PathBuf>,
    /// What flags and environment said on top of them.
    pub overrides: Overrides,
}

/// Runs a gateway until it is told to end.
///
/// # Errors
/// When it does not know where the API server is, an address cannot be listened on, or requests had to
/// be cut at the end.
pub async fn gateway(start: GatewayStart) -> anyhow::Result<()> {
    let GatewayStart {
        config,
        program,
        files,
        overrides,
    } = start;
    let mut signals = Signals::listen().context("could not listen for signals")?;
    let listener = server::listen(config.listen)
        .with_context(|| format!("could not listen on {}", config.listen))?;
    // Its own sentence has the causes in it.
    let client = client::connect()
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let registry = Arc::new(Registry::exact());
    let board = Arc::new(Board::new(Arc::clone(&registry)));
    let admin_ends = CancellationToken::new();
    let admin_port = serve_admin(config.admin, &board, Audience::Loopback, &admin_ends)?;
    let (recorder, recording) = record(config.record.as_deref(), config.record_size)?;
    let identity = PodIdentity::from_environment();
    let budgets = budgets(&program, identity.is_some());
    let here = Here::at(&listener, admin_port)?;
    let server = Server::new(
        Arc::new(Proxy::new(Arc::clone(&registry), TcpDial)),
        config.max_connections,
    );
    let events = Arc::new(Events::start(client.clone(), &instance(identity.as_ref())));
    let cluster = Arc::new(Real {
        catalog: Catalog::start(client.clone(), real::scope(&config, identity.as_ref())),
        api: KubeApi::new(client.clone()),
        events: Arc::clone(&events),
        look: NetLook::new(),
        client: client.clone(),
    });
    let reign = Reign::start(&client, identity.clone());
    let keeper = match &identity {
        Some(identity) => {
            Some(Keeper::in_cluster(client, &identity.namespace, reign.tenure()).await)
        }
        // On somebody's own machine: what it learns is not for the next gateway of an installation.
        None => None,
    };
    let notebook = keeper.as_ref().map(|keeper| keeper.notebook().clone());
    let mut sources = Sources {
        claims: cluster.catalog.claims(),
        entrances: cluster.catalog.entrances(),
        domain: cluster.catalog.domain(),
        tenure: reign.tenure(),
    };
    let known = (Arc::clone(&registry), Arc::clone(&board));
    let mut gateway = Gateway::new(cluster, known, recorder, notebook);
    let mut written = Written::new(config, files, overrides, program.watch_config);
    let janitor = AbortOnDropHandle::new(tokio::spawn(retire_connections(registry)));
    let opens = |claims| {
        here.greet(claims);
        let server = server.clone();
        tokio::spawn(async move { server.accept(listener).await });
        board.set_ready(true);
    };
    until_ended(
        &mut gateway,
        &mut sources,
        &mut written,
        &mut signals,
        opens,
    )
    .await;
    board.set_ready(false);
    let last = async {
        // What is remembered is there before the next gateway may look.
        if let Some(keeper) = keeper {
            keeper.close().await;
        }
        reign.abdicate().await;
    };
    let ended = end(gateway, &server, &mut signals, budgets, last).await;
    drop(janitor);
    events.finish(LAST_WORDS).await;
    if let Some(recording) = recording {
        recording.finish().await;
    }
    admin_ends.cancel();
    ended
}

/// Where a gateway listens.
struct Here {
    listen: SocketAddr,
    admin: Option<SocketAddr>,
}

impl Here {
    fn at(listener: &TcpListener, admin: Option<SocketAddr>) -> anyhow::Result<Self> {
        let listen = listener.local_addr()?;
        Ok(Self { listen, admin })
    }

    /// Says that the gateway is open.
    fn greet(&self, claims: usize) {
        let listen = self.listen;
        let admin = self.admin.map_or("no admin port".to_owned(), |admin| {
            format!("admin on http://{admin}")
        });
        tracing::info!(claims, "listening on http://{listen}, {admin}");
    }
}

fn budgets(program: &Program, in_a_pod: bool) -> Budgets {
    let usual = if in_a_pod { SPREAD } else { Duration::ZERO };
    Budgets {
        spread: program.shutdown_delay.unwrap_or(usual),
        drain: program.drain_timeout,
    }
}

/// In whose name Events are written.
fn instance(identity: Option<&PodIdentity>) -> String {
    identity.map_or_else(|| "holdgate".to_owned(), |identity| identity.name.clone())
}
