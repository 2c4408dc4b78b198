//! The settings of a sidecar, once: as those in `config::keys`. What it shares with one revision and
//! with a gate is written there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use crate::config::complaint::Complaints;
use crate::config::key::{About, AnyKey, Key, Shape, Table, keys};
use crate::config::keys::{
    HEADER_TIMEOUT, HOSTS, IDLE_CONNECTION_TIMEOUT, MAX_CONNECTIONS, MAX_HEADER_BYTES, MAX_HEADERS,
    MAX_STREAMS, MODELS, REVISION, TLS_CERT_FILE, TLS_CERTIFICATES, TLS_CLIENT_CA,
    TLS_CLIENT_CERTIFICATES, TLS_KEY_FILE,
};
use crate::config::manifest::is_of_processes;
use crate::config::tree::Node;
use crate::config::value::{LONGEST, duration, text, wanted, whole};
use crate::config::words::{address, address_or_off, directory, http_path};

const A_MOMENT: Duration = Duration::from_millis(1);

keys! {
    /// The keys that mean something else to a sidecar, or nothing to others.
    OWN {
    LISTEN: SocketAddr = "listen", --"listen" "ADDRESS" One, "0.0.0.0:8012", address,
        "Address for requests";
    ADMIN: Option<SocketAddr> = "admin", --"admin" "ADDRESS" One, "0.0.0.0:8022", address_or_off,
        "Address for health, reports and the wait for a drain, or off";
    METRICS: Option<SocketAddr> = "metrics", --"metrics" "ADDRESS" One, "0.0.0.0:9091",
        address_or_off,
        "Address for metrics alone, or off";
    TLS_LISTEN: SocketAddr = "tls.listen", --"tls-listen" "ADDRESS" One, "0.0.0.0:8112", address,
        "Address for requests by TLS, once there is a certificate";
    PORT: u16 = "port", --"port" "PORT" One, "8080", |n, c| whole(n, c, 1..=65535),
        "Port of the model server on this machine";
    READINESS_PATH: String = "readiness.path", --"readiness-path" "PATH" One, "", http_path,
        "Path that answers 200 to 399 while the model server is ready; when not written, an open \
         port is enough";
    READINESS_PORT: u16 = "readiness.port", --"readiness-port" "PORT" One, "",
        |n, c| whole(n, c, 1..=65535),
        "Port that is asked; when not written, that of the model server";
    READINESS_GRPC: String = "readiness.grpc", --"readiness-grpc" "SERVICE" One, "", text,
        "Service that gRPC's health service is asked for instead of a path; * for the server as a \
         whole";
    READINESS_PERIOD: Duration = "readiness.period", --"readiness-period" "DURATION" One, "0s",
        |n, c| duration(n, c, Duration::ZERO..=LONGEST),
        "Time between two looks at a ready model server, 0 for a second; one that is not ready is \
         looked at twenty times a second";
    READINESS_TIMEOUT: Duration = "readiness.timeout", --"readiness-timeout" "DURATION" One, "",
        |n, c| duration(n, c, A_MOMENT..=LONGEST),
        "Longest time of one look; when not written, 1s, and 100ms with a period of 0";
    READINESS_SUCCESSES: u32 = "readiness.successThreshold", --"readiness-success-threshold" "N"
        One, "1", |n, c| whole(n, c, 1..=1000),
        "Looks in a row that have to pass before it counts as ready, with a period of 0";
    READINESS_FAILURES: u32 = "readiness.failureThreshold", --"readiness-failure-threshold" "N" One,
        "3", |n, c| whole(n, c, 1..=1000),
        "Looks in a row that have to fail before a ready one counts as not ready";
    SHUTDOWN_DELAY: Duration = "shutdownDelay", --"shutdown-delay" "DURATION" One, "",
        |n, c| duration(n, c, Duration::ZERO..=LONGEST),
        "How long it serves on, not ready, once it was asked to stop; when not written, 3s in a pod";
    REPORT_TO: ReportTo = "report.to", --"report-to" "URL" One, "", report_to,
        "Gateway that is told how many requests are here: its admin port as a URL";
    REPORT_TOKEN: PathBuf = "report.tokenFile", --"report-token-file" "FILE" One, "", directory,
        "File with the token that the gateway wants";
    }
}

/// Where reports go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTo {
    /// Host and port, as in a URL.
    pub authority: String,
    /// What stands before the path of reports; empty for nothing.
    pub prefix: String,
}

/// All that can be said of a sidecar: its own keys, and those of one revision but for what is about
/// finding it, scaling it and starting it.
static ALL: LazyLock<Vec<&'static dyn AnyKey>> = LazyLock::new(|| {
    let shared: [&'static dyn AnyKey; 11] = [
        &TLS_CERT_FILE,
        &TLS_KEY_FILE,
        &TLS_CERTIFICATES,
        &TLS_CLIENT_CA,
        &TLS_CLIENT_CERTIFICATES,
        &MAX_CONNECTIONS,
        &MAX_STREAMS,
        &MAX_HEADER_BYTES,
        &MAX_HEADERS,
        &HEADER_TIMEOUT,
        &IDLE_CONNECTION_TIMEOUT,
    ];
    let revision = REVISION
        .iter()
        .copied()
        .filter(|key| is_of_one(key.about()));
    let own = OWN.iter().copied().chain(shared);
    own.chain(revision).collect()
});

/// The keys of a sidecar.
pub(in crate::config) fn sidecar() -> Table {
    &ALL
}

/// The keys of a sidecar that are not those of one revision.
pub(in crate::config) static TOP_OF_SIDECAR: LazyLock<Vec<&'static dyn AnyKey>> =
    LazyLock::new(|| {
        let is_top = |key: &&&'static dyn AnyKey| !is_of_a_revision(key.about().path);
        ALL.iter().filter(is_top).copied().collect()
    });

fn is_of_a_revision(path: &str) -> bool {
    REVISION.iter().any(|key| key.about().path == path)
}

/// What is written of one revision whoever scales it.
fn is_of_one(about: &About) -> bool {
    const SCALING: [&str; 11] = [
        "minReplicas",
        "maxReplicas",
        "scaleTarget",
        "scaleMetric",
        "schedule",
        "stopAfterIdle",
        "maxStarting",
        "failedStarts",
        "pendingGrace",
        "maxPending",
        "path",
    ];
    let path = about.path;
    let found = [HOSTS.about.path, MODELS.about.path].contains(&path);
    let scaled = SCALING.contains(&path) || path.starts_with("autoscaling.");
    // Nobody listens in between.
    let secured = path.starts_with("upstreamTls.");
    !found && !scaled && !secured && !is_of_processes(path)
}

fn report_to(node: &Node, complaints: &mut Complaints) -> Option<ReportTo> {
    let written = text(node, &mut Complaints::default()).unwrap_or_default();
    let uri: Option<http::Uri> = written.parse().ok();
    let read = uri.filter(|uri| uri.scheme_str() == Some("http") && uri.query().is_none());
    let read = read.and_then(|uri| {
        let authority = uri.authority()?.as_str().to_owned();
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Some(ReportTo { authority, prefix })
    });
    match read.filter(|to| !to.authority.contains('@')) {
        Some(to) => Some(to),
        None => wanted(node, "a URL such as http://gateway:9090", complaints),
    }
}
