//! Which process runs on which core. A proxy that shares its core with the load is measured with
//! the load's cost in it, and one that wanders is measured with the cost of wandering.

use std::ffi::OsStr;
use std::process::Stdio;
use std::thread::available_parallelism;

use anyhow::Result;
use tokio::process::Command;

/// The cores of a run; `None` where nothing can be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Of the proxy.
    pub(crate) proxy: Option<u32>,
    /// Of generator and upstream.
    pub(crate) load: Option<u32>,
}

impl Cores {
    /// Puts this process, the load generator, on its core: what it starts stays there unless it
    /// is placed elsewhere. Without `taskset` or a second core nothing is pinned.
    pub(crate) async fn claim(share_one: bool) -> Result<Self> {
        let nowhere = Self {
            proxy: None,
            load: None,
        };
        if available_parallelism()?.get() < 2 {
            return Ok(nowhere);
        }
        let me = std::process::id().to_string();
        let pinned = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", "1", &me])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await;
        Ok(match pinned {
            Ok(status) if status.success() => Self {
                proxy: Some(u32::from(share_one)),
                load: Some(1),
            },
            _ => nowhere,
        })
    }

    /// In words, for the head of a report.
    pub(crate) fn describe(self) -> String {
        match (self.proxy, self.load) {
            (Some(proxy), Some(load)) if proxy == load => format!("all on core {proxy}"),
            (Some(proxy), Some(load)) => {
                format!("the proxy on core {proxy}, generator and upstream on core {load}")
            }
            _ => "not pinned (no taskset, or one core): compare nothing with other runs".to_owned(),
        }
    }
}

/// A command on that core. `taskset` becomes the program, so the process id is the program's.
pub(crate) fn on_core(core: Option<u32>, program: impl AsRef<OsStr>) -> Command {
    match core {
        None => Command::new(program),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]).arg(program);
            command
        }
    }
}
