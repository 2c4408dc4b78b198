//! A machine that exists in memory only.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backend::seams::{Child, Exit, LaunchError, Launcher, Order, Probe, Sight};
use crate::backend::spec::ProcessSpec;
use crate::revision::{Endpoint, ReplicaId};

/// What the next process will do.
#[derive(Clone, Debug)]
pub(super) enum Script {
    /// Ready so long after its launch.
    ReadyAfter(Duration),
    /// Exits with status 1 so long after its launch, never ready.
    CrashAfter(Duration),
    /// Listens and answers 404 for ever.
    NotFound,
    /// Listens on another port.
    Elsewhere(u16),
    /// Listens on its port, at another address.
    Aside,
    /// Nobody hears it until it is asked where it listens; then it answers 404.
    HeardLate,
    /// Cannot be run.
    NotRunnable,
}

/// One process that was launched.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) replica: ReplicaId,
    pub(super) port: u16,
    pub(super) spec: Arc<ProcessSpec>,
    pub(super) devices: Vec<String>,
    pub(super) launched: Instant,
    pub(super) terminated: Option<Instant>,
    pub(super) killed: Option<Instant>,
    script: Script,
    end: watch::Sender<bool>,
}

impl Process {
    pub(super) fn is_running(&self) -> bool {
        !*self.end.borrow()
    }
}

#[derive(Debug, Default)]
struct Inside {
    processes: Vec<Process>,
    scripts: VecDeque<Script>,
    ports: u16,
    /// Processes exit on SIGTERM unless told to ignore it.
    ignores_term: bool,
}

/// The machine; clones are the same one. Processes without a script are ready after 1 s.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine(Arc<Mutex<Inside>>);

impl Machine {
    pub(super) fn next(&self, scripts: impl IntoIterator<Item = Script>) {
        self.0.lock().scripts.extend(scripts);
    }

    pub(super) fn ignore_term(&self) {
        self.0.lock().ignores_term = true;
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        self.0.lock().processes.clone()
    }

    pub(super) fn running(&self) -> Vec<ReplicaId> {
        let inside = self.0.lock();
        let running = inside.processes.iter().filter(|p| p.is_running());
        running.map(|p| p.replica).collect()
    }

    /// As `kill -9` from outside.
    pub(super) fn crash(&self, replica: ReplicaId) {
        self.change(replica, |process| {
            process.end.send_replace(true);
        });
    }

    fn change(&self, replica: ReplicaId, change: impl FnOnce(&mut Process)) {
        let mut inside = self.0.lock();
        let process = inside.processes.iter_mut().find(|p| p.replica == replica);
        change(process.expect("the replica was launched"));
    }

    fn at_port(&self, port: u16) -> Option<Process> {
        // Asked at every look: nothing is cloned but the one, from the end where those are that run.
        let inside = self.0.lock();
        let mut last_first = inside.processes.iter().rev();
        let found = last_first.find(|p| p.port == port && p.is_running());
        found.cloned()
    }
}

pub(super) struct Simulated {
    machine: Machine,
    replica: ReplicaId,
    port: u16,
    script: Script,
    end: watch::Receiver<bool>,
}

impl Launcher for Machine {
    type Child = Simulated;

    fn endpoint(&self) -> io::Result<Endpoint> {
        let mut inside = self.0.lock();
        inside.ports += 1;
        Ok(Endpoint(([127, 0, 0, 1], 40_000 + inside.ports).into()))
    }

    async fn launch(&self, order: &Order) -> Result<Simulated, LaunchError> {
        sleep(Duration::from_millis(2)).await;
        let mut inside = self.0.lock();
        let script = inside.scripts.pop_front();
        let script = script.unwrap_or(Script::ReadyAfter(Duration::from_secs(1)));
        let (end, ended) = watch::channel(false);
        inside.processes.push(Process {
            replica: order.replica,
            port: order.endpoint.0.port(),
            spec: order.spec.clone(),
            devices: order.devices.clone(),
            launched: Instant::now(),
            terminated: None,
            killed: None,
            script: script.clone(),
            end: end.clone(),
        });
        match script {
            Script::NotRunnable => {
                end.send_replace(true);
                return Err(LaunchError::NotRunnable {
                    command: "foo".into(),
                    cause: "No such file or directory".into(),
                });
            }
            Script::CrashAfter(after) => {
                tokio::spawn(async move {
                    sleep(after).await;
                    end.send_replace(true);
                });
            }
            _ => {}
        }
        Ok(Simulated {
            machine: self.clone(),
            replica: order.replica,
            port: order.endpoint.0.port(),
            script,
            end: ended,
        })
    }
}

impl Child for Simulated {
    async fn down(&self) {
        let mut end = self.end.clone();
        end.wait_for(|end| *end)
            .await
            .expect("the machine keeps the sender");
    }

    async fn gone(&self) -> Exit {
        self.down().await;
        Exit {
            status: "exit status: 1".into(),
            stderr: vec!["no such model".into()],
        }
    }

    fn terminate(&self) {
        let ignores = self.machine.0.lock().ignores_term;
        self.machine.change(self.replica, |process| {
            process.terminated = Some(Instant::now());
            process
                .end
                .send_if_modified(|end| !ignores && !std::mem::replace(end, true));
        });
    }

    fn kill(&self) {
        self.machine.change(self.replica, |process| {
            let was_running = !process.end.send_replace(true);
            process.killed = was_running.then(Instant::now);
        });
    }

    async fn listening(&self) -> Vec<u16> {
        match self.script {
            Script::Elsewhere(port) => vec![port],
            Script::Aside => vec![self.port],
            Script::HeardLate => {
                let heard = |process: &mut Process| process.script = Script::NotFound;
                self.machine.change(self.replica, heard);
                vec![self.port]
            }
            _ => Vec::new(),
        }
    }
}

impl Probe for Machine {
    async fn look(&self, endpoint: Endpoint, _path: Option<&str>) -> Sight {
        let Some(process) = self.at_port(endpoint.0.port()) else {
            return Sight::Nobody;
        };
        match process.script {
            Script::ReadyAfter(after) if process.launched.elapsed() >= after => Sight::Ready,
            Script::NotFound => Sight::NotReady("answers GET /up with 404 Not Found".into()),
            _ => Sight::Nobody,
        }
    }
}
