//! What a person decides about a model server that is a local process.

use std::path::PathBuf;
use std::time::Duration;

/// How to start, judge and stop one local model server.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSpec {
    /// Program and arguments; `{port}` in any of them becomes the port it must listen on. A first
    /// word `holdgate` means this very binary.
    pub command: Vec<String>,
    /// Environment variables besides the inherited ones.
    pub env: Vec<(String, String)>,
    /// Working directory; `None` is our own.
    pub dir: Option<PathBuf>,
    /// When it counts as ready.
    pub readiness: Readiness,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
}

/// When a started model server counts as ready.
#[derive(Clone, Debug, PartialEq)]
pub struct Readiness {
    /// The HTTP path that must answer 2xx; `None` asks only that the port takes a connection.
    pub path: Option<String>,
    /// Not ready after this long, it is stopped and counted as a failed start.
    pub timeout: Duration,
}
