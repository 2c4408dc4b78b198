//! What a gateway shows to those who ask it: its ports, and who is asked for there.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::super::tls::Tls;
use super::doors::{Doors, House, Wanted};
use crate::admin::{Audience, Board};
use crate::app::{listen, secret, serve_admin};
use crate::backend::kubernetes::Announcer;
use crate::config::{GatewayConfig, Program};
use crate::loads::mark;
use crate::proxy::{Proxy, Registry, TcpDial};
use crate::server::{self, Server};

/// Where requests wait until they are taken.
pub(super) struct Listeners {
    listener: TcpListener,
    /// For those who speak TLS.
    secured: Option<TcpListener>,
}

/// What a gateway shows to those who ask it.
pub(super) struct Front {
    pub(super) registry: Arc<Registry>,
    pub(super) board: Arc<Board>,
    pub(super) server: Server<TcpDial>,
    listen: SocketAddr,
    /// Another process may listen on the same addresses.
    shares: bool,
    admin: Option<SocketAddr>,
    tls: Option<Arc<Tls>>,
    admin_ends: CancellationToken,
    /// The doors that are open, for whoever sends callers to them.
    pub(super) open: watch::Sender<BTreeSet<u16>>,
    leaving: CancellationToken,
}

impl Front {
    /// Tells of itself from now on, and takes no requests yet: they wait where the listener is.
    pub(super) fn open(
        config: &GatewayConfig,
        program: &Program,
    ) -> anyhow::Result<(Self, Listeners)> {
        let listener = listen(config.listen, program, "")?;
        let registry = Arc::new(Registry::exact());
        let board = Arc::new(Board::new(Arc::clone(&registry)));
        let token = config.report_token.as_ref();
        let token = token.map(|file| secret(file, &file.display().to_string()));
        let token = token.transpose()?;
        if let Some(token) = &token {
            board.hear_reports(token);
        }
        let secured = Tls::open(config.tls.as_ref(), program.watch_config, &board)?;
        let (tls, secured) = secured.unzip();
        let admin_ends = CancellationToken::new();
        let audience = Audience::Loopback.or_token(config.admin_token_file.as_deref());
        let admin = serve_admin((config.admin, program), &board, audience, &admin_ends)?;
        let proxy = Proxy::new(Arc::clone(&registry), TcpDial).scanning(config.model_scan);
        let proxy = Arc::new(match &token {
            Some(token) => proxy.marking(&mark(token)),
            None => proxy,
        });
        let front = Self {
            registry,
            board,
            server: Server::new(proxy, config.max_connections)
                .with_streams(config.max_streams)
                .within(config.bounds),
            listen: listener.local_addr()?,
            shares: program.reuse_port,
            admin,
            tls: tls.map(Arc::new),
            admin_ends,
            open: watch::Sender::default(),
            leaving: CancellationToken::new(),
        };
        Ok((front, Listeners { listener, secured }))
    }

    /// Its doors, none of which is open yet. What cannot be opened is told to those it is about.
    pub(super) fn doors<A: Announcer>(&self, announcer: &Arc<A>) -> Doors<TcpDial, A> {
        let house = House {
            data: self.listen,
            opener: Box::new(if self.shares {
                server::listen_beside_others
            } else {
                server::listen
            }),
            open: self.open.clone(),
            leaving: self.leaving.clone(),
        };
        let (server, registry) = (self.server.clone(), Arc::clone(&self.registry));
        Doors::new(server, registry, Arc::clone(announcer), house)
    }

    /// Takes requests, for so many claims. Ready is who has opened the doors of all of them.
    pub(super) fn welcome<A: Announcer>(
        &self,
        listeners: Listeners,
        (mut doors, wanted): (Doors<TcpDial, A>, watch::Receiver<Wanted>),
        claims: usize,
    ) {
        let listen = self.listen;
        let admin = self.admin.map_or("no admin port".to_owned(), |admin| {
            format!("admin on http://{admin}")
        });
        tracing::info!(claims, "listening on http://{listen}, {admin}");
        let Listeners { listener, secured } = listeners;
        let server = self.server.clone();
        tokio::spawn(async move { server.accept(listener).await });
        if let Some((tls, secured)) = self.tls.as_ref().zip(secured) {
            tls.serve(secured, &self.server);
        }
        doors.keep(&wanted.borrow());
        tokio::spawn(doors.run(wanted));
        self.board.set_ready(true);
    }

    /// How it serves clients that speak TLS, if it does.
    pub(super) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
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
