//! The end: what is running is answered, who waits is served as long as there is time, then the
//! model servers go. A second signal ends it at once.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::proxy::connect::Dial;
use crate::server::Server;

/// How long the answers to those who are told that nothing will come may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The signals a gate listens to.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To end.
    End,
    /// To read the configuration again.
    Reload,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Waits until it is asked to end.
    pub(super) async fn end(&mut self) {
        while self.next().await != Asked::End {}
    }
}

/// What ends: the revisions of a gate, whatever their replicas are.
pub(super) trait Ends {
    /// Whatever has to go on while answers are waited for.
    async fn go_on(&mut self) -> Infallible {
        std::future::pending().await
    }
    /// Nobody is waited for any longer: who still waits is told so.
    fn dismiss(&self);
    /// Steers nothing any longer: what is there may end, nothing comes.
    fn let_go(&mut self);
    /// Ends every replica that must not outlive the gate, once vacant or at the deadline.
    async fn stop(&self, deadline: Instant);
    /// Ends them now.
    async fn kill(&self);
}

/// Ends a gate. Returns an error when answers had to be cut.
pub(super) async fn drain<D: Dial>(
    mut gate: impl Ends,
    server: &Server<D>,
    signals: &mut Signals,
    budget: Duration,
) -> anyhow::Result<()> {
    tracing::info!(?budget, "draining; a second signal ends it at once");
    let deadline = Instant::now() + budget;
    tokio::select! {
        () = server.drained() => {}
        never = gate.go_on() => match never {},
        () = tokio::time::sleep_until(deadline) => {
            gate.dismiss();
            let _ = tokio::time::timeout(LAST_WORDS, server.drained()).await;
        }
        () = signals.end() => {
            gate.kill().await;
            anyhow::bail!("ended at once; what was running is cut");
        }
    }
    let cut = server.busy();
    gate.let_go();
    tokio::select! {
        () = gate.stop(deadline) => {}
        () = signals.end() => {
            gate.kill().await;
            anyhow::bail!("ended at once; model servers were killed");
        }
    }
    if cut > 0 {
        anyhow::bail!("{cut} connections were still busy after {budget:?} and were cut");
    }
    tracing::info!("drained");
    Ok(())
}
