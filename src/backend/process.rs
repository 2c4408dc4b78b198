//! Real processes: a free port, a group of its own, the keeper told before the command runs, its
//! output in our log, and nothing left of the group at its end.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

use super::gauges::{Directory, ProcessGauges};
use super::group::ProcessGroup;
use super::helper::{self, EXEC};
use super::keeper::Keeper;
use super::places::Places;
use super::probe::NetProbe;
use super::seams::{Child, LaunchError, Launcher, Order};
use super::spec::ProcessSpec;
use super::supervisor::{Settings, Supervisor};
use crate::ports::{Occupancy, World};
use crate::revision::{Endpoint, RevisionId};
use crate::tls::ReplicaTls;

/// So many ports are not handed out a second time: their servers may not have bound them yet.
const RECENT_PORTS: usize = 256;
/// From fork to the running command; the machine is at fault if it takes longer.
const EXEC_WITHIN: Duration = Duration::from_secs(30);

/// This machine as a place for model servers: one for each gate, shared by its revisions.
#[derive(Clone, Debug)]
pub struct Host {
    exe: PathBuf,
    keeper: Keeper,
    places: Places,
    directory: Directory,
    recent_ports: Arc<Mutex<VecDeque<u16>>>,
}

impl Host {
    /// `exe` is our own binary: it provides the keeper and the shim, and is what a first word
    /// `holdgate` in a command means. `places` says how many may run at once, and on what.
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(exe: PathBuf, places: Places) -> Self {
        Self {
            keeper: Keeper::new(exe.clone()),
            exe,
            places,
            directory: Directory::default(),
            recent_ports: Arc::default(),
        }
    }

    /// Starts supervising one revision here, with nothing wanted yet. It is looked at by TLS as long
    /// as there is some.
    pub fn supervise<O: Occupancy>(
        &self,
        settings: Settings,
        spec: ProcessSpec,
        occupancy: Arc<O>,
        tls: watch::Receiver<Option<ReplicaTls>>,
    ) -> Supervisor {
        let launcher = self.launcher(settings.revision.clone());
        Supervisor::start(
            settings,
            spec,
            (launcher, NetProbe(tls)),
            self.places.clone(),
            occupancy,
        )
    }

    /// Reads what the ready replicas of this world, which is one of ours, use and report, the latter by
    /// TLS as long as there is some.
    #[must_use]
    pub fn gauges(
        &self,
        world: watch::Receiver<World>,
        tls: watch::Receiver<Option<ReplicaTls>>,
    ) -> ProcessGauges {
        ProcessGauges::new(self.directory.clone(), world, tls)
    }

    /// Starts processes of one revision.
    #[must_use]
    pub fn launcher(&self, revision: RevisionId) -> ProcessLauncher {
        ProcessLauncher {
            host: self.clone(),
            revision,
        }
    }

    fn free_port(&self) -> io::Result<u16> {
        let mut recent = self.recent_ports.lock();
        // Held until one is found, so that the system cannot offer the same one again.
        let mut refused = Vec::new();
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            if recent.contains(&port) && refused.len() < RECENT_PORTS {
                refused.push(listener);
                continue;
            }
            if recent.len() == RECENT_PORTS {
                recent.pop_front();
            }
            recent.push_back(port);
            return Ok(port);
        }
    }
}

/// Starts processes of one revision on a [`Host`].
#[derive(Clone, Debug)]
pub struct ProcessLauncher {
    host: Host,
    revision: RevisionId,
}

impl Launcher for ProcessLauncher {
    type Child = ProcessGroup;

    fn endpoint(&self) -> io::Result<Endpoint> {
        Ok(Endpoint(
            (Ipv4Addr::LOCALHOST, self.host.free_port()?).into(),
        ))
    }

    async fn launch(&self, order: &Order) -> Result<ProcessGroup, LaunchError> {
        let machine = |error: io::Error| LaunchError::Machine(error.to_string());
        let (ours, theirs) = StdUnixStream::pair().map_err(machine)?;
        ours.set_nonblocking(true).map_err(machine)?;
        let socket = UnixStream::from_std(ours).map_err(machine)?;
        let mut command = self.command(order, theirs.into());
        let child = command
            .spawn()
            .map_err(|error| not_spawned(&order.spec, &error))?;
        // The parent's copy of the socket must go, or its end of file would never come.
        drop(command);
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let group = group.ok_or_else(|| LaunchError::Machine("it has no process id".into()))?;
        let keeper = self.host.keeper.clone();
        let process = ProcessGroup::adopt(child, group, keeper, (&self.revision, order.replica));
        let started = timeout(EXEC_WITHIN, self.give_leave(socket, group)).await;
        let failure = match started {
            Ok(Ok(None)) => {
                let cores = order.spec.resources.cpu.unwrap_or(1.0);
                let listed = &self.host.directory;
                listed.list(order.endpoint, process.sighting(), cores);
                return Ok(process);
            }
            Ok(Ok(Some(cause))) => LaunchError::NotRunnable {
                command: self.program(&order.spec),
                cause,
            },
            Ok(Err(error)) => machine(error),
            Err(_) => LaunchError::Machine(format!("it did not run within {EXEC_WITHIN:?}")),
        };
        process.kill();
        process.gone().await;
        Err(failure)
    }
}

impl ProcessLauncher {
    /// The shim that becomes the command when it is given leave through `stdin`.
    fn command(&self, order: &Order, stdin: OwnedFd) -> Command {
        let Order {
            endpoint,
            spec,
            devices,
            ..
        } = order;
        let port = endpoint.0.port().to_string();
        let with_port = |text: &str| text.replace("{port}", &port);
        let mut command = Command::new(&self.host.exe);
        command
            .args([EXEC, &helper::given_open_files()])
            .arg(self.program(spec))
            .args(spec.command.iter().skip(1).map(|arg| with_port(arg)))
            .env("PORT", &port)
            .envs(visible(devices))
            .envs(
                spec.env
                    .iter()
                    .map(|(name, value)| (name, with_port(value))),
            )
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(dir) = &spec.dir {
            command.current_dir(dir);
        }
        command
    }

    fn program(&self, spec: &ProcessSpec) -> String {
        match spec.command.first().map(String::as_str) {
            Some("holdgate") => self.host.exe.to_string_lossy().into_owned(),
            first => first.unwrap_or_default().to_owned(),
        }
    }

    /// Returns why the command could not be run, if so.
    async fn give_leave(&self, mut socket: UnixStream, group: Pid) -> io::Result<Option<String>> {
        self.host.keeper.tell(group.as_raw_nonzero().get()).await?;
        socket.write_all(b"!").await?;
        let mut cause = String::new();
        socket.read_to_string(&mut cause).await?;
        Ok(Some(cause).filter(|cause| !cause.is_empty()))
    }
}

/// What lets a process see these devices and no others. What its own settings say of these
/// variables holds over it: AMD's HIP counts the first within what the second leaves.
fn visible(devices: &[String]) -> impl Iterator<Item = (&'static str, String)> {
    let names = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"];
    let names = names.into_iter().filter(|_| !devices.is_empty());
    names.map(|name| (name, devices.join(",")))
}

/// The shim itself did not start: the folder is missing, or the machine is at its end.
fn not_spawned(spec: &ProcessSpec, error: &io::Error) -> LaunchError {
    match &spec.dir {
        Some(dir) if !dir.is_dir() => LaunchError::NotRunnable {
            command: spec.command.first().cloned().unwrap_or_default(),
            cause: format!("{} is not a directory", dir.display()),
        },
        _ => LaunchError::Machine(error.to_string()),
    }
}
