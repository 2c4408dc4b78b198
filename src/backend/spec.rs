//! What a person says about the process behind one replica.

use std::path::PathBuf;
use std::time::Duration;

/// How one replica of a revision is run. A change of any of it replaces the running processes.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSpec {
    /// The program and its arguments. `{port}` in one stands for the port it must listen on;
    /// a first word `holdgate` is this very binary.
    pub command: Vec<String>,
    /// Set in the environment, over what the gate itself has. `{port}` in a value as above.
    pub env: Vec<(String, String)>,
    /// The working directory; `None` is the gate's own.
    pub dir: Option<PathBuf>,
    /// When it may take requests.
    pub readiness: Readiness,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// Devices that each replica has to itself.
    pub gpus: u32,
    /// What each replica may use.
    pub resources: Resources,
}

/// What one replica may use: what percentages are percentages of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    /// Processor cores; `None` counts in percent of one.
    pub cpu: Option<f64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}

/// When a started process may take requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Readiness {
    /// `GET` of this path must answer 200 to 399; `None` asks for an accepted connection only.
    pub path: Option<String>,
    /// From its start; after it the process is killed and counted as crashed.
    pub timeout: Duration,
}
