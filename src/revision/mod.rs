//! The nouns everything else speaks of: a revision, its replicas, where they listen and the
//! settings a person wrote for them. Plain data, parsed once; no module below this one.

mod scaling;
mod waiting;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
pub(crate) use scaling::samples;
pub use scaling::{Aggregation, Hold, MetricTarget, ScaleMetric, Scaling, Scrape};
pub use waiting::{AtZero, Canned, Waiting};

/// The name of a revision, unique within one gate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevisionId(Arc<str>);

impl RevisionId {
    /// Names a revision.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One running model server, for as long as it lives. Follows the process (or the pod's UID),
/// never the address: an address may come back with somebody else behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaId(pub u64);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a replica listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(pub SocketAddr);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The hard limit of requests at one replica. Written 0, it is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerConcurrency(u32);

impl ContainerConcurrency {
    /// No limit.
    pub const UNLIMITED: Self = Self(0);

    /// The limit as written: 0 is no limit.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self(limit)
    }

    /// The number as written: 0 is no limit.
    #[must_use]
    pub const fn written(self) -> u32 {
        self.0
    }

    /// How many requests one replica may hold.
    #[must_use]
    pub const fn slots(self) -> u32 {
        if self.0 == 0 { u32::MAX } else { self.0 }
    }
}

/// Everything a person decides about one revision, whatever world its replicas live in.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionSpec {
    /// Its name.
    pub id: RevisionId,
    /// Exact `Host` names that lead here, lower case, without a port.
    pub hosts: Vec<String>,
    /// Model names that lead here by path, or by what a body says.
    pub models: Vec<String>,
    /// The hard limit per replica.
    pub container_concurrency: ContainerConcurrency,
    /// How many replicas, and why.
    pub scaling: Scaling,
    /// Who may wait, and how long.
    pub queue: QueueLimits,
    /// Where a request says on what terms it waits.
    pub wishes: Wishes,
    /// How long an answer may take.
    pub timeouts: Timeouts,
    /// Largest request body in bytes; `None` is no bound. Over it: 413.
    pub max_body_bytes: Option<u64>,
    /// The status of `queue_full`.
    pub overload_status: OverloadStatus,
    /// What becomes of a slot whose client has left.
    pub on_disconnect: OnDisconnect,
    /// What its replicas are spoken to in.
    pub protocol: Protocol,
    /// Which callers pass the gate.
    pub path: CallerPath,
    /// What the gate answers itself while no replica is ready.
    pub at_zero: AtZero,
    /// What is said to those who wait.
    pub waiting: Waiting,
}

/// What replicas are spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, and calls of gRPC in HTTP/2.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    H2c,
}

/// Which callers of a workload in a cluster pass the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerPath {
    /// Those who come to the gate, by host, model or header.
    #[default]
    Host,
    /// And those of its Services while none of its pods is ready.
    Takeover,
    /// And those of its Services, always.
    Always,
}

/// Bounds on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most requests waiting at once.
    pub max_requests: usize,
    /// Most bytes of request bodies held for waiting requests.
    pub max_bytes: u64,
    /// Longest wait while a replica is ready.
    pub timeout: Duration,
    /// Longest wait while none is.
    pub cold_timeout: Duration,
    /// Bytes of one body read ahead while it waits, so that a hang-up is seen.
    pub read_ahead: u64,
    /// Who is served first.
    pub order: QueueOrder,
}

/// In which order those who wait are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueOrder {
    /// Whoever came first.
    #[default]
    Fifo,
    /// By class, and within a class every tenant in turn.
    Fair {
        /// Whenever a tenant was served nothing of a class for so long, its oldest request there
        /// rises one class.
        ageing: Duration,
        /// So many tenants have a share of their own, the rest one together.
        max_tenants: usize,
    },
}

/// Where a request says on what terms it waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The header that names its tenant; `None` where nothing does.
    pub tenant_header: Option<String>,
    /// The header whose word for its class is believed; `None` where none is.
    pub class_header: Option<String>,
    /// Whether its deadline counts.
    pub deadlines: bool,
}

/// Bounds on answering. They begin when the request is sent to the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To the last byte of an ordinary answer; `None` is no bound.
    pub total: Option<Duration>,
    /// Instead of `total` for event streams; `None` leaves only `idle`.
    pub stream: Option<Duration>,
    /// No byte in either direction; `None` is no bound.
    pub idle: Option<Duration>,
    /// To open a connection.
    pub connect: Duration,
    /// To the first byte of the answer; `None` is no bound of its own.
    pub first_byte: Option<Duration>,
}

/// The status a full queue answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverloadStatus {
    /// 429, what model clients retry.
    TooManyRequests,
    /// 503, as Knative and `HAProxy` answer.
    ServiceUnavailable,
}

/// What becomes of the slot when the client of a running request has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// Kept until the replica begins to answer (then that connection is closed) or has ended it.
    Auto,
    /// Freed at once; the connection is closed. A server that does not notice works on unseen.
    Release,
    /// Kept until the answer has been read to its end.
    Finish,
}
