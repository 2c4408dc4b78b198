//! What the supervisor needs of a machine: to start processes and to look whether they listen.
//! Real behind [`process`](super::process) and [`probe`](super::probe); simulated in tests, where
//! the same supervisor runs in virtual time.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::spec::ProcessSpec;
use crate::revision::{Endpoint, ReplicaId};

/// One process to be started.
#[derive(Clone, Debug)]
pub struct Order {
    /// For whom.
    pub replica: ReplicaId,
    /// Where it must listen.
    pub endpoint: Endpoint,
    /// What to run.
    pub spec: Arc<ProcessSpec>,
    /// The devices it has to itself; none leaves to it what it finds.
    pub devices: Vec<String>,
}

/// Starts processes.
pub trait Launcher: Send + Sync + 'static {
    /// What it starts.
    type Child: Child;
    /// An endpoint nobody listens on.
    fn endpoint(&self) -> io::Result<Endpoint>;
    /// Starts a process in a group of its own. Returns when the command itself runs.
    fn launch(
        &self,
        order: &Order,
    ) -> impl Future<Output = Result<Self::Child, LaunchError>> + Send;
}

/// A process could not be started.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LaunchError {
    /// Trying again at once cannot help.
    #[error("could not run '{command}': {cause}")]
    NotRunnable {
        /// The first word.
        command: String,
        /// As the system puts it.
        cause: String,
    },
    /// This machine is at fault, not the command.
    #[error("could not start a process: {0}")]
    Machine(String),
}

/// A started process and all that it starts in turn.
pub trait Child: Send + Sync + 'static {
    /// The process itself has exited; others of its group may be left.
    fn down(&self) -> impl Future<Output = ()> + Send;
    /// Nothing is left of its group.
    fn gone(&self) -> impl Future<Output = Exit> + Send;
    /// Asks the group to finish.
    fn terminate(&self);
    /// Ends the group.
    fn kill(&self);
    /// The ports on which the group listens, as far as this machine tells.
    fn listening(&self) -> impl Future<Output = Vec<u16>> + Send;
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// The last lines it wrote to stderr.
    pub stderr: Vec<String>,
}

/// Looks at an endpoint.
pub trait Probe: Send + Sync + 'static {
    /// One try, bounded in time.
    fn look(&self, endpoint: Endpoint, path: Option<&str>) -> impl Future<Output = Sight> + Send;
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nobody listens.
    Nobody,
    /// Somebody listens and is not ready: "answers GET /ready with 404 Not Found".
    NotReady(String),
    /// It may take requests.
    Ready,
}
