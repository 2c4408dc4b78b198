//! What a person decides about the program as a whole and only once: flags and environment names
//! without a place in a file, read when it starts.

use std::time::Duration;

use super::complaint::Complaints;
use super::key::{About, Key, Shape, Table, keys};
use super::layers::{Layer, Layers};
use super::tree::Node;
use super::value::{LONGEST, choice, duration, text, truth, whole};

/// What a person decides about the program as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it.
    pub log_level: String,
    /// Threads that serve; `None` takes one per core.
    pub worker_threads: Option<usize>,
    /// A changed file is read again by itself.
    pub watch_config: bool,
    /// Its addresses are shared with another process that shares them as well.
    pub reuse_port: bool,
    /// How long running requests may take once the program was asked to stop.
    pub drain_timeout: Duration,
    /// How long a gateway serves on before that; `None` leaves it to where it runs.
    pub shutdown_delay: Option<Duration>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// For machines.
    Json,
}

keys! {
    /// Flags of every command.
    LOGGING {
    LOG_FORMAT: LogFormat = "logFormat", --"log-format" "FORMAT" One, "auto", log_format,
        "How log lines look: auto (human on a terminal, else json), human or json";
    LOG_LEVEL: String = "logLevel", --"log-level" "LEVEL" One, "info", text,
        "What is logged: error, warn, info, debug or trace";
    }
}

keys! {
    /// Flags of a running gate.
    PROGRAM {
    WORKER_THREADS: usize = "workerThreads", --"worker-threads" "N" One, "",
        |n, c| whole(n, c, 1..=1024),
        "Threads that serve; when not written, one per core";
    WATCH_CONFIG: bool = "watchConfig", --"watch-config" "BOOL" One, "true", truth,
        "Read changed files again by itself (SIGHUP always does): true or false";
    REUSE_PORT: bool = "reusePort", --"reuse-port" "BOOL" One, "false", truth,
        "Share its addresses with another process of the same user that does as well, so that a new \
         one takes over before the old one ends: true or false";
    DRAIN_TIMEOUT: Duration = "drainTimeout", --"drain-timeout" "DURATION" One, "30s",
        |n, c| duration(n, c, Duration::ZERO..=LONGEST),
        "How long running requests may take once the program was asked to stop";
    }
}

keys! {
    /// Flags of a running gateway besides.
    GATEWAY_PROGRAM {
    SHUTDOWN_DELAY: Duration = "shutdownDelay", --"shutdown-delay" "DURATION" One, "",
        |n, c| duration(n, c, Duration::ZERO..=LONGEST),
        "How long it serves on, not ready, before that: until nobody is sent here any more; when not \
         written, 5s in a pod";
    }
}

fn log_format(node: &Node, complaints: &mut Complaints) -> Option<LogFormat> {
    let words = [
        ("auto", LogFormat::Auto),
        ("human", LogFormat::Human),
        ("json", LogFormat::Json),
    ];
    choice(node, complaints, &words)
}

/// Reads the program's own settings out of what was written.
pub(super) fn program(written: &[&Layer]) -> Program {
    let layers = Layers::new(written.to_vec());
    Program {
        log_format: layers.value(&LOG_FORMAT),
        log_level: layers.value(&LOG_LEVEL),
        worker_threads: layers.written(&WORKER_THREADS),
        watch_config: layers.value(&WATCH_CONFIG),
        reuse_port: layers.value(&REUSE_PORT),
        drain_timeout: layers.value(&DRAIN_TIMEOUT),
        shutdown_delay: layers.written(&SHUTDOWN_DELAY),
    }
}

/// How long a drain may take: as it is written, else this long, else as long as usual.
pub(super) fn drain_timeout(written: &[&Layer], otherwise: Option<Duration>) -> Duration {
    let layers = Layers::new(written.to_vec());
    let written = layers.written(&DRAIN_TIMEOUT).or(otherwise);
    written.unwrap_or_else(|| layers.value(&DRAIN_TIMEOUT))
}
