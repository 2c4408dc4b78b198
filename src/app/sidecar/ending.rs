//! The end of a sidecar: from the signal on it says that it is not ready, serves on for as long as
//! callers may still hold its address, then takes nothing new and ends what it has.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::circle::Circle;
use crate::app::drain::{Ends, Signals, drain};
use crate::config::SidecarConfig;
use crate::proxy::beside::Porter;
use crate::proxy::connect::Dial;
use crate::server::Server;

/// How long it serves on in a pod, where nobody says: by then its address is taken from the lists.
const SPREAD: Duration = Duration::from_secs(3);

/// How far it is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not at all.
    Serving,
    /// The model server is to stop, and it may be that so are we.
    Asked,
    /// It was told to end.
    Ending,
    /// Everything is answered.
    Over,
}

/// How long an end may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budgets {
    pub(super) shutdown_delay: Duration,
    pub(super) drain: Duration,
}

pub(super) fn in_a_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

pub(super) fn budgets(config: &SidecarConfig, in_a_pod: bool) -> Budgets {
    let usual = if in_a_pod { SPREAD } else { Duration::ZERO };
    Budgets {
        shutdown_delay: config.shutdown_delay.unwrap_or(usual),
        drain: config.drain_timeout,
    }
}

/// Ends a sidecar. Returns an error when answers had to be cut.
pub(super) async fn end<D: Dial>(
    circle: Circle,
    server: &Server<D>,
    signals: &mut Signals,
    (stage, door): (&watch::Sender<Stage>, &Porter),
    budgets: Budgets,
) -> anyhow::Result<()> {
    let shutdown_delay = budgets.shutdown_delay;
    let what = if shutdown_delay.is_zero() {
        "not ready any more, takes nothing new and ends what it has; a second signal ends it at once"
    } else {
        "not ready any more, serves on for so long and then ends what it has; a second signal ends it \
         at once"
    };
    door.set_draining(true);
    stage.send_replace(Stage::Ending);
    server.wind_down();
    tracing::info!(?shutdown_delay, "{what}");
    tokio::select! {
        () = tokio::time::sleep(shutdown_delay) => {}
        () = signals.end() => anyhow::bail!("ended at once; what was running is cut"),
    }
    drain(Alone(circle), server, signals, budgets.drain).await
}

/// What ends with a sidecar: the model server is somebody else's.
struct Alone(Circle);

impl Ends for Alone {
    fn dismiss(&self) {
        self.0.dismiss("the sidecar is going away");
    }

    fn let_go(&mut self) {
        self.0.halt();
    }

    async fn stop(&self, _deadline: Instant) {}

    async fn kill(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, load_sidecar};

    #[test]
    fn it_serves_on_as_it_is_told_and_else_in_a_pod_alone() {
        let mut config = load_sidecar(&[], &Overrides::default()).expect("sound");
        let delay = |config: &SidecarConfig| {
            [true, false].map(|in_a_pod| budgets(config, in_a_pod).shutdown_delay)
        };
        assert_eq!(delay(&config), [SPREAD, Duration::ZERO]);
        let told = Duration::from_secs(7);
        config.shutdown_delay = Some(told);
        assert_eq!(delay(&config), [told; 2]);
    }
}
