//! What a sidecar is told by a file, flags and the environment, Knative's included. It stands before one
//! model server, whose settings stand at the top of its file: there is nothing to tell apart.

mod keys;
mod knative;
mod looks;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::check::bounds;
use super::complaint::{Complaint, Complaints, Origin};
use super::file;
use super::gateway::GATEWAY;
use super::keys::{MAX_CONNECTIONS, MAX_STREAMS, NAME, REVISION, TOP};
use super::layers::{Layer, Layers};
use super::manifest;
use super::overrides::Overrides;
use super::revision::Draft;
use super::tls::{self, TlsConfig};
use super::tree::{Node, Value};
use crate::backend::beside::Check;
use crate::revision::{RevisionId, RevisionSpec};
use crate::server::Bounds;
pub use keys::ReportTo;
pub(super) use keys::{TOP_OF_SIDECAR, sidecar};
pub(super) use knative::Knative;

/// What a model server is called where nobody names it.
const NAMELESS: &str = "model";

/// The settings of a sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct SidecarConfig {
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where health, reports and the wait for a drain are asked for; `None` is nowhere.
    pub admin: Option<SocketAddr>,
    /// Where metrics alone are; `None` is nowhere.
    pub metrics: Option<SocketAddr>,
    /// How clients are served by TLS; `None` serves none.
    pub tls: Option<TlsConfig>,
    /// Most client connections at once.
    pub max_connections: usize,
    /// Most requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// What one client may send and how long it may take.
    pub bounds: Bounds,
    /// Where the model server listens.
    pub app: SocketAddr,
    /// What has to be so for it to be ready.
    pub readiness: Vec<Check>,
    /// How long to serve on once asked to stop; `None` leaves it to where it runs.
    pub shutdown_delay: Option<Duration>,
    /// How long running requests may take then.
    pub drain_timeout: Duration,
    /// Who is told how many requests are here.
    pub report_to: Option<ReportTo>,
    /// Where the token for that is.
    pub report_token: Option<PathBuf>,
    /// It stands in the place of Knative's queue-proxy and answers as that does.
    pub in_knative: bool,
    /// What holds for the model server.
    pub spec: RevisionSpec,
    /// What may not do what its writer thinks, but stops nobody.
    pub warnings: Vec<Complaint>,
}

/// Reads files and what the environment and flags say on top of them. Without any, the defaults hold.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load_sidecar(files: &[PathBuf], overrides: &Overrides) -> Result<SidecarConfig, Complaints> {
    let mut complaints = overrides.complaints().clone();
    let mut written = Layer::default();
    for path in files {
        let path: Arc<Path> = Arc::from(path.as_path());
        let text = file::text(&path, &mut complaints);
        let documents = text.and_then(|text| file::any_documents(&path, &text, &mut complaints));
        for document in documents.unwrap_or_default() {
            let layer = ours(&document, &mut complaints);
            written.join(layer, &mut complaints);
        }
    }
    overrides
        .not_for_a_sidecar()
        .for_each(|misplaced| complaints.push(misplaced));
    let knative = overrides.knative();
    let mut layers = vec![&written, &knative.layer];
    // First what the environment says, then flags.
    let (own, shared) = (overrides.sidecar(), overrides.revision());
    for (own, shared) in own.into_iter().zip(shared) {
        layers.extend([own, shared]);
    }
    let layers = Layers::new(layers);
    let name = layers.written(&NAME).unwrap_or_else(|| NAMELESS.to_owned());
    let at = nowhere();
    let draft = Draft {
        at: &at,
        layers,
        subject: None,
    };
    let spec = draft.spec(RevisionId::new(name));
    let config = settle(&draft.layers, knative, overrides, spec, &mut complaints);
    complaints.unless_any(config)
}

fn settle(
    top: &Layers<'_>,
    knative: &Knative,
    overrides: &Overrides,
    spec: RevisionSpec,
    complaints: &mut Complaints,
) -> Option<SidecarConfig> {
    let app = SocketAddr::from(([127, 0, 0, 1], top.value(&keys::PORT)));
    let readiness = looks::looks(top, knative, app, complaints)?;
    let (listen, admin) = (top.value(&keys::LISTEN), top.value(&keys::ADMIN));
    let metrics = top.value(&keys::METRICS);
    apart(top, listen, app, complaints);
    let tls = tls::settle(top, &keys::TLS_LISTEN, complaints);
    let report_to = top.written(&keys::REPORT_TO);
    if report_to.is_none()
        && let Some(node) = top.node(&keys::REPORT_TOKEN)
    {
        complaints.push(node.complaint("is for reports, and report.to names nobody"));
    }
    Some(SidecarConfig {
        listen,
        admin,
        metrics,
        tls,
        max_connections: top.value(&MAX_CONNECTIONS),
        max_streams: top.value(&MAX_STREAMS),
        bounds: bounds(top),
        app,
        readiness,
        shutdown_delay: top.written(&keys::SHUTDOWN_DELAY),
        drain_timeout: overrides.drain_timeout(knative.timeout),
        report_to,
        report_token: top.written(&keys::REPORT_TOKEN),
        in_knative: knative.in_its_place,
        spec,
        warnings: complaints.warnings(),
    })
}

/// It cannot stand before itself.
fn apart(top: &Layers<'_>, listen: SocketAddr, app: SocketAddr, complaints: &mut Complaints) {
    let reaches = listen.ip().is_unspecified() || listen.ip().is_loopback();
    if listen.port() != app.port() || !reaches {
        return;
    }
    let node = top.node(&keys::PORT).or(top.node(&keys::LISTEN));
    if let Some(node) = node {
        let message = format!(
            "wanted another port for the model server than that of listen ({})",
            listen.port()
        );
        complaints.push(node.complaint(message));
    }
}

/// One file's settings.
fn ours(root: &Node, complaints: &mut Complaints) -> Layer {
    if manifest::is_manifest(root) {
        let message =
            "is read by holdgate gateway and holdgate run: a sidecar has settings of its own";
        complaints.push(root.complaint(message));
        return Layer::default();
    }
    let mut root = root.clone();
    if let Value::Map(entries) = &mut root.value {
        entries.retain(|entry| match misplaced(&entry.key) {
            Some(message) => {
                complaints.push(entry.complaint(message));
                false
            }
            None => true,
        });
    }
    Layer::read(&root, sidecar(), complaints)
}

/// What is wrong with a key of others, or the first part of one, beside a sidecar.
fn misplaced(key: &str) -> Option<&'static str> {
    let begins = |path: &str| path == key || path.split('.').next() == Some(key);
    if sidecar().iter().any(|known| begins(known.about().path)) {
        return None;
    }
    if REVISION.iter().any(|known| begins(known.about().path)) {
        return Some("is for who finds, starts or scales model servers, not for a sidecar");
    }
    let mut others = TOP.iter().chain(GATEWAY);
    others.any(|known| begins(known.about().path)).then_some(
        "is not for a sidecar, which stands before one model server: its settings stand at the top",
    )
}

/// What is wrong with a flag or variable of others beside a sidecar.
pub(super) fn misplaced_beside(path: &'static str, node: &Node) -> Option<Complaint> {
    let known = sidecar().iter().any(|key| key.about().path == path);
    let message = if known { None } else { misplaced(path) };
    let otherwise = "is for who finds, starts or scales model servers, not for a sidecar";
    (!known).then(|| node.complaint(message.unwrap_or(otherwise)))
}

fn nowhere() -> Node {
    Node {
        origin: Origin::CommandLine,
        path: String::new(),
        value: Value::Nothing,
    }
}
