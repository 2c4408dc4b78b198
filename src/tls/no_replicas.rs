//! What a build without TLS has in its place: nobody can ask for it there, so no replica has it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use super::Speech;

/// Nobody has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaTls(Infallible);

/// A stream behind a handshake.
pub type Secured<I> = I;

impl ReplicaTls {
    /// Never called.
    ///
    /// # Errors
    /// Never.
    #[expect(clippy::unused_async, reason = "as where there is TLS")]
    pub async fn shake<I>(&self, _: I, _: SocketAddr, _: Speech) -> io::Result<Secured<I>> {
        match self.0 {}
    }
}
