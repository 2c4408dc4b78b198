//! What a build without TLS has in its place. Nothing can be written of TLS there, so nobody has one.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::admin::Board;
use crate::config::{Complaints, TlsConfig};
use crate::proxy::connect::Dial;
use crate::server::Server;

/// Nobody has one.
pub(super) enum Tls {}

impl Tls {
    #[expect(clippy::unnecessary_wraps, reason = "as where there is TLS")]
    pub(super) fn open(
        _: Option<&TlsConfig>,
        _: bool,
        _: &Arc<Board>,
    ) -> anyhow::Result<Option<(Self, TcpListener)>> {
        Ok(None)
    }

    pub(super) fn serve<D: Dial>(&self, _: TcpListener, _: &Server<D>) {
        match *self {}
    }

    #[expect(clippy::unnecessary_wraps, reason = "as where there is TLS")]
    pub(super) fn suffices(_: Option<&Self>, _: Option<&TlsConfig>) -> Result<(), Complaints> {
        Ok(())
    }

    pub(super) fn apply(_: Option<&Self>, _: Option<&TlsConfig>) {}
}
