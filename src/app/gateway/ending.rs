//! The end of a gateway: from the first signal on nothing is steered, but requests are served until
//! nobody is sent here any more. Pods are left as they are.

use std::time::Duration;

use super::claims::Gateway;
use super::seams::Cluster;
use crate::app::drain::{Ends as _, Signals, drain};
use crate::proxy::connect::Dial;
use crate::server::Server;

/// How long an end may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budgets {
    /// Until nobody is sent here any more.
    pub(super) spread: Duration,
    /// Until what was asked by then is answered.
    pub(super) drain: Duration,
}

/// Ends a gateway that nobody should be sent to any more. `resign` lets another one steer. Returns an
/// error when answers had to be cut.
pub(super) async fn end<C: Cluster, D: Dial>(
    mut gateway: Gateway<C>,
    server: &Server<D>,
    signals: &mut Signals,
    budgets: Budgets,
    resign: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let spread = budgets.spread;
    tracing::info!(
        ?spread,
        "steers nothing any more, serves until nobody is sent here; a second signal ends it at once"
    );
    gateway.let_go();
    server.wind_down();
    tokio::select! {
        ((), ()) = async { tokio::join!(resign, tokio::time::sleep(spread)) } => {}
        () = signals.end() => anyhow::bail!("ended at once; what was running is cut"),
    }
    drain(gateway, server, signals, budgets.drain).await
}
