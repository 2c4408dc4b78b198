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

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::drain::Signals;
use super::gate::retire_connections;
use super::{record, serve_admin};
use crate::admin::Board;
use crate::backend::kubernetes::{Catalog, PodIdentity, Reign, client};
use crate::config::{GatewayConfig, Overrides, Program};
use crate::proxy::{Proxy, Registry, TcpDial};
use crate::server::{self, Server};
use claims::Gateway;
use ending::{Budgets, end};
use following::{Sources, Written, until_ended};
use real::Real;

/// How long a gateway in a pod serves on after it was asked to end, where nobody says: by then whoever
/// sends requests has heard that it is not ready any more.
const SPREAD: Duration = Duration::from_secs(5);

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
    let registry = Arc::new(Registry::exact());
    let board = Arc::new(Board::new(Arc::clone(&registry)));
    let admin_ends = CancellationToken::new();
    let admin_port = serve_admin(config.admin, &board, &admin_ends)?;
    let (recorder, recording) = record(config.record.as_deref(), config.record_size)?;
    let client = client::connect()
        .await
        .context("could not find the API server")?;
    let identity = PodIdentity::from_environment();
    let spread = program.shutdown_delay;
    let spread = spread.unwrap_or(if identity.is_some() { SPREAD } else { Duration::ZERO });
    let (address, connections) = (listener.local_addr()?, config.max_connections);
    let catalog = Catalog::start(client.clone(), real::scope(&config, identity.as_ref()));
    let mut sources = Sources {
        claims: catalog.claims(),
        domain: catalog.domain(),
        tenure: Reign::start(&client, identity.clone()).tenure(),
    };
    todo!()
}
