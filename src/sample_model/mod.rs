//! A stand-in model server for trying things out: V1, V2 and OpenAI-style paths over HTTP/1.1,
//! with a load time, service times, crashes and bad manners to order. It counts what it sees, so
//! that a gate's promises can be checked where they matter: at the replica.

mod answer;
mod appetite;
mod args;
mod completion;
mod handle;
mod predictor;
mod route;
mod service_time;
mod stats;
#[cfg(test)]
mod tests;

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

pub use args::Args;
pub use stats::Seen;

use answer::Bodies;
use appetite::Appetite;
use predictor::Predictor;
use service_time::ServiceTime;
use stats::Stats;

use crate::server;

/// Loads, listens and answers until SIGTERM or SIGINT, then finishes what it has begun. A crash
/// that was ordered ends it with an error.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let model = SampleModel::new(&args)?;
    let stopped = stop_signal(args.ignore_term)?;
    tokio::select! {
        () = after(args.crash_after) => bail!("crashed, as --crash-after asks"),
        ended = load_and_serve(&model, &args, stopped) => ended,
    }
}

async fn load_and_serve(
    model: &SampleModel,
    args: &Args,
    stopped: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    tokio::pin!(stopped);
    info!(model = args.model, load_time = ?args.load_time, "loading");
    tokio::select! {
        () = sleep(args.load_time) => {}
        () = &mut stopped => return Ok(()),
    }
    let address = SocketAddr::new(args.host, args.wanted_port());
    let listener =
        server::listen(address).with_context(|| format!("could not listen on {address}"))?;
    info!(model = args.model, address = %listener.local_addr()?, "loaded, listening");
    model.serve(listener, stopped).await
}

/// A loaded model server, with or without a socket. Clones are the same server.
#[derive(Clone, Debug)]
pub struct SampleModel(Arc<Server>);

/// What all connections share.
#[derive(Debug)]
struct Server {
    model: String,
    ready: bool,
    can_cancel: bool,
    tokens: u32,
    token_time: Duration,
    crash_after_requests: Option<u64>,
    service_time: ServiceTime,
    bodies: Bodies,
    appetite: Appetite,
    /// Whom it asks before it answers: it is a transformer.
    predictor: Option<Predictor>,
    stats: Arc<Stats>,
    tasks: TaskTracker,
    draining: CancellationToken,
    crashed: CancellationToken,
}

impl SampleModel {
    /// A server that answers as these flags say. Load time, addresses, signals and
    /// `--crash-after` are `run`'s. Flags that contradict each other are a `clap::Error`.
    pub fn new(args: &Args) -> anyhow::Result<Self> {
        args.check()?;
        let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()));
        Ok(Self(Arc::new(Server {
            model: args.model.clone(),
            ready: !args.fail_ready,
            can_cancel: args.cancel_on_disconnect,
            tokens: args.tokens,
            token_time: args.token_time,
            crash_after_requests: args.crash_after_requests,
            service_time: ServiceTime::new(args.service_time, args.service_time_p99, seed),
            bodies: Bodies::new(&args.model, args.response_bytes),
            appetite: Appetite::default(),
            predictor: args.predictor_host.as_deref().map(Predictor::at),
            stats: Arc::new(Stats::new()),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            crashed: CancellationToken::new(),
        })))
    }

    /// What it has seen so far, order of arrival included.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.0.stats.read(true)
    }

    /// Serves a listener until `stopped`, then finishes the requests it has begun, those whose
    /// clients have gone included. Ends with an error only where a crash was ordered.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stopped: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        self.0.stats.opened(listener.local_addr()?.port());
        tokio::select! {
            () = stopped => {}
            () = self.0.crashed.cancelled() => bail!("crashed, as --crash-after-requests asks"),
            () = self.accept_all(&listener) => {}
        }
        drop(listener);
        self.0.draining.cancel();
        self.0.tasks.close();
        tokio::select! {
            () = self.0.tasks.wait() => Ok(()),
            () = self.0.crashed.cancelled() => bail!("crashed, as --crash-after-requests asks"),
        }
    }

    async fn accept_all(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => self.accept(client),
                // Out of file descriptors, most likely: some will be back soon.
                Err(error) => {
                    debug!(%error, "could not accept");
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    fn accept(&self, client: TcpStream) {
        // Fails only on a socket that is gone, which the first read will tell.
        let _ = client.set_nodelay(true);
        let model = self.clone();
        self.0
            .tasks
            .spawn(async move { model.serve_connection(client).await });
    }

    /// Serves one connection, a socket or a pipe in memory, until it ends, the server has
    /// drained or an ordered crash cuts it.
    pub async fn serve_connection(&self, client: impl AsyncRead + AsyncWrite + Unpin) {
        let server = &self.0;
        let service = service_fn(|request| handle::answer(Arc::clone(server), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = server.crashed.cancelled() => return,
            () = server.draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "connection broke off");
        }
    }
}

/// SIGINT, or SIGTERM unless it is to be ignored. Handlers are in place when this returns.
fn stop_signal(ignore_term: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv(), if !ignore_term => {}
        }
        info!("stopping");
    })
}

async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => pending().await,
    }
}
