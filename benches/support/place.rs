//! Which process runs on which core. A proxy that shares its core with the load is measured with
//! the load's cost in it, and one that wanders is measured with the cost of wandering.

use std::ffi::OsString;
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

    /// For the proxy.
    pub(crate) fn for_proxy(self) -> Launcher {
        Launcher::on_core(self.proxy)
    }

    /// For the upstream.
    pub(crate) fn for_load(self) -> Launcher {
        Launcher::on_core(self.load)
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

/// The words before a command that decide where it runs, and under whose eyes. Each of these
/// programs becomes the next, so the process id is that of the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launcher(Vec<OsString>);

impl Launcher {
    /// Pinned, where there is a core to pin to.
    pub(crate) fn on_core(core: Option<u32>) -> Self {
        let pinned = core.map(|core| vec!["taskset".into(), "-c".into(), core.to_string().into()]);
        Self(pinned.unwrap_or_default())
    }

    /// With these words between the place and the program.
    pub(crate) fn under(mut self, words: impl IntoIterator<Item = OsString>) -> Self {
        self.0.extend(words);
        self
    }

    /// The words that start a program with arguments.
    pub(crate) fn words(&self, program: impl Into<OsString>, arguments: &[&str]) -> Vec<OsString> {
        let arguments = arguments.iter().map(OsString::from);
        let before = self.0.iter().cloned().chain([program.into()]);
        before.chain(arguments).collect()
    }

    /// The words that start this very binary in another part.
    pub(crate) fn words_of_part(&self, part: &[&str]) -> Result<Vec<OsString>> {
        Ok(self.words(std::env::current_exe()?, part))
    }

    /// The program as it is to be started, ready for its arguments.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut words = self.0.iter().cloned().chain([program.into()]);
        let mut command = Command::new(words.next().expect("there is a program"));
        command.args(words);
        command
    }
}
