//! Holdgate itself, as a person would start it: with the model server as its child.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use tokio::process::Command;

use super::place::Launcher;
use super::process::{Server, free_address};

/// The binary to measure: `HOLDGATE_BIN`, else the one built with this very benchmark, so that
/// both sides of a ratio come from one profile.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("HOLDGATE_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_holdgate")),
        PathBuf::from,
    )
}

/// The cargo profile of this benchmark, by where it was built.
pub(crate) fn profile() -> String {
    let folder = std::env::current_exe().ok().and_then(|me| {
        let folder = me.parent()?.parent()?.file_name()?;
        Some(folder.to_string_lossy().into_owned())
    });
    folder.unwrap_or_else(|| "unknown".to_owned())
}

/// Starts `holdgate run` on one thread before one upstream of ours, which it launches in turn.
pub(crate) async fn start(
    by: &Launcher,
    upstream_by: &Launcher,
    more_flags: &[&str],
) -> Result<Server> {
    let model = upstream_by.words_of_part(&["upstream", "{port}"])?;
    let flags = [
        &["--min-replicas", "1", "--readiness-path", "/"],
        more_flags,
    ]
    .concat();
    let (command, address) = command(by, &flags, model)?;
    Server::start(command, address).await
}

/// The same before a part of ours that need only listen, whatever it speaks.
pub(crate) async fn start_before(
    by: &Launcher,
    upstream_by: &Launcher,
    part: &[&str],
    more_flags: &[&str],
) -> Result<Server> {
    let model = upstream_by.words_of_part(part)?;
    let flags = [&["--min-replicas", "1"], more_flags].concat();
    let (command, address) = command(by, &flags, model)?;
    Server::start_listening(command, address).await
}

/// The words that start `holdgate run` on one thread before model servers of this command, and
/// where it will listen.
pub(crate) fn command(
    by: &Launcher,
    flags: &[&str],
    model: impl IntoIterator<Item = OsString>,
) -> Result<(Command, SocketAddr)> {
    let (address, admin) = (free_address()?, free_address()?);
    let mut command = by.command(binary());
    command
        .args(["run", "--listen", &address.to_string()])
        .args(["--admin", &admin.to_string(), "--state", "off"])
        .args(["--name", "bench", "--worker-threads", "1"])
        .args(flags)
        .arg("--")
        .args(model);
    Ok((command, address))
}
