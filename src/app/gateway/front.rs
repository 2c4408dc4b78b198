//! What a gateway shows to those who ask it: its ports, and who is asked for there.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::{Audience, Board};
use crate::app::serve_admin;
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
        };
        Ok((front, listener))
    }

    /// Takes requests, for so many claims.
    pub(super) fn welcome(&self, listener: TcpListener, claims: usize) {
        let listen = self.listen;
        let admin = self.admin.map_or("no admin port".to_owned(), |admin| {
            format!("admin on http://{admin}")
        });
        tracing::info!(claims, "listening on http://{listen}, {admin}");
        let server = self.server.clone();
        tokio::spawn(async move { server.accept(listener).await });
        self.board.set_ready(true);
    }

    /// Tells nothing of itself any more.
    pub(super) fn close(&self) {
        self.admin_ends.cancel();
    }
}
