//! Child processes that listen: free ports for them, waiting until they answer, ending them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::loadgen::post;
use super::place::Launcher;
use super::wire::Wire;

/// How long a process may take until it answers, and to end. Under valgrind it takes long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that answers on a port. Killed when dropped, if it was not stopped before.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it answers.
    pub(crate) address: SocketAddr,
    /// Whose CPU time and memory to look at.
    pub(crate) pid: u32,
    child: Child,
}

impl Server {
    /// Starts a command and waits until a POST to the port is answered with 200.
    pub(crate) async fn start(command: Command, address: SocketAddr) -> Result<Self> {
        let mut server = Self::spawn(command, address)?;
        server.wait_until(answers).await?;
        server.let_it_talk();
        Ok(server)
    }

    /// Starts a command and waits until its port is open.
    pub(crate) async fn start_listening(command: Command, address: SocketAddr) -> Result<Self> {
        let mut server = Self::spawn(command, address)?;
        server.wait_until(listens).await?;
        server.let_it_talk();
        Ok(server)
    }

    fn spawn(mut command: Command, address: SocketAddr) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!(
                    "could not start {}",
                    command.as_std().get_program().display()
                )
            })?;
        let pid = child.id().context("it has just been started")?;
        Ok(Self {
            address,
            pid,
            child,
        })
    }

    async fn wait_until(&mut self, it_is_up: impl AsyncFn(SocketAddr) -> bool) -> Result<()> {
        let begun = Instant::now();
        while !it_is_up(self.address).await {
            if let Some(status) = self.child.try_wait()? {
                let mut words = String::new();
                if let Some(stderr) = &mut self.child.stderr {
                    stderr.read_to_string(&mut words).await?;
                }
                let last = words
                    .trim()
                    .lines()
                    .next_back()
                    .unwrap_or("nothing on stderr");
                bail!("it ended with {status}: {last}");
            }
            if begun.elapsed() > PATIENCE {
                bail!("it did not answer within {PATIENCE:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Reads its stderr and forgets it: a full pipe would stop the process.
    fn let_it_talk(&mut self) {
        if let Some(mut stderr) = self.child.stderr.take() {
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process has an id above zero")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Asks it to end, so that it can end what it has started; kills it if it does not.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

async fn answers(address: SocketAddr) -> bool {
    let exchange = async {
        let mut wire = Wire::new(TcpStream::connect(address).await?)?;
        wire.send(&post("/", "bench", 0)).await?;
        let answer = wire.receive().await?;
        answer.map(|answer| answer.status()).transpose()
    };
    matches!(timeout(PATIENCE, exchange).await, Ok(Ok(Some(200))))
}

async fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}

/// A server, or in words why there is none.
pub(crate) fn or_why_not(server: Result<Option<Server>>) -> Result<Server, String> {
    match server {
        Ok(Some(server)) => Ok(server),
        Ok(None) => Err("not installed".to_owned()),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// Starts this very binary in another part: `part PORT more…`.
pub(crate) async fn start_part(by: &Launcher, part: &str, more: &[String]) -> Result<Server> {
    let address = free_address()?;
    let mut command = by.command(std::env::current_exe()?);
    command.arg(part).arg(address.port().to_string()).args(more);
    Server::start(command, address).await
}

/// The same for a part that does not answer a POST of HTTP/1.1.
pub(crate) async fn start_part_listening(
    by: &Launcher,
    part: &str,
    more: &[String],
) -> Result<Server> {
    let address = free_address()?;
    let mut command = by.command(std::env::current_exe()?);
    command.arg(part).arg(address.port().to_string()).args(more);
    Server::start_listening(command, address).await
}

/// Starts the yardstick proxy before these, with at most `limit` requests each (0 is no limit).
pub(crate) async fn start_minimal(
    by: &Launcher,
    upstreams: &[SocketAddr],
    limit: usize,
) -> Result<Server> {
    let mut more = vec![limit.to_string()];
    more.extend(upstreams.iter().map(SocketAddr::to_string));
    start_part(by, "minimal", &more).await
}

/// Where a program is installed; system programs are not always on a user's path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
