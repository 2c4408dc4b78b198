//! tmp
use std::sync::Arc;
use tokio::sync::watch;
/// x
#[derive(Debug)]
pub struct Board;
/// x
#[derive(Debug)]
pub struct Watched {
    /// x
    pub world: watch::Receiver<crate::ports::World>,
    /// x
    pub decisions: Arc<crate::autoscaler::Decisions>,
    /// x
    pub spec: watch::Receiver<crate::autoscale::Spec>,
}
impl Board {
    /// x
    pub fn new(_: Arc<crate::proxy::Registry>) -> Self {
        Self
    }
    /// x
    pub fn insert(&self, _: crate::revision::RevisionId, _: Watched) {}
    /// x
    pub fn remove(&self, _: &crate::revision::RevisionId) {}
    /// x
    pub fn set_ready(&self, _: bool) {}
}
/// x
pub async fn serve(
    _: Arc<Board>,
    _: tokio::net::TcpListener,
    t: tokio_util::sync::CancellationToken,
) {
    t.cancelled().await
}
