//! What a request costs in memory while it is held: many requests, each on a connection of its
//! own, sent while no replica is there, then released. Are all answered, in the order in which
//! they came, and does the drain take more memory than the wait? Beside `HAProxy`, whose model
//! server is stopped meanwhile. Linux only: elsewhere nobody tells what a process holds.
//!
//! Ends with an error when a bar is missed: every answer, the order, 18 KiB a request, a drain
//! that takes a tenth more at most.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use support::cpu::pss;
use support::loadgen::{float, post_with};
use support::place::Cores;
use support::process::{Server, find_program, free_address};
use support::summary::{cell, median, table};
use support::wire::Wire;
use support::{gate, peers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Of a request's body.
const BODY_BYTES: usize = 1024;
/// Sent at once, before it is made sure that the gate has them: order is told between these.
const BATCH: usize = 50;
/// Slots: one, so that what the model server sees has one order.
const LIMIT: u32 = 1;
/// Open files of a process beside those of the requests.
const OTHER_FILES: u64 = 200;
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes a held request may cost.
const MOST_BYTES: f64 = 18.0 * 1024.0;
/// What a drain may take over what the wait took.
const MOST_GROWTH: f64 = 1.1;

/// Measures held requests.
#[derive(Parser)]
struct Flags {
    /// Requests to hold
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// Rounds in which every peer has its turn, begun anew
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    if support::play_a_part()? {
        return Ok(());
    }
    let mut flags = Flags::parse();
    let files = raise_file_limit()?;
    let most = usize::try_from(files.saturating_sub(OTHER_FILES))?;
    if flags.requests > most {
        println!("only {most} requests: a process may open {files} files here");
        flags.requests = most;
    }
    support::on_one_thread(measure(&flags))?
}

/// As far as we may; what we start inherits it.
fn raise_file_limit() -> Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.unwrap_or(u64::MAX))
}

async fn measure(flags: &Flags) -> Result<()> {
    ensure!(
        pss(std::process::id()).is_some(),
        "this system does not tell how much memory a process holds"
    );
    let cores = Cores::claim(false).await?;
    println!(
        "{} requests with a body of {BODY_BYTES} B, each on its own connection, {} rounds;",
        flags.requests, flags.rounds
    );
    println!(
        "{}; built with profile {}\n",
        cores.describe(),
        gate::profile()
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=flags.rounds {
        let holdgate = Line::by_holdgate(cores, flags.requests).await;
        ours.push(holdgate.context("holdgate")?);
        if let Some(haproxy) = Line::by_haproxy(cores, flags.requests).await? {
            theirs.push(haproxy);
        }
        println!("round {round} of {} done", flags.rounds);
    }
    report(&ours, &theirs);
    let misses = misses(&ours);
    ensure!(misses.is_empty(), "holdgate missed {}", misses.join(", "));
    Ok(())
}

/// What was seen of one peer in one round. Bytes are over the idle process, for each request.
struct Line {
    held: f64,
    peak: f64,
    after: f64,
    drain: Duration,
    unanswered: usize,
    in_order: bool,
}

impl Line {
    async fn by_holdgate(cores: Cores, requests: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let go = folder.path().join("go");
        let most = (requests + 100).to_string();
        let flags = [
            "--min-replicas",
            "0",
            "--max-replicas",
            "1",
            "--initial-scale",
            "0",
            "--container-concurrency",
            &LIMIT.to_string(),
            "--queue-max-requests",
            &most,
            "--max-connections",
            &most,
            "--queue-max-bytes",
            "1000000000",
            "--queue-cold-timeout",
            "10m",
            "--queue-timeout",
            "10m",
        ];
        let model = cores.for_load().words("sh", &["-c", WAIT_FOR_A_FILE]);
        let model = model.into_iter().chain([go.clone().into_os_string()]);
        let model = model.chain(sample_model("{port}"));
        let (command, address) = gate::command(&cores.for_proxy(), &flags, model)?;
        let server = Server::start_listening(command, address).await?;
        let crowd = Crowd::of(requests, &server).await?;
        let held = crowd.released(&server, || Ok(fs::write(&go, "")?)).await?;
        let held = held.with_order(address).await?;
        server.stop().await?;
        Ok(held)
    }

    async fn by_haproxy(cores: Cores, requests: usize) -> Result<Option<Self>> {
        if find_program("haproxy").is_none() {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let to = free_address()?;
        let mut words = sample_model(&to.port().to_string()).into_iter();
        let program = words.next().context("a command begins with its program")?;
        let mut command = cores.for_load().command(program);
        command.args(words);
        let model = Server::start_listening(command, to).await?;
        let held = Self::by_haproxy_before(&model, cores, folder.path(), requests).await;
        model.stop().await?;
        held.map(Some)
    }

    async fn by_haproxy_before(
        model: &Server,
        cores: Cores,
        folder: &Path,
        requests: usize,
    ) -> Result<Self> {
        let by = cores.for_proxy();
        let started = peers::haproxy_listening(&by, folder, &[model.address], LIMIT).await?;
        let server = started.context("it has just been found")?;
        model.signal(Signal::STOP)?;
        let crowd = Crowd::of(requests, &server).await?;
        let go_on = || model.signal(Signal::CONT);
        let held = crowd.released(&server, go_on).await?;
        let held = held.with_order(model.address).await?;
        server.stop().await?;
        Ok(held)
    }

    /// With what the model server behind this address has seen.
    async fn with_order(mut self, address: SocketAddr) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Seen {
            sequence: Vec<usize>,
        }
        let mut socket = TcpStream::connect(address).await?;
        socket
            .write_all(
                b"GET /stats?sequence=1 HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n",
            )
            .await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("an answer has an empty line")?;
        let seen: Seen = serde_json::from_str(body).context(answer.clone())?;
        let batches = seen.sequence.iter().map(|nth| nth / BATCH);
        self.in_order = batches.is_sorted();
        Ok(self)
    }
}

/// `$0` is the file, the rest the command.
const WAIT_FOR_A_FILE: &str = r#"while ! test -e "$0"; do sleep 0.05; done; exec "$@""#;

fn sample_model(port: &str) -> [OsString; 4] {
    [
        gate::binary().into(),
        "sample-model".into(),
        "--port".into(),
        port.into(),
    ]
}

/// Clients that wait.
struct Crowd {
    clients: Vec<TcpStream>,
    idle: f64,
    held: f64,
}

impl Crowd {
    /// All of them in the server's hands, in order.
    async fn of(requests: usize, server: &Server) -> Result<Self> {
        settle().await;
        let idle = bytes(server)?;
        let mut clients = Vec::new();
        while clients.len() < requests {
            let first = clients.len();
            for nth in first..requests.min(first + BATCH) {
                let sequence = format!("x-sample-sequence: {nth}\r\n");
                let path = "/v1/models/flowers-sample:predict";
                let request = post_with(path, "bench", &sequence, BODY_BYTES);
                let mut client = TcpStream::connect(server.address).await?;
                client.write_all(&request).await?;
                clients.push(client);
            }
            until_read(server.address, clients.len()).await?;
        }
        settle().await;
        let held = bytes(server)?;
        Ok(Self {
            clients,
            idle,
            held,
        })
    }

    /// Lets them go and waits for every answer. The connections stay open to the end.
    async fn released(self, server: &Server, release: impl Fn() -> Result<()>) -> Result<Line> {
        let requests = self.clients.len();
        let mut answers = JoinSet::new();
        let begun = Instant::now();
        release()?;
        for client in self.clients {
            answers.spawn(async move {
                let mut wire = Wire::new(client)?;
                let answer = wire.receive().await?;
                let status = answer.map(|answer| answer.status()).transpose()?;
                anyhow::Ok((wire, status))
            });
        }
        let mut open = Vec::new();
        let mut peak = self.held;
        let mut unanswered = requests;
        while !answers.is_empty() {
            peak = peak.max(bytes(server)?);
            let until = Instant::now() + Duration::from_millis(20);
            while let Ok(Some(answer)) = tokio::time::timeout_at(until, answers.join_next()).await {
                if let Ok((wire, status)) = answer? {
                    unanswered -= usize::from(status == Some(200));
                    open.push(wire);
                }
            }
            ensure!(begun.elapsed() < PATIENCE, "some answers never came");
        }
        let drain = begun.elapsed();
        settle().await;
        let after = bytes(server)?;
        let each = |bytes: f64| (bytes - self.idle) / float(requests as u64);
        Ok(Line {
            held: each(self.held),
            peak: each(peak.max(after)),
            after: each(after),
            drain,
            unanswered,
            in_order: false,
        })
    }
}

async fn settle() {
    sleep(Duration::from_millis(500)).await;
}

fn bytes(server: &Server) -> Result<f64> {
    Ok(float(pss(server.pid).context("the process is gone")?))
}

/// Waits until a server has accepted so many connections and read all that was sent on them.
async fn until_read(address: SocketAddr, connections: usize) -> Result<()> {
    let reading = async {
        while connections_read(address.port())? < connections {
            sleep(Duration::from_millis(1)).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, reading)
        .await
        .context("not everything was read")?
}

/// Established connections to a local port in whose receive queue nothing is left.
fn connections_read(port: u16) -> Result<usize> {
    let sockets = fs::read_to_string("/proc/net/tcp")?;
    let (port, nothing) = (format!(":{port:04X}"), ":00000000");
    let read = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state, queues) =
            (fields.next(), fields.next(), fields.next(), fields.next());
        local.is_some_and(|local| local.ends_with(&port))
            && state == Some("01")
            && queues.is_some_and(|queues| queues.ends_with(nothing))
    };
    Ok(sockets.lines().filter(read).count())
}

fn report(ours: &[Line], theirs: &[Line]) {
    let head = [
        "",
        "B a held request",
        "÷ haproxy",
        "at most in the drain",
        "÷ held",
        "afterwards",
        "drain s",
        "unanswered",
        "in order",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let yardstick = median(theirs.iter().map(|held| held.held));
    for (name, rounds) in [("holdgate", ours), ("haproxy", theirs)] {
        if rounds.is_empty() {
            println!("{name}: not measured: not installed");
            continue;
        }
        let middle = |number: fn(&Line) -> f64| median(rounds.iter().map(number));
        let unanswered: usize = rounds.iter().map(|held| held.unanswered).sum();
        let in_order = rounds.iter().all(|held| held.in_order);
        lines.push(vec![
            name.to_owned(),
            cell(middle(|held| held.held), 0),
            cell(middle(|held| held.held) / yardstick, 2),
            cell(middle(|held| held.peak), 0),
            cell(middle(|held| held.peak / held.held), 2),
            cell(middle(|held| held.after), 0),
            cell(middle(|held| held.drain.as_secs_f64()), 2),
            unanswered.to_string(),
            if in_order { "yes" } else { "no" }.to_owned(),
        ]);
    }
    println!("\n{}", table(&lines));
}

/// The bars that were missed, in words.
fn misses(rounds: &[Line]) -> Vec<String> {
    let held = median(rounds.iter().map(|held| held.held));
    let growth = median(rounds.iter().map(|held| held.peak / held.held));
    let unanswered: usize = rounds.iter().map(|held| held.unanswered).sum();
    let bars = [
        (unanswered == 0, format!("{unanswered} answers")),
        (
            rounds.iter().all(|held| held.in_order),
            "the order".to_owned(),
        ),
        (held <= MOST_BYTES, format!("the memory: {held:.0} B")),
        (growth <= MOST_GROWTH, format!("the drain: {growth:.2}")),
    ];
    let missed = bars.into_iter().filter(|(met, _)| !met);
    missed.map(|(_, words)| words).collect()
}
