//! Counts that do not depend on how busy the machine is: user instructions (valgrind's callgrind)
//! and system calls (strace). Each is the difference of a long and a short load, so that what
//! happens once, like opening connections, is not in it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::loadgen::{Load, float};
use super::place::Launcher;

/// Requests of the short load.
const SHORT: u64 = 500;
/// Requests of the long one.
const LONG: u64 = 2500;

/// A launcher whose program counts its instructions into files that begin like this one.
pub(crate) fn under_callgrind(launcher: Launcher, counts: &Path) -> Launcher {
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(counts);
    launcher.under(["valgrind".into(), "--tool=callgrind".into(), file])
}

/// Reads the counts of a process under callgrind, one after the other.
#[derive(Debug)]
pub(crate) struct Callgrind {
    pid: u32,
    counts: PathBuf,
    dumps: u32,
}

impl Callgrind {
    /// Of the process with this id, launched with this file.
    pub(crate) fn new(pid: u32, counts: PathBuf) -> Self {
        Self {
            pid,
            counts,
            dumps: 0,
        }
    }

    /// User instructions a request.
    pub(crate) async fn instructions(&mut self, load: &Load) -> Result<f64> {
        self.command("zero").await?;
        send(load, SHORT).await?;
        let short = self.dump().await?;
        send(load, LONG).await?;
        let long = self.dump().await?;
        Ok(per_request(short, long))
    }

    /// What was counted since the last dump.
    async fn dump(&mut self) -> Result<u64> {
        self.command("dump").await?;
        self.dumps += 1;
        let mut file = self.counts.clone().into_os_string();
        file.push(format!(".{}", self.dumps));
        let text = fs::read_to_string(&file).context("callgrind has not dumped")?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        Ok(total.context("a dump without totals")?.trim().parse()?)
    }

    async fn command(&self, word: &str) -> Result<()> {
        let status = Command::new("vgdb")
            .arg(format!("--pid={}", self.pid))
            .arg(word)
            .stderr(Stdio::null())
            .status()
            .await?;
        ensure!(status.success(), "callgrind did not take `{word}`");
        Ok(())
    }
}

/// System calls a request of a process and all its threads, but not of its children.
pub(crate) async fn system_calls(pid: u32, load: &Load, folder: &Path) -> Result<f64> {
    let short = count_system_calls(pid, load, SHORT, folder).await?;
    let long = count_system_calls(pid, load, LONG, folder).await?;
    Ok(per_request(short, long))
}

async fn count_system_calls(pid: u32, load: &Load, requests: u64, folder: &Path) -> Result<u64> {
    let counts = folder.join("strace");
    let mut strace = Command::new("strace")
        .args(["-c", "-f", "-p", &pid.to_string(), "-o"])
        .arg(&counts)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("could not start strace")?;
    // It says "attached" for each thread, the first one when all of them are stopped.
    let said = strace.stderr.take().context("its stderr is piped")?;
    let first = BufReader::new(said).lines().next_line().await?;
    let attached = first
        .as_deref()
        .is_some_and(|line| line.contains("attached"));
    ensure!(attached, "strace could not attach: {first:?}");
    send(load, requests).await?;
    let id = strace.id().and_then(|id| i32::try_from(id).ok());
    let id = id.and_then(Pid::from_raw).context("strace has ended")?;
    kill_process(id, Signal::INT)?;
    strace.wait().await?;
    total_calls(&fs::read_to_string(counts)?)
}

/// The last line of `strace -c`: percent, seconds, microseconds a call, calls, perhaps errors,
/// "total".
fn total_calls(summary: &str) -> Result<u64> {
    let line = summary.lines().rfind(|line| line.ends_with("total"));
    let calls = line.and_then(|line| line.split_whitespace().nth(3));
    Ok(calls.context("a summary without a total")?.parse()?)
}

async fn send(load: &Load, requests: u64) -> Result<()> {
    let report = load.closed_loop_of(requests).await?;
    ensure!(
        report.answered() == requests,
        "{} of {requests} requests were answered with 200",
        report.answered()
    );
    Ok(())
}

fn per_request(short: u64, long: u64) -> f64 {
    float(long.saturating_sub(short)) / float(LONG - SHORT)
}
