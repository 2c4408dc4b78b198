//! The sidecar: what a gate is beside one model server that somebody else starts and stops. It guards
//! its door with the same data path, looks whether it is ready, and tells a gateway how busy it is.

mod door;
mod ending;
mod hook;
mod line;
mod report;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::circle::Circle;
use super::drain::Signals;
use super::gate::retire_connections;
use super::tls::Tls;
use super::{Start, listen};
use crate::admin::{self, Audience, Board};
use crate::autoscaler::Beat;
use crate::backend::beside::{Beside, NetLooker, Questions};
use crate::config::{Program, SidecarConfig};
use crate::proxy::beside::Porter;
use crate::proxy::{Proxy, Registry, TcpDial};
use crate::revision::Endpoint;
use crate::schedule::Schedule;
use crate::server::Server;
use crate::trace::Tape;
use door::Doorbell;
use ending::{Stage, end};
use hook::wait_for_drain;
use report::Identity;
use settings::{Written, until_ended};

/// Runs a sidecar until it is told to end.
///
/// # Errors
/// [`Complaints`](crate::config::Complaints) when a certificate cannot be used; else when an address
/// cannot be listened on, or requests had to be cut at the end.
pub async fn sidecar(start: Start<SidecarConfig>) -> anyhow::Result<()> {
    let Start {
        config,
        program,
        files,
        overrides,
    } = start;
    let mut signals = Signals::listen().context("could not listen for signals")?;
    let registry = Arc::new(Registry::default());
    let board = Arc::new(Board::new(Arc::clone(&registry)));
    let entrance = Entrance::open(&config, &program, &board)?;
    let stage = watch::Sender::new(Stage::Serving);
    let identity = Identity::from_environment(&|name| std::env::var(name).ok());
    let guarded = guard(&config, &identity, &board);
    let (door, world) = (guarded.door, guarded.world);
    let mut circle = guarded.circle;
    registry.set(vec![circle.entry()]);
    let desks = Desks::open(&config, &program, |what| match what {
        "admin" => admin_pages(&board, &stage, &door),
        _ => admin::metrics_alone(Arc::clone(&board)),
    })?;
    let names = format!("listening on http://{}{}", entrance.address()?, desks.names);
    tracing::info!("{names}, before the model server on {}", config.app);
    let _besides = [
        AbortOnDropHandle::new(tokio::spawn(retire_connections(Arc::clone(&registry)))),
        AbortOnDropHandle::new(tokio::spawn(door::show(world, stage.subscribe(), board))),
    ];
    let _reporting = report::begin(&config, identity, &circle, &door);
    let server = server(&config, &registry, &door);
    let (tls, _accepting) = entrance.admit(&server);
    let mut written = Written::new(config, files, overrides, tls, program.watch_config);
    until_ended(&mut circle, &registry, &mut signals, &mut written).await;
    let budgets = ending::budgets(written.config(), ending::in_a_pod());
    let ended = end(circle, &server, &mut signals, (&stage, &door), budgets).await;
    stage.send_replace(Stage::Over);
    desks.close().await;
    ended
}

/// Where requests come in.
struct Entrance {
    listener: TcpListener,
    tls: Option<(Tls, TcpListener)>,
}

impl Entrance {
    /// Listens, and takes nobody in yet.
    fn open(config: &SidecarConfig, program: &Program, board: &Arc<Board>) -> anyhow::Result<Self> {
        let listener = listen(config.listen, program, "")?;
        let tls = Tls::open(config.tls.as_ref(), program.watch_config, board)?;
        Ok(Self { listener, tls })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes in who comes, until `server` drains.
    fn admit(self, server: &Server<TcpDial>) -> (Option<Tls>, AbortOnDropHandle<()>) {
        let (tls, secured) = self.tls.unzip();
        if let Some((tls, listener)) = tls.as_ref().zip(secured) {
            tls.serve(listener, server);
        }
        let (server, listener) = (server.clone(), self.listener);
        let accepting = tokio::spawn(async move { server.accept(listener).await });
        (tls, AbortOnDropHandle::new(accepting))
    }
}

fn server(config: &SidecarConfig, registry: &Arc<Registry>, door: &Arc<Porter>) -> Server<TcpDial> {
    let proxy = Proxy::new(Arc::clone(registry), TcpDial).with_porter(Arc::clone(door));
    Server::new(Arc::new(proxy), config.max_connections)
        .with_streams(config.max_streams)
        .within(config.bounds)
}

/// Where it tells of itself.
struct Desks {
    open: Vec<JoinHandle<()>>,
    /// Where they are, for people.
    names: String,
    end: CancellationToken,
}

impl Desks {
    /// Tells of itself from now on.
    fn open(
        config: &SidecarConfig,
        program: &Program,
        pages: impl Fn(&str) -> Router,
    ) -> anyhow::Result<Self> {
        let (mut open, mut names) = (Vec::new(), String::new());
        let end = CancellationToken::new();
        for (at, what) in [(config.admin, "admin"), (config.metrics, "metrics")] {
            let Some(at) = at else {
                continue;
            };
            let listener = listen(at, program, &format!(" ({what})"))?;
            let _ = write!(names, ", {what} on http://{}", listener.local_addr()?);
            let telling = admin::serve_pages(pages(what), listener, end.clone());
            open.push(tokio::spawn(telling));
        }
        Ok(Self { open, names, end })
    }

    /// Who has asked is answered.
    async fn close(self) {
        self.end.cancel();
        for desk in self.open {
            let _ = desk.await;
        }
    }
}

/// The model server as it is guarded.
struct Guarded {
    circle: Circle,
    world: watch::Receiver<crate::ports::World>,
    door: Arc<Porter>,
}

fn guard(config: &SidecarConfig, identity: &Identity, board: &Board) -> Guarded {
    let spec = &config.spec;
    let mut circle = Circle::open(
        spec,
        &Schedule::default(),
        // One line here: its own bounds are those of the process.
        Arc::default(),
        Tape::default(),
        Beat::begin(),
    );
    let throttler = Arc::clone(circle.throttler());
    let questions = Questions::new(NetLooker, config.readiness.clone());
    let app = Endpoint(config.app);
    let beside = Beside::new(Arc::clone(&questions), app, identity.name());
    let world = beside.world();
    circle.follow(world.clone(), board);
    circle.spawn(beside.follow(Arc::clone(&throttler)));
    let bell = Doorbell {
        questions,
        world: world.clone(),
    };
    let door = Porter::new(Arc::new(bell), throttler, app, config.in_knative);
    Guarded {
        circle,
        world,
        door: Arc::new(door),
    }
}

/// Kubelet asks for hooks from outside the pod, as it does for health.
fn admin_pages(board: &Arc<Board>, stage: &watch::Sender<Stage>, door: &Arc<Porter>) -> Router {
    let (stage, door) = (stage.clone(), Arc::clone(door));
    let hook = move || wait_for_drain(stage.clone(), Arc::clone(&door));
    let besides = Router::new().route("/wait-for-drain", get(hook));
    admin::pages(Arc::clone(board), Audience::Loopback, besides)
}
