//! The settings of a gateway in a cluster, once: as those in `config::keys`. What a gateway shares with
//! a gate of local processes is written there.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::WorkloadKind;
use crate::config::complaint::Complaints;
use crate::config::key::{About, Key, Shape, Table, keys};
use crate::config::keys::{
    ADMIN_TOKEN_FILE, API_KEYS, DEFAULTS, HEADER_TIMEOUT, IDLE_CONNECTION_TIMEOUT, MAX_CONNECTIONS,
    MAX_HEADER_BYTES, MAX_HEADERS, MAX_QUEUED_BYTES, MAX_QUEUED_REQUESTS, MAX_STREAMS, MODEL_SCAN,
    RECORD, RECORD_SIZE, TLS_CERT_FILE, TLS_CERTIFICATES, TLS_CLIENT_CA, TLS_CLIENT_CERTIFICATES,
    TLS_KEY_FILE,
};
use crate::config::pod::label;
use crate::config::tree::Node;
use crate::config::value::{list, text, wanted};
use crate::config::words::{address, address_or_off, directory, host};

keys! {
    /// The keys that mean something else to a gateway, or nothing to others.
    #[expect(dead_code, reason = "the table that is read has those of others as well")]
    OWN {
    LISTEN: SocketAddr = "listen", --"listen" "ADDRESS" One, "0.0.0.0:8080", address,
        "Address for requests";
    ADMIN: Option<SocketAddr> = "admin", --"admin" "ADDRESS" One, "0.0.0.0:9090", address_or_off,
        "Address for health, metrics and reports, or off";
    TLS_LISTEN: SocketAddr = "tls.listen", --"tls-listen" "ADDRESS" One, "0.0.0.0:8443", address,
        "Address for requests by TLS, once there is a certificate";
    PEERS: Option<SocketAddr> = "peers", --"peers" "ADDRESS" One, "0.0.0.0:9092", address_or_off,
        "Address for the other gateways of the installation, which reach it on the same port, or off";
    REPORT_TOKEN: PathBuf = "reportTokenFile", --"report-token-file" "FILE" One, "", directory,
        "File with the token that sidecars prove themselves with; when not written, their reports \
         are not taken";
    DOMAIN: String = "domain", --"domain" "DOMAIN" One, "", domain,
        "Domain of the hosts that lead to revisions; when not written, that of the cluster's own \
         routes, else example.com";
    NAMESPACES: Vec<String> = "namespaces", --"namespace" "NAMESPACE" List, "", namespaces,
        "Namespace to look for workloads in; when not written, all of them";
    WORKLOADS: Vec<WorkloadKind> = "workloads", --"workload" "KIND.VERSION.GROUP" List, "", workloads,
        "Kind of workload beside deployments and stateful sets, such as Rollout.v1alpha1.argoproj.io";
    TAKEOVER_PORTS: RangeInclusive<u16> = "takeoverPorts", --"takeover-ports" "FROM-TO" One,
        "20000-29999", ports,
        "Ports to listen on for callers of Services that pass the gate (path), one for each port of \
         each of them";
    }
}

/// The keys of a gateway.
pub(in crate::config) static GATEWAY: Table = &[
    &LISTEN,
    &ADMIN,
    &TLS_LISTEN,
    &TLS_CERT_FILE,
    &TLS_KEY_FILE,
    &TLS_CERTIFICATES,
    &TLS_CLIENT_CA,
    &TLS_CLIENT_CERTIFICATES,
    &ADMIN_TOKEN_FILE,
    &PEERS,
    &MAX_CONNECTIONS,
    &MAX_STREAMS,
    &MAX_QUEUED_REQUESTS,
    &MAX_QUEUED_BYTES,
    &MAX_HEADER_BYTES,
    &MAX_HEADERS,
    &HEADER_TIMEOUT,
    &IDLE_CONNECTION_TIMEOUT,
    &RECORD,
    &RECORD_SIZE,
    &REPORT_TOKEN,
    &API_KEYS,
    &MODEL_SCAN,
    &DOMAIN,
    &NAMESPACES,
    &WORKLOADS,
    &TAKEOVER_PORTS,
    &DEFAULTS,
];

fn domain(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let mut told = Complaints::default();
    let name = host(node, &mut told).map(|name| name.trim_matches('.').to_owned());
    match name.filter(|name| !name.is_empty() && told.is_empty()) {
        Some(name) => Some(name),
        None => wanted(node, "a domain such as example.com", complaints),
    }
}

fn namespaces(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    list(
        node,
        complaints,
        "a list of namespaces",
        |node, complaints| label(node, complaints, "the name of a namespace"),
    )
}

/// The lowest port that anybody may open.
const LOWEST_PORT: u16 = 1024;

fn ports(node: &Node, complaints: &mut Complaints) -> Option<RangeInclusive<u16>> {
    let written = text(node, &mut Complaints::default()).unwrap_or_default();
    let ends = written.split_once('-');
    let ends =
        ends.and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
    match ends.filter(|(from, to)| (LOWEST_PORT..=*to).contains(from)) {
        Some((from, to)) => Some(from..=to),
        None => wanted(
            node,
            "a range of ports from 1024 to 65535 such as 20000-29999",
            complaints,
        ),
    }
}

fn workloads(node: &Node, complaints: &mut Complaints) -> Option<Vec<WorkloadKind>> {
    list(node, complaints, "a list of kinds", workload)
}

fn workload(node: &Node, complaints: &mut Complaints) -> Option<WorkloadKind> {
    let what = "KIND.VERSION.GROUP such as Rollout.v1alpha1.argoproj.io";
    let written = text(node, &mut Complaints::default()).unwrap_or_default();
    let mut parts = written.splitn(3, '.');
    let (kind, version) = (parts.next(), parts.next());
    let group = parts.next().unwrap_or_default();
    let is_kind = |kind: &&str| {
        kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let is_version = |version: &&str| {
        let mut chars = version.chars();
        chars.next() == Some('v') && chars.next().is_some_and(|c| c.is_ascii_digit())
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let read = kind.filter(is_kind).zip(version.filter(is_version));
    match read.filter(|_| group.chars().all(plain)) {
        Some((kind, version)) => Some(WorkloadKind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        }),
        None => wanted(node, what, complaints),
    }
}
