//! A running process group: its output in our log, its signals, and nothing left of it at its end.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child as TokioChild;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::keeper::Keeper;
use super::lines::{Tail, each_line};
use super::listening::ports_of;
use super::seams::{Child, Exit};
use crate::revision::{ReplicaId, RevisionId};

/// How long the killed rest of a group may take to vanish, and its pipes to close.
const REST: Duration = Duration::from_millis(500);
const REST_EVERY: Duration = Duration::from_millis(5);

/// A running command and everything it has started in its group.
#[derive(Debug)]
pub struct ProcessGroup {
    group: Pid,
    stage: watch::Receiver<Stage>,
}

/// A group seen from afar: its number, while it is its own.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    group: Pid,
    stage: watch::Receiver<Stage>,
}

impl Sighting {
    /// `None` once the process is down: its number may be somebody else's.
    pub(super) fn number(&self) -> Option<i32> {
        let running = matches!(*self.stage.borrow(), Stage::Running);
        running.then(|| self.group.as_raw_nonzero().get())
    }
}

#[derive(Clone, Debug)]
enum Stage {
    Running,
    Down,
    Gone(Exit),
}

impl ProcessGroup {
    /// From here on the process is read, waited for and cleaned up after, whatever becomes of us.
    pub(super) fn adopt(
        mut child: TokioChild,
        group: Pid,
        keeper: Keeper,
        (revision, replica): (&RevisionId, ReplicaId),
    ) -> Self {
        let (pipes, stderr) = read_out(&mut child, revision, replica);
        let (tell, stage) = watch::channel(Stage::Running);
        let reaper = Reaper {
            child,
            group,
            keeper,
            tell,
        };
        tokio::spawn(reaper.run(pipes, stderr));
        Self { group, stage }
    }

    /// To look at it without holding it.
    pub(super) fn sighting(&self) -> Sighting {
        Sighting {
            group: self.group,
            stage: self.stage.clone(),
        }
    }

    fn signal(&self, signal: Signal) {
        // Once it is down the reaper has ended the group, and its number may be somebody else's.
        if matches!(*self.stage.borrow(), Stage::Running) {
            // A group that has just gone is no error.
            let _ = kill_process_group(self.group, signal);
        }
    }
}

impl Child for ProcessGroup {
    async fn down(&self) {
        let mut stage = self.stage.clone();
        // An error means that the reaper is gone, and it goes last.
        let _ = stage
            .wait_for(|stage| !matches!(stage, Stage::Running))
            .await;
    }

    async fn gone(&self) -> Exit {
        let mut stage = self.stage.clone();
        match stage
            .wait_for(|stage| matches!(stage, Stage::Gone(_)))
            .await
            .as_deref()
        {
            Ok(Stage::Gone(exit)) => exit.clone(),
            _ => Exit::default(),
        }
    }

    fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    async fn listening(&self) -> Vec<u16> {
        let group = self.group.as_raw_nonzero().get();
        let ports = tokio::task::spawn_blocking(move || ports_of(group)).await;
        ports.unwrap_or_default()
    }
}

struct Reaper {
    child: TokioChild,
    group: Pid,
    keeper: Keeper,
    tell: watch::Sender<Stage>,
}

impl Reaper {
    async fn run(mut self, pipes: Vec<JoinHandle<()>>, stderr: Tail) {
        let status = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        // Its leader is gone; what it has started must not outlive it.
        let _ = kill_process_group(self.group, Signal::KILL);
        self.tell.send_replace(Stage::Down);
        let vanished = async {
            while test_kill_process_group(self.group).is_ok() {
                sleep(REST_EVERY).await;
            }
            for pipe in pipes {
                // A reader that panicked has nothing more to say.
                let _ = pipe.await;
            }
        };
        // Without an init that reaps, killed orphans stay as zombies; who left the group may hold
        // a pipe open. Neither is worth waiting for.
        let _ = timeout(REST, vanished).await;
        self.keeper.forget(self.group.as_raw_nonzero().get());
        self.tell.send_replace(Stage::Gone(Exit {
            status,
            stderr: stderr.lines(),
        }));
    }
}

/// Everything a process writes goes to our log; the returned tasks end with its pipes.
fn read_out(
    child: &mut TokioChild,
    revision: &RevisionId,
    replica: ReplicaId,
) -> (Vec<JoinHandle<()>>, Tail) {
    let tail = Tail::default();
    let log = |revision: RevisionId| move |line: &str| info!(target: "model", %revision, %replica, "{line}");
    let stdout = child
        .stdout
        .take()
        .map(|pipe| tokio::spawn(each_line(pipe, log(revision.clone()))));
    let stderr = child.stderr.take().map(|pipe| {
        let (log, tail) = (log(revision.clone()), tail.clone());
        tokio::spawn(each_line(pipe, move |line| {
            tail.push(line);
            log(line);
        }))
    });
    (stdout.into_iter().chain(stderr).collect(), tail)
}
