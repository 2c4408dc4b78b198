//! The proxies people would use instead, set up to their best: one thread or worker, kept
//! upstream connections, no access log.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::place::Launcher;
use super::process::{Server, find_program, free_address};

/// Starts `HAProxy` in front of these, at most `limit` requests each (0 is no limit; the rest
/// waits). `None` where it is not installed. Its configuration lives in `folder`.
pub(crate) async fn haproxy(
    by: &Launcher,
    folder: &Path,
    upstreams: &[SocketAddr],
    limit: u32,
) -> Result<Option<Server>> {
    match haproxy_command(by, folder, upstreams, limit)? {
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
    match haproxy_command(by, folder, upstreams, limit)? {
        Some((command, address)) => Server::start_listening(command, address).await.map(Some),
        None => Ok(None),
    }
}

fn haproxy_command(
    by: &Launcher,
    folder: &Path,
    upstreams: &[SocketAddr],
    limit: u32,
) -> Result<Option<(Command, SocketAddr)>> {
    let Some(program) = find_program("haproxy") else {
        return Ok(None);
    };
    let address = free_address()?;
    let file = folder.join("haproxy.cfg");
    fs::write(&file, haproxy_config(address, upstreams, limit)?).context("haproxy.cfg")?;
    let mut command = by.command(program);
    command.arg("-db").arg("-f").arg(&file);
    Ok(Some((command, address)))
}

// `no strict-limits`: it counts two files for every client and would not start with fewer allowed.
// `http-no-delay`: without it HAProxy holds streamed chunks back for tens of milliseconds.
fn haproxy_config(address: SocketAddr, upstreams: &[SocketAddr], limit: u32) -> Result<String> {
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
    bind {address}
    default_backend models
backend models
    balance leastconn
"
    );
    for (n, upstream) in upstreams.iter().enumerate() {
        write!(config, "    server model{n} {upstream}")?;
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
    let Some(program) = find_program("nginx") else {
        return Ok(None);
    };
    let address = free_address()?;
    let file = folder.join("nginx.conf");
    fs::write(&file, nginx_config(address, upstreams)?).context("nginx.conf")?;
    let mut command = by.command(program);
    command
        .arg("-e")
        .arg("stderr")
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&file);
    Server::start(command, address).await.map(Some)
}

// One process without a master above it, so that one process id has all the CPU time.
fn nginx_config(address: SocketAddr, upstreams: &[SocketAddr]) -> Result<String> {
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
    upstream models {{
        least_conn;
        {servers}
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass http://models;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
    ))
}
