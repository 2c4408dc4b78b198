//! What a gateway in a cluster is told by files, flags and environment. Its revisions stand in the
//! cluster: here is only what holds for all of them. What one of them says is read in `claim`.

mod keys;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::bounds;
use super::complaint::{Complaint, Complaints};
use super::file;
use super::key::Table;
use super::keys::{
    ADMIN_TOKEN_FILE, API_KEYS, DEFAULTS, MAX_CONNECTIONS, MAX_QUEUED_BYTES, MAX_QUEUED_REQUESTS,
    MAX_STREAMS, MODEL_SCAN, RECORD, RECORD_SIZE, REVISION, REVISIONS, TOP,
};
use super::layers::{Layer, Layers};
use super::manifest::{self, Manifest, is_of_processes};
use super::overrides::Overrides;
use super::tls::{self, TlsConfig};
use super::tree::{Entry, Node, Value};
use super::upstream;
use crate::callers::Keyring;
use crate::server::Bounds;
use crate::tls::ReplicaTls;
pub(super) use keys::GATEWAY;

const IN_THE_CLUSTER: &str = "a gateway finds its revisions in the cluster: annotate the workload with \
     holdgate.dev/enabled: \"true\" and its settings, or apply an InferenceService";

/// The settings of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayConfig {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where health, metrics and reports are asked for; `None` is nowhere.
    pub admin: Option<SocketAddr>,
    /// How clients that speak TLS are served; `None` is not at all.
    pub tls: Option<TlsConfig>,
    /// Where the token stands that opens it to who does not come over loopback; `None` where there
    /// is none.
    pub admin_token_file: Option<PathBuf>,
    /// Where other gateways of the installation are heard; `None` is nowhere.
    pub peers: Option<SocketAddr>,
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
    /// Where what happens is written down; `None` is nowhere.
    pub record: Option<PathBuf>,
    /// Most bytes of one file of that.
    pub record_size: u64,
    /// Where the token of sidecars is; without one, what they say is not taken.
    pub report_token: Option<PathBuf>,
    /// The keys of which every request needs one; none where nobody does.
    pub api_keys: Arc<Keyring>,
    /// Most bytes of a body that are read to find its model; 0 is none.
    pub model_scan: u64,
    /// The domain of the hosts that lead to revisions; `None` takes `KServe`'s.
    pub domain: Option<String>,
    /// The namespaces that are looked into; none is all.
    pub namespaces: Vec<String>,
    /// The kinds of workloads beside `Deployment` and `StatefulSet`, each once.
    pub workloads: Vec<WorkloadKind>,
    /// Where it listens for callers of Services that pass the gate, a port for each.
    pub takeover_ports: RangeInclusive<u16>,
    /// What holds for every revision that does not say otherwise.
    pub defaults: Defaults,
    /// What may not do what its writer thinks, but stops nobody.
    pub warnings: Vec<Complaint>,
}

/// A kind of object that has a scale subresource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkloadKind {
    /// Its group, `argoproj.io`; empty for the core one.
    pub group: String,
    /// Its version, `v1alpha1`.
    pub version: String,
    /// The kind, `Rollout`.
    pub kind: String,
}

/// What holds for every revision that does not say otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// What a cluster's `ConfigMap` says.
    pub(super) cluster: Layer,
    /// What the gateway's own files say.
    pub(super) files: Layer,
}

impl GatewayConfig {
    /// How replicas are reached by TLS where their own settings say no more than that they are; `None`
    /// where nothing is known of that.
    ///
    /// # Errors
    /// What is wrong with the files that are named.
    pub fn replica_tls(&self) -> Result<Option<ReplicaTls>, Complaints> {
        let mut complaints = Complaints::default();
        let layers = Layers::new(vec![&self.defaults.files]);
        let tls = upstream::prepare(&layers, &mut complaints);
        complaints.unless_any(Some(tls))
    }

    /// The files that this is read from.
    #[must_use]
    pub fn replica_files(&self) -> Vec<PathBuf> {
        upstream::files(&Layers::new(vec![&self.defaults.files]))
    }
}

/// Reads files and what flags and environment say on top of them. Without any, the defaults hold.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load_gateway(files: &[PathBuf], overrides: &Overrides) -> Result<GatewayConfig, Complaints> {
    let mut complaints = overrides.complaints().clone();
    let mut written = Written::default();
    for path in files {
        let path: Arc<Path> = Arc::from(path.as_path());
        let text = file::text(&path, &mut complaints);
        let documents = text.and_then(|text| file::any_documents(&path, &text, &mut complaints));
        for document in documents.unwrap_or_default() {
            written.add(&document, &mut complaints);
        }
    }
    overrides
        .not_for_a_gateway()
        .for_each(|misplaced| complaints.push(misplaced));
    let [environment, flags] = overrides.gateway();
    let layers = Layers::new(vec![&written.top, environment, flags]);
    apart(&layers, &mut complaints);
    let mut config = settle(&layers);
    config.tls = tls::settle(&layers, &keys::TLS_LISTEN, &mut complaints);
    config.defaults = written.defaults;
    config.warnings = complaints.warnings();
    complaints.unless_any(Some(config))
}

fn settle(top: &Layers<'_>) -> GatewayConfig {
    let mut workloads: Vec<WorkloadKind> = Vec::new();
    for kind in top.written(&keys::WORKLOADS).unwrap_or_default() {
        if !kind.is_always_there() && !workloads.contains(&kind) {
            workloads.push(kind);
        }
    }
    let mut namespaces = top.written(&keys::NAMESPACES).unwrap_or_default();
    namespaces.sort();
    namespaces.dedup();
    GatewayConfig {
        listen: top.value(&keys::LISTEN),
        admin: top.value(&keys::ADMIN),
        tls: None,
        admin_token_file: top.written(&ADMIN_TOKEN_FILE),
        peers: top.value(&keys::PEERS),
        max_connections: top.value(&MAX_CONNECTIONS),
        max_streams: top.value(&MAX_STREAMS),
        max_queued_requests: top.value(&MAX_QUEUED_REQUESTS),
        max_queued_bytes: top.value(&MAX_QUEUED_BYTES),
        bounds: bounds(top),
        record: top.written(&RECORD),
        record_size: top.value(&RECORD_SIZE),
        report_token: top.written(&keys::REPORT_TOKEN),
        api_keys: Arc::new(Keyring::new(top.written(&API_KEYS).unwrap_or_default())),
        model_scan: top.value(&MODEL_SCAN),
        domain: top.written(&keys::DOMAIN),
        namespaces,
        workloads,
        takeover_ports: top.value(&keys::TAKEOVER_PORTS),
        defaults: Defaults::default(),
        warnings: Vec::new(),
    }
}

/// No port of its own is among those that it gives to Services.
fn apart(top: &Layers<'_>, complaints: &mut Complaints) {
    let Some(range) = top.sound(&keys::TAKEOVER_PORTS) else {
        return;
    };
    let (name, what) = (keys::TAKEOVER_PORTS.about.path, brief(&range));
    let own = [
        (
            &keys::LISTEN.about,
            top.node(&keys::LISTEN),
            top.sound(&keys::LISTEN),
        ),
        (
            &keys::ADMIN.about,
            top.node(&keys::ADMIN),
            top.sound(&keys::ADMIN).flatten(),
        ),
        (
            &keys::TLS_LISTEN.about,
            top.node(&keys::TLS_LISTEN),
            top.sound(&keys::TLS_LISTEN).filter(|_| tls::is_spoken(top)),
        ),
    ];
    for (about, node, address) in own {
        let Some(port) = address.map(|address| address.port()) else {
            continue;
        };
        if !range.contains(&port) {
            continue;
        }
        // Where both are written, the range is what gives way more easily.
        let complaint = match (top.node(&keys::TAKEOVER_PORTS), node) {
            (Some(range), _) => {
                range.wanted(&format!("ports without that of {} ({port})", about.path))
            }
            (None, Some(node)) => node.wanted(&format!("a port that is not in {name} ({what})")),
            (None, None) => continue,
        };
        complaints.push(complaint);
    }
}

fn brief(range: &RangeInclusive<u16>) -> String {
    format!("{}-{}", range.start(), range.end())
}

impl WorkloadKind {
    fn is_always_there(&self) -> bool {
        self.group == "apps" && matches!(self.kind.as_str(), "Deployment" | "StatefulSet")
    }
}

/// What all files say together.
#[derive(Default)]
struct Written {
    top: Layer,
    defaults: Defaults,
}

impl Written {
    fn add(&mut self, document: &Node, complaints: &mut Complaints) {
        if !manifest::is_manifest(document) {
            self.add_ours(document, complaints);
            return;
        }
        for manifest in manifest::read(document, complaints) {
            match manifest {
                Manifest::ConfigAutoscaler(layer) => {
                    self.defaults.cluster.join(layer, complaints);
                }
                Manifest::InferenceService(node) | Manifest::Workload(node) => {
                    let message =
                        "is read where it is in the cluster: kubectl apply -f takes it there";
                    complaints.push(node.complaint(message));
                }
            }
        }
    }

    fn add_ours(&mut self, root: &Node, complaints: &mut Complaints) {
        let root = without(root, TOP, GATEWAY, not_for_a_gateway, complaints);
        let mut top = Layer::read(&root, GATEWAY, complaints);
        if let Some(defaults) = top.take(DEFAULTS.about.path) {
            let layer = file::defaults(&defaults, complaints);
            for (_, node) in layer.iter().filter(|(path, _)| is_of_processes(path)) {
                let message =
                    "is for the local processes of holdgate run, pods say this themselves";
                complaints.push(node.complaint(message));
            }
            self.defaults.files.join(layer, complaints);
        }
        self.top.join(top, complaints);
    }
}

/// Complains about what only a gateway is told, and leaves it out.
pub(super) fn without_its_keys(root: &Node, complaints: &mut Complaints) -> Node {
    without(
        root,
        GATEWAY,
        TOP,
        |_| NOT_FOR_PROCESSES.to_owned(),
        complaints,
    )
}

pub(super) const NOT_FOR_PROCESSES: &str = "is for holdgate gateway, not for local processes";

fn not_for_a_gateway(path: &str) -> String {
    if path == REVISIONS.about.path {
        return IN_THE_CLUSTER.to_owned();
    }
    "is for the local processes of holdgate run, not for a gateway".to_owned()
}

/// What is wrong with a flag or variable of others beside a gateway.
pub(super) fn misplaced(path: &'static str, node: &Node) -> Option<Complaint> {
    let is_in = |table: Table| table.iter().any(|key| key.about().path == path);
    if is_in(REVISION) {
        let message = format!(
            "is about one revision and a gateway has many: write {path} under defaults in a file, or \
             annotate the workload"
        );
        return Some(node.complaint(message));
    }
    (!is_in(GATEWAY)).then(|| node.complaint(not_for_a_gateway(path)))
}

/// A file without the keys that only others have, which are complained about.
fn without(
    root: &Node,
    others: Table,
    own: Table,
    message: fn(&str) -> String,
    complaints: &mut Complaints,
) -> Node {
    let is_in = |table: Table, name: &str| table.iter().any(|key| key.about().path == name);
    let mut kept: Vec<Entry> = Vec::new();
    for entry in root.entries() {
        if is_in(others, &entry.key) && !is_in(own, &entry.key) {
            complaints.push(entry.complaint(message(&entry.key)));
        } else {
            kept.push(entry.clone());
        }
    }
    Node {
        value: Value::Map(kept),
        ..root.clone()
    }
}
