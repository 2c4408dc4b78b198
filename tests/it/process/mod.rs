//! Local processes as a person meets them: real groups, signals, pipes and ports.

mod kept;
mod launched;
mod supervised;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use holdgate::backend::keeper::Keeper;
use holdgate::backend::places::Places;
use holdgate::backend::seams::{Child, LaunchError, Launcher, Order};
use holdgate::backend::{Host, ProcessSpec, Readiness, Resources, Settings, Supervisor};
use holdgate::ports::{Occupancy, ReplicaState, Scaler, World};
use holdgate::revision::{ReplicaId, RevisionId};
use holdgate::trace::Tape;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

const EXE: &str = env!("CARGO_BIN_EXE_holdgate");
/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// A throttler without requests.
struct Idle(watch::Sender<u64>);

impl Occupancy for Idle {
    fn retire(&self, _count: usize) -> Vec<ReplicaId> {
        // Every scene here goes to zero; those that do not exist are of no interest.
        (1..=64).map(ReplicaId).collect()
    }
    fn retire_one(&self, _replica: ReplicaId) {}
    fn retire_idle(&self, _replica: ReplicaId) -> bool {
        true
    }
    fn revive(&self, _replicas: &[ReplicaId]) -> Vec<ReplicaId> {
        Vec::new()
    }
    fn stuck(&self) -> Vec<ReplicaId> {
        Vec::new()
    }
    fn vacant(&self, replicas: Vec<ReplicaId>) -> Vec<ReplicaId> {
        replicas
    }
    fn idle(&self) -> Vec<(ReplicaId, Option<std::time::Instant>)> {
        Vec::new()
    }
    fn tell_idle(&self, _tell: bool) {}
    fn is_waited_for(&self) -> bool {
        false
    }
    fn vacancies(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

fn supervise(spec: ProcessSpec) -> (Supervisor, watch::Receiver<World>) {
    let settings = Settings {
        typical_start: None,
        revision: RevisionId::new("flowers"),
        stats: Arc::default(),
        failed_starts: 3,
        min_replicas: 0,
        max_starting: None,
        tape: Tape::default(),
    };
    let host = Host::new(EXE.into(), Places::new(16));
    let occupancy = Arc::new(Idle(watch::Sender::new(0)));
    let supervisor = host.supervise(settings, spec, occupancy, watch::channel(None).1);
    let world = supervisor.world();
    (supervisor, world)
}

fn spec(command: &[&str]) -> ProcessSpec {
    ProcessSpec {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        env: Vec::new(),
        dir: None,
        readiness: Readiness {
            path: None,
            timeout: LONG,
        },
        stop_timeout: LONG,
        gpus: 0,
        resources: Resources::default(),
    }
}

fn shell(script: &str) -> ProcessSpec {
    spec(&["sh", "-c", script])
}

/// Launches without supervision.
async fn launch(spec: ProcessSpec) -> Result<(impl Child, u16), LaunchError> {
    let launcher = Host::new(EXE.into(), Places::new(16)).launcher(RevisionId::new("flowers"));
    let endpoint = launcher.endpoint().expect("there is a free port");
    let order = Order {
        replica: ReplicaId(1),
        endpoint,
        spec: Arc::new(spec),
        devices: Vec::new(),
    };
    let child = launcher.launch(&order).await?;
    Ok((child, endpoint.0.port()))
}

async fn seen(world: &mut watch::Receiver<World>, what: impl FnMut(&World) -> bool) -> World {
    let seen = timeout(LONG, world.wait_for(what)).await;
    let seen = seen.expect("the world comes to it");
    seen.expect("the supervisor lives").clone()
}

/// What a command has written to a file, once it has written a whole line.
async fn written(file: &Path) -> String {
    let begun = Instant::now();
    loop {
        match std::fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim_end().to_owned(),
            _ => assert!(begun.elapsed() < LONG, "{} stays empty", file.display()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn pid_in(file: &Path) -> Pid {
    let text = written(file).await;
    let pid = text.parse().ok().and_then(Pid::from_raw);
    pid.expect("a process id")
}

/// A zombie that nobody has reaped yet is as good as gone.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let zombie = stat.is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    });
    test_kill_process(pid).is_ok() && !zombie
}

async fn until_dead(pid: Pid) {
    let begun = Instant::now();
    while is_alive(pid) {
        assert!(begun.elapsed() < LONG, "{pid:?} lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn file_in(dir: &tempfile::TempDir, name: &str) -> PathBuf {
    dir.path().join(name)
}
