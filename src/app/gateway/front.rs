//! What a gateway shows to those who ask it: its ports, and who is asked for there.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::doors::{Doors, House, Wanted};
use crate::admin::{Audience, Board};
use crate::app::serve_admin;
use crate::backend::kubernetes::Announcer;
use crate::config::GatewayConfig;
use crate::proxy::{Proxy, Registry, TcpDial};
use crate::server::{self, Server};

/// What a gateway shows to those who ask it.
pub(super) struct Front {
    pub(super) registry: Arc<Registry>,
    pub(super) board: Arc<Board>,
    pub(super) server: Server<TcpDial>,
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    admin_ends: CancellationToken,
    /// The doors that are open, for whoever sends callers to them.
    pub(super) open: watch::Sender<BTreeSet<u16>>,
    leaving: CancellationToken,
}

impl Front {
    /// Tells of itself from now on, and takes no requests yet: they wait where the listener is.
    pub(super) fn open(config: &GatewayConfig) -> anyhow::Result<(Self, TcpListener)> {
        let listener = server::listen(config.listen)
            .with_context(|| format!("could not listen on {}", config.listen))?;
        let registry = Arc::new(Registry::exact());
        let board = Arc::new(Board::new(Arc::clone(&registry)));
        let admin_ends = CancellationToken::new();
        let admin = serve_admin(config.admin, &board, Audience::Loopback, &admin_ends)?;
        let proxy = Arc::new(Proxy::new(Arc::clone(&registry), TcpDial));
        let front = Self {
            registry,
            board,
            server: Server::new(proxy, config.max_connections),
            listen: listener.local_addr()?,
            admin,
            admin_ends,
            open: watch::Sender::default(),
            leaving: CancellationToken::new(),
        };
        Ok((front, listener))
    }

    /// Its doors, none of which is open yet. What cannot be opened is told to those it is about.
    pub(super) fn doors<A: Announcer>(&self, announcer: &Arc<A>) -> Doors<TcpDial, A> {
        let house = House {
            data: self.listen,
            opener: Box::new(server::listen),
            open: self.open.clone(),
            leaving: self.leaving.clone(),
        };
        let (server, registry) = (self.server.clone(), Arc::clone(&self.registry));
        Doors::new(server, registry, Arc::clone(announcer), house)
    }

    /// Takes requests, for so many claims. Ready is who has opened the doors of all of them.
    pub(super) fn welcome<A: Announcer>(
        &self,
        listener: TcpListener,
        (mut doors, wanted): (Doors<TcpDial, A>, watch::Receiver<Wanted>),
        claims: usize,
    ) {
        let listen = self.listen;
        let admin = self.admin.map_or("no admin port".to_owned(), |admin| {
            format!("admin on http://{admin}")
        });
        tracing::info!(claims, "listening on http://{listen}, {admin}");
        let server = self.server.clone();
        tokio::spawn(async move { server.accept(listener).await });
        doors.keep(&wanted.borrow());
        tokio::spawn(doors.run(wanted));
        self.board.set_ready(true);
    }

    /// Nobody is to be sent here any more; who comes is served.
    pub(super) fn turn_away(&self) {
        self.board.set_ready(false);
        self.leaving.cancel();
    }

    /// Tells nothing of itself any more.
    pub(super) fn close(&self) {
        self.admin_ends.cancel();
    }
}
