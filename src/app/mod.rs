//! The whole gate put together: who is started with what, in which order it ends, and what a
//! change of the configuration touches. The only module that knows everybody.

mod circle;
mod devices;
mod drain;
mod gate;
#[cfg(feature = "kubernetes")]
mod gateway;
mod reload;
mod running;
mod sidecar;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod welcome;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Audience, Board};
use crate::config::{Config, Overrides, Program};
use crate::proxy::{Proxy, Registry, TcpDial};
use crate::server::{self, Server};
use crate::state::Keeper;
use crate::trace::{Recorder, Recording};
use devices::Devices;
use drain::Signals;
use gate::Gate;
#[cfg(feature = "kubernetes")]
pub use gateway::gateway;
pub use sidecar::sidecar;
use tls::Tls;

/// What a gate is started with, or with other settings a gateway.
#[derive(Debug)]
pub struct Start<C = Config> {
    /// The settings as they are now.
    pub config: C,
    /// What does not change while it runs.
    pub program: Program,
    /// Where the settings came from, to be read again.
    pub files: Vec<PathBuf>,
    /// What flags and environment said on top of them.
    pub overrides: Overrides,
}

/// Runs a gate until it is told to end.
///
/// # Errors
/// [`Complaints`](crate::config::Complaints) when revisions want devices that are not there; else
/// when an address cannot be listened on, or requests had to be cut at the end.
pub async fn run(start: Start) -> anyhow::Result<()> {
    let Start {
        config,
        program,
        files,
        overrides,
    } = start;
    let mut signals = Signals::listen().context("could not listen for signals")?;
    let devices = Devices::find(&config).await?;
    let listener = listen(config.listen, &program, "")?;
    let registry = Arc::new(Registry::default());
    let board = Arc::new(Board::new(Arc::clone(&registry)));
    let secured = Tls::open(config.tls.as_ref(), program.watch_config, &board)?;
    let (tls, secured) = secured.unzip();
    let admin_ends = CancellationToken::new();
    let token = config.admin_token_file.as_deref();
    let audience = Audience::Everybody.or_token(token);
    let admin_port = serve_admin((config.admin, &program), &board, audience, &admin_ends)?;
    let exe = std::env::current_exe().context("could not find our own binary")?;
    let keeper = Keeper::open(&config.state, config.listen);
    let notebook = keeper.as_ref().map(|keeper| keeper.notebook().clone());
    reload::tell_warnings(&config.warnings);
    let (recorder, recording) = record(config.record.as_deref(), config.record_size)?;
    let mut gate = Gate::new(
        Arc::clone(&registry),
        Arc::clone(&board),
        exe,
        devices,
        &config,
        recorder,
        notebook,
    );
    gate.apply(&config);
    let proxy = Arc::new(Proxy::new(registry, TcpDial).scanning(config.model_scan));
    let server = Server::new(proxy, config.max_connections)
        .with_streams(config.max_streams)
        .within(config.bounds);
    welcome::greet(&config, listener.local_addr()?, admin_port);
    let accepting = tokio::spawn({
        let server = server.clone();
        async move { server.accept(listener).await }
    });
    if let Some((tls, listener)) = tls.as_ref().zip(secured) {
        tls.serve(listener, &server);
    }
    board.set_ready(true);
    let written = reload::Written {
        files: &files,
        overrides: &overrides,
        tls: tls.as_ref(),
    };
    reload::until_ended(&mut gate, &mut signals, &written, &program).await;
    board.set_ready(false);
    let drained = drain::drain(gate, &server, &mut signals, program.drain_timeout).await;
    if let Some(keeper) = keeper {
        keeper.close().await;
    }
    if let Some(recording) = recording {
        recording.finish().await;
    }
    admin_ends.cancel();
    accepting.abort();
    drained
}

/// Listens, beside another process if that is wanted.
fn listen(address: SocketAddr, program: &Program, what: &str) -> anyhow::Result<TcpListener> {
    let listener = if program.reuse_port {
        server::listen_beside_others(address)
    } else {
        server::listen(address)
    };
    listener.with_context(|| format!("could not listen on {address}{what}"))
}

/// The secret that a file holds, which is called `what`.
fn secret(file: &Path, what: &str) -> anyhow::Result<String> {
    let read = std::fs::read_to_string(file).with_context(|| format!("could not read {what}"))?;
    anyhow::ensure!(!read.trim().is_empty(), "{what} is empty");
    Ok(read.trim().to_owned())
}

/// Answers at the admin port, where there is one; says where.
fn serve_admin(
    (address, program): (Option<SocketAddr>, &Program),
    board: &Arc<Board>,
    audience: Audience,
    until: &CancellationToken,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = address else {
        return Ok(None);
    };
    if let Audience::LoopbackOrToken(file) = &audience {
        // Read again whenever somebody shows one: here only to say at once that it cannot be.
        secret(file, &format!("the admin token in {}", file.display()))?;
    }
    let listener = listen(address, program, " (admin)")?;
    let port = listener.local_addr().ok();
    let served = admin::serve(Arc::clone(board), listener, audience, until.clone());
    tokio::spawn(served);
    Ok(port)
}

/// Begins the record that was asked for.
fn record(path: Option<&Path>, size: u64) -> anyhow::Result<(Recorder, Option<Recording>)> {
    let Some(path) = path else {
        return Ok((Recorder::default(), None));
    };
    let (recorder, recording) = Recorder::begin(path, size).context("could not begin a record")?;
    tracing::info!("recording to {}", path.display());
    Ok((recorder, Some(recording)))
}
