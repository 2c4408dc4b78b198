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

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::process::Signal;
use support::cpu::pss;
use support::crowd::{BATCH, BODY_BYTES, Crowd, Held};
use support::kernel::raise_file_limit;
use support::place::Cores;
use support::process::{Server, find_program, free_address};
use support::summary::{cell, median, table};
use support::wire::get;
use support::{gate, peers};

/// Slots: one, so that what the model server sees has one order.
const LIMIT: u32 = 1;
/// Open files of a process beside those of the requests.
const OTHER_FILES: u64 = 200;
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
        let holdgate = Round::by_holdgate(cores, flags.requests).await;
        ours.push(holdgate.context("holdgate")?);
        if let Some(haproxy) = Round::by_haproxy(cores, flags.requests).await? {
            theirs.push(haproxy);
        }
        println!("round {round} of {} done", flags.rounds);
    }
    report(&ours, &theirs);
    let misses = misses(&ours);
    ensure!(misses.is_empty(), "holdgate missed {}", misses.join(", "));
    Ok(())
}

/// What was seen of one peer in one round.
struct Round {
    held: Held,
    in_order: bool,
}

impl Round {
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
        let in_order = in_order(address).await?;
        server.stop().await?;
        Ok(Self { held, in_order })
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
        let in_order = in_order(model.address).await?;
        server.stop().await?;
        Ok(Self { held, in_order })
    }
}

/// Whether the model server behind this address has seen the requests in the order in which they
/// were sent.
async fn in_order(address: SocketAddr) -> Result<bool> {
    #[derive(serde::Deserialize)]
    struct Seen {
        sequence: Vec<usize>,
    }
    let body = get(address, "/stats?sequence=1").await?;
    let seen: Seen = serde_json::from_str(&body).context(body.clone())?;
    let batches = seen.sequence.iter().map(|nth| nth / BATCH);
    Ok(batches.is_sorted())
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

fn report(ours: &[Round], theirs: &[Round]) {
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
    let yardstick = median(theirs.iter().map(|round| round.held.waiting));
    for (name, rounds) in [("holdgate", ours), ("haproxy", theirs)] {
        if rounds.is_empty() {
            println!("{name}: not measured: not installed");
            continue;
        }
        let middle =
            |number: fn(&Held) -> f64| median(rounds.iter().map(|round| number(&round.held)));
        let unanswered: usize = rounds.iter().map(|round| round.held.unanswered).sum();
        let in_order = rounds.iter().all(|round| round.in_order);
        lines.push(vec![
            name.to_owned(),
            cell(middle(|held| held.waiting), 0),
            cell(middle(|held| held.waiting) / yardstick, 2),
            cell(middle(|held| held.peak), 0),
            cell(middle(|held| held.peak / held.waiting), 2),
            cell(middle(|held| held.after), 0),
            cell(middle(|held| held.drain.as_secs_f64()), 2),
            unanswered.to_string(),
            if in_order { "yes" } else { "no" }.to_owned(),
        ]);
    }
    println!("\n{}", table(&lines));
}

/// The bars that were missed, in words.
fn misses(rounds: &[Round]) -> Vec<String> {
    let held = median(rounds.iter().map(|round| round.held.waiting));
    let growth = rounds
        .iter()
        .map(|round| round.held.peak / round.held.waiting);
    let growth = median(growth);
    let unanswered: usize = rounds.iter().map(|round| round.held.unanswered).sum();
    let bars = [
        (unanswered == 0, format!("{unanswered} answers")),
        (
            rounds.iter().all(|round| round.in_order),
            "the order".to_owned(),
        ),
        (held <= MOST_BYTES, format!("the memory: {held:.0} B")),
        (growth <= MOST_GROWTH, format!("the drain: {growth:.2}")),
    ];
    let missed = bars.into_iter().filter(|(met, _)| !met);
    missed.map(|(_, words)| words).collect()
}
