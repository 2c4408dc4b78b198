//! The end of a gateway: from the first signal on nothing is steered, but requests are served until
//! nobody is sent here any more. Pods are left as they are.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use super::claims::Gateway;
use super::following::{Sources, Written, while_ending};
use super::seams::Cluster;
use crate::app::drain::{Ends, Signals, drain};
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

/// A gateway that ends, and what it hears of the cluster until then.
pub(super) struct Ending<'a, C: Cluster> {
    pub(super) gateway: Gateway<C>,
    pub(super) sources: &'a mut Sources,
    pub(super) written: &'a Written,
}

/// Ends a gateway that nobody should be sent to any more. `resign` lets another one steer. Returns an
/// error when answers had to be cut.
pub(super) async fn end<C: Cluster, D: Dial>(
    mut ending: Ending<'_, C>,
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
    ending.let_go();
    server.wind_down();
    tokio::select! {
        ((), ()) = async { tokio::join!(resign, tokio::time::sleep(spread)) } => {}
        never = ending.go_on() => match never {},
        () = signals.end() => anyhow::bail!("ended at once; what was running is cut"),
    }
    drain(ending, server, signals, budgets.drain).await
}

impl<C: Cluster> Ends for Ending<'_, C> {
    async fn go_on(&mut self) -> Infallible {
        while_ending(&mut self.gateway, self.sources, self.written).await
    }

    fn dismiss(&self) {
        self.gateway.dismiss();
    }

    fn let_go(&mut self) {
        self.gateway.let_go();
    }

    /// Pods outlive every gateway.
    async fn stop(&self, _deadline: Instant) {}

    async fn kill(&self) {}
}
