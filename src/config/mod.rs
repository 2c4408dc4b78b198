//! What people write: files, flags and environment names, read into the settings of a gate, and the
//! objects of a cluster, read into those of one revision. All complaints come at once, each with where
//! it was written and what was wanted. Text ends here: nothing behind this module reads a string again.

mod api_keys;
mod canned;
mod check;
mod choices;
mod claim;
mod complaint;
mod file;
mod gateway;
mod json;
mod key;
mod keys;
mod knative;
mod layers;
mod manifest;
mod metrics;
mod nearest;
mod overrides;
mod pod;
mod program;
mod revision;
mod rules;
mod schedule;
mod setting;
mod sidecar;
mod tls;
mod tree;
mod upstream;
mod value;
mod watch;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub use check::{load, load_text, load_to_look, load_to_run};
#[cfg(feature = "kubernetes")]
pub use claim::essential;
pub use claim::{ClaimFacts, ClaimSettings, ReadClaim, read_claim};
pub use complaint::{Complaint, Complaints, Origin};
pub use gateway::{Defaults, GatewayConfig, WorkloadKind, load_gateway};
pub use key::{About, Shape};
pub(crate) use nearest::nearest_names;
pub use overrides::{
    Overrides, gate_flags, gateway_flags, logging_flags, revision_flags, sidecar_flags,
    sidecar_revision_flags,
};
pub use program::{LogFormat, Program};
pub use setting::Setting;
pub use sidecar::{ReportTo, SidecarConfig, load_sidecar};
pub use tls::{CertificateFiles, ClientsNeed, TlsConfig, WrittenFile};
pub(crate) use value::{brief, parse_bytes};
pub use watch::Watch;

use crate::backend::ProcessSpec;
use crate::callers::Keyring;
use crate::revision::RevisionSpec;
use crate::schedule::Schedule;
use crate::server::Bounds;
use crate::state::Place;
use crate::tls::ReplicaTls;

/// The settings of a gate: what may change while it runs, read again as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where health, metrics and reports are asked for; `None` is nowhere.
    pub admin: Option<SocketAddr>,
    /// How clients that speak TLS are served; `None` is not at all.
    pub tls: Option<TlsConfig>,
    /// Where the token stands that opens it to who does not come over loopback; `None` where there
    /// is none.
    pub admin_token_file: Option<PathBuf>,
    /// Most client connections at once.
    pub max_connections: usize,
    /// Most requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// Most requests waiting at once, all revisions together.
    pub max_queued_requests: usize,
    /// Most bytes of bodies held for them.
    pub max_queued_bytes: u64,
    /// What one client may send before it has asked for anything, and how long it may take.
    pub bounds: Bounds,
    /// Most local model servers at once, all revisions together.
    pub max_processes: u32,
    /// Where what was learned is kept over a restart.
    pub state: Place,
    /// The devices that model servers may be given; `None` is what this machine lists.
    pub gpus: Option<Vec<String>>,
    /// Where what happens is written down; `None` is nowhere.
    pub record: Option<PathBuf>,
    /// Most bytes of one file of that.
    pub record_size: u64,
    /// The keys of which every request needs one; none where nobody does.
    pub api_keys: Arc<Keyring>,
    /// Most bytes of a body that are read to find its model; 0 is none.
    pub model_scan: u64,
    /// The files that say how replicas are reached by TLS.
    pub replica_files: Vec<PathBuf>,
    /// The revisions in the order they were written, at least one.
    pub revisions: Vec<RevisionConfig>,
    /// What may not do what its writer thinks, but stops nobody.
    pub warnings: Vec<Complaint>,
}

/// One revision and the world its replicas live in.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionConfig {
    /// What holds whatever that world is.
    pub spec: RevisionSpec,
    /// Hours at which it has more than its least.
    pub schedule: Schedule,
    /// How its model servers are started as local processes; `None` in other worlds, and where only
    /// a manifest was read.
    pub process: Option<ProcessSpec>,
    /// How they are reached by TLS; `None` where they do not speak it, and where nothing is started.
    pub tls: Option<ReplicaTls>,
}
