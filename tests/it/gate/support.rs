//! A gate that runs, its settings, and the model servers behind it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::client::{Answer, ask, get};
pub(super) use super::log::{Log, Started};
pub(super) use crate::support::{GLANCE, PATIENCE, until};

/// The program under test.
pub(super) const HOLDGATE: &str = env!("CARGO_BIN_EXE_holdgate");

/// What every gate of a test is told.
pub(super) const LOCALLY: [&str; 7] = [
    "run",
    "--listen",
    "127.0.0.1:0",
    "--admin",
    "127.0.0.1:0",
    "--log-format",
    "json",
];

/// A running gate. Dropped, it gets SIGKILL; its keeper ends what it has started.
pub(super) struct Gate {
    process: Child,
    pub(super) pid: Pid,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
    log: Log,
}

impl Gate {
    /// `holdgate run` with these words, once it has said where it listens.
    pub(super) async fn run(words: &[&str]) -> Self {
        Self::spawn(holdgate(&[&LOCALLY[..], words].concat())).await
    }

    /// The same with a command that is ready to go.
    pub(super) async fn spawn(mut command: Command) -> Self {
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let pid = pid(process.id().expect("it has not been waited for"));
        let mut log = Log::of(process.stderr.take().expect("it was piped"));
        let welcome = log.next(|line| line.says("listening on http://")).await;
        let mut ports = addresses(welcome.message());
        Self {
            process,
            pid,
            address: ports.next().expect("the data port is named"),
            admin: ports.next().expect("the admin port is named"),
            log,
        }
    }

    /// Everything it has said and will say, from the beginning.
    pub(super) fn log(&self) -> Log {
        self.log.clone()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the gate is there");
    }

    /// How it ended, once it has.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.process.wait()).await;
        ended.expect("the gate ends").expect("it is our child")
    }

    /// One page of the admin port.
    pub(super) async fn admin(&self, path: &str) -> Answer {
        ask(self.admin, get(path))
            .await
            .expect("the admin port answers")
    }

    /// What the admin port tells about a revision.
    pub(super) async fn report(&self, revision: &str) -> Value {
        self.admin(&format!("/revisions/{revision}")).await.json()
    }

    /// That report, once it says something.
    pub(super) async fn until(&self, revision: &str, what: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let report = self.report(revision).await;
            if what(&report) {
                return report;
            }
            assert!(begun.elapsed() < PATIENCE, "it stays {report:#}");
            sleep(GLANCE).await;
        }
    }

    /// Requests to a revision that were counted under this code.
    pub(super) async fn counted(&self, revision: &str, code: u16) -> u64 {
        let name = format!("holdgate_requests_total{{revision=\"{revision}\",code=\"{code}\"}} ");
        let text = self.admin("/metrics").await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(&*name));
        value.map_or(0, |value| value.parse().expect("a number"))
    }
}

/// The program with these words, without what our own surroundings say to it.
pub(super) fn holdgate(words: &[&str]) -> Command {
    let mut command = Command::new(HOLDGATE);
    let ours = std::env::vars().map(|(name, _)| name);
    for name in ours.filter(|name| name.starts_with("HOLDGATE_") || name == "PORT") {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn addresses(text: &str) -> impl Iterator<Item = SocketAddr> {
    text.split("http://").skip(1).filter_map(|rest| {
        let end = rest.find([',', ' ']).unwrap_or(rest.len());
        rest[..end].parse().ok()
    })
}

/// A file of settings in a folder of its own.
pub(super) struct Settings {
    dir: TempDir,
    path: PathBuf,
}

impl Settings {
    pub(super) fn new(revisions: &[String]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("proxy.yaml");
        let settings = Self { dir, path };
        settings.write(revisions);
        settings
    }

    pub(super) fn write(&self, revisions: &[String]) {
        self.write_text(&format!("revisions:\n{}", revisions.concat()));
    }

    /// In one step, as editors do it.
    pub(super) fn write_text(&self, text: &str) {
        let new = self.dir.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, &self.path).expect("put in its place");
    }

    pub(super) fn path(&self) -> &str {
        self.path.to_str().expect("a plain path")
    }

    pub(super) async fn run(&self, words: &[&str]) -> Gate {
        Gate::run(&[&["-f", self.path()], words].concat()).await
    }
}

/// A revision of stand-in model servers that tell their process id before they begin.
/// `settings` are keys of the revision in flow style, `flags` the server's own.
pub(super) fn revision(name: &str, settings: &str, flags: &str) -> String {
    script(
        name,
        settings,
        &format!("echo pid $$; {}", model(name, flags)),
    )
}

/// The shell's words that become a stand-in model server.
pub(super) fn model(name: &str, flags: &str) -> String {
    format!("exec '{HOLDGATE}' sample-model --port {{port}} --model {name} {flags}")
}

/// A revision whose command is a shell's script.
pub(super) fn script(name: &str, settings: &str, script: &str) -> String {
    let command = Value::from(vec!["sh", "-c", script]);
    let mut text = format!("- {{ name: {name}, hosts: [{name}.test], models: [{name}], ");
    let _ = writeln!(text, "{settings}, process: {{ command: {command} }} }}");
    text
}

pub(super) fn pid(number: u32) -> Pid {
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    pid.expect("a process id")
}

/// A zombie that nobody has reaped yet is as good as gone.
pub(super) fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let after_name = |stat: &String| stat.rsplit(')').next().map(str::to_owned);
    let state = stat.ok().as_ref().and_then(after_name);
    test_kill_process(pid).is_ok() && !state.is_some_and(|state| state.starts_with(" Z"))
}

/// Waits until none of them is left, and not longer than that takes.
pub(super) async fn until_dead(pids: &[Pid], within: Duration) {
    let begun = Instant::now();
    while let Some(pid) = pids.iter().find(|&&pid| is_alive(pid)) {
        assert!(begun.elapsed() < within, "{pid:?} lives on");
        sleep(GLANCE).await;
    }
}
