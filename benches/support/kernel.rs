//! What the kernel says and allows: open files, and what it still holds of a connection.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{sleep, timeout};

/// How long a server may take to read what was sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Raises how many files a process may open as far as we may; what we start inherits it. Returns
/// how many that is.
pub(crate) fn raise_file_limit() -> Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// Waits until a server has accepted so many connections and read all that was sent on them.
pub(crate) async fn until_read(address: SocketAddr, connections: usize) -> Result<()> {
    let reading = async {
        while connections_read(address.port())? < connections {
            sleep(Duration::from_millis(1)).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, reading)
        .await
        .context("not everything was read")?
}

/// Established connections to a local port in whose receive queue nothing is left.
fn connections_read(port: u16) -> Result<usize> {
    let sockets = fs::read_to_string("/proc/net/tcp")?;
    let (port, nothing) = (format!(":{port:04X}"), ":00000000");
    let read = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state, queues) =
            (fields.next(), fields.next(), fields.next(), fields.next());
        local.is_some_and(|local| local.ends_with(&port))
            && state == Some("01")
            && queues.is_some_and(|queues| queues.ends_with(nothing))
    };
    Ok(sockets.lines().filter(read).count())
}
