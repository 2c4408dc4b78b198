//! What a request costs on its way through Holdgate, beside a minimal proxy on the same library,
//! `HAProxy` and nginx: CPU time when saturated, and latency added at a fixed rate.
//!
//! Absolute figures belong to the machine and the minute. What can be compared are the ratios:
//! each is of two runs of the same round, and the middle one of all rounds is shown.
//! `cargo bench --profile dist --bench overhead` builds what is shipped.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use support::cpu::cpu_time;
use support::loadgen::{Load, Report, float, post};
use support::place::Cores;
use support::process::{Server, or_why_not, start_minimal, start_part};
use support::summary::{cell, least, median, median_ratio, table};
use support::{gate, peers};

/// Kept connections.
const CONNECTIONS: usize = 64;
/// Requests a second where latency is measured.
const RATE: u32 = 2000;
/// Of a request's body.
const BODY_BYTES: usize = 1024;

/// Measures what a proxy adds to a request.
#[derive(Parser)]
struct Flags {
    /// Rounds in which every peer has its turn
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each of the two loads in a turn
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Everything on one core: steadier latencies at a fixed rate, throughput without meaning
    #[arg(long)]
    one_core: bool,
    /// Leave out all but these (direct and minimal stay)
    #[arg(long, value_name = "PEER", value_delimiter = ',', value_parser = ["limited", "holdgate", "haproxy", "nginx"])]
    only: Vec<String>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    if support::play_a_part()? {
        return Ok(());
    }
    support::on_one_thread(measure(&Flags::parse()))?
}

async fn measure(flags: &Flags) -> Result<()> {
    let cores = Cores::claim(flags.one_core).await?;
    println!(
        "POST of {BODY_BYTES} B answered with {} B over {CONNECTIONS} kept connections, {} rounds of {} s each;",
        support::upstream::ANSWER_BYTES,
        flags.rounds,
        flags.seconds,
    );
    println!(
        "{}; built with profile {}",
        cores.describe(),
        gate::profile()
    );
    println!("holdgate: {}\n", gate::binary().display());
    let folder = tempfile::tempdir()?;
    let upstream = start_part(&cores.for_load(), "upstream", &[]).await?;
    let mut rows = start_all(flags, cores, folder.path(), upstream).await?;
    for round in 1..=flags.rounds {
        for row in &mut rows {
            row.take_a_turn(Duration::from_secs(flags.seconds)).await?;
        }
        println!("round {round} of {} done", flags.rounds);
    }
    println!("\n{}", table(&summarise(&rows)));
    for row in &rows {
        row.print_troubles();
    }
    for row in rows {
        if let Ok(server) = row.server {
            server.stop().await?;
        }
    }
    Ok(())
}

/// One line of the table.
struct Row {
    name: &'static str,
    /// Who answers, or why nobody does.
    server: Result<Server, String>,
    turns: Vec<Turn>,
}

/// What one round said about one peer.
struct Turn {
    cpu_us: f64,
    saturated: Report,
    paced: Report,
}

async fn start_all(
    flags: &Flags,
    cores: Cores,
    folder: &std::path::Path,
    upstream: Server,
) -> Result<Vec<Row>> {
    let (to, by) = ([upstream.address], cores.for_proxy());
    let minimal = start_minimal(&by, &to, 0).await;
    let mut rows = vec![
        Row::new("direct", Ok(Some(upstream))),
        Row::new("minimal", minimal.map(Some)),
    ];
    let wanted = |name: &str| flags.only.is_empty() || flags.only.iter().any(|only| only == name);
    if wanted("limited") {
        let limited = start_minimal(&by, &to, CONNECTIONS).await;
        rows.push(Row::new("minimal, limited", limited.map(Some)));
    }
    if wanted("holdgate") {
        let holdgate = gate::start(&by, &cores.for_load(), &[]).await;
        rows.push(Row::new("holdgate", holdgate.map(Some)));
    }
    if wanted("haproxy") {
        let haproxy = peers::haproxy(&by, folder, &to, 0).await;
        rows.push(Row::new("haproxy", haproxy));
    }
    if wanted("nginx") {
        rows.push(Row::new("nginx", peers::nginx(&by, folder, &to).await));
    }
    Ok(rows)
}

impl Row {
    fn new(name: &'static str, server: Result<Option<Server>>) -> Self {
        Self {
            name,
            server: or_why_not(server),
            turns: Vec::new(),
        }
    }

    async fn take_a_turn(&mut self, duration: Duration) -> Result<()> {
        let Ok(server) = &self.server else {
            return Ok(());
        };
        let load = Load {
            to: server.address,
            connections: CONNECTIONS,
            request: Arc::clone(&post("/v1/models/bench:predict", "bench", BODY_BYTES)),
            duration,
        };
        let before = cpu_time(server.pid);
        let saturated = load.closed_loop().await.context(self.name)?;
        let after = cpu_time(server.pid);
        let cpu_us = match (before, after) {
            (Some(before), Some(after)) => {
                after.saturating_sub(before).as_secs_f64() * 1e6 / float(saturated.answered())
            }
            _ => f64::NAN,
        };
        let paced = load.open_loop(RATE).await.context(self.name)?;
        self.turns.push(Turn {
            cpu_us,
            saturated,
            paced,
        });
        Ok(())
    }

    fn cpu_us(&self) -> Vec<f64> {
        self.turns.iter().map(|turn| turn.cpu_us).collect()
    }

    fn percentile_us(&self, percentile: f64) -> Vec<f64> {
        let turns = self.turns.iter();
        turns
            .map(|turn| turn.paced.percentile_us(percentile))
            .collect()
    }

    /// What it adds to the direct way, round by round.
    fn added_us(&self, direct: &Self, percentile: f64) -> Vec<f64> {
        let (through, past) = (
            self.percentile_us(percentile),
            direct.percentile_us(percentile),
        );
        through
            .iter()
            .zip(&past)
            .map(|(through, past)| through - past)
            .collect()
    }

    fn print_troubles(&self) {
        if let Err(reason) = &self.server {
            println!("{}: not measured: {reason}", self.name);
        }
        let reports = self
            .turns
            .iter()
            .flat_map(|turn| [&turn.saturated, &turn.paced]);
        let (errors, others) = reports.fold((0, 0), |(errors, others), report| {
            (errors + report.errors, others + report.other_statuses)
        });
        if errors + others > 0 {
            println!(
                "{}: {errors} errors, {others} answers other than 200",
                self.name
            );
        }
    }
}

fn summarise(rows: &[Row]) -> Vec<Vec<String>> {
    let (direct, minimal) = (&rows[0], &rows[1]);
    let head = [
        "",
        "CPU µs/request",
        "(least)",
        "÷ minimal",
        "requests/s",
        "p50 µs",
        "added",
        "÷ minimal",
        "p99 µs",
        "added",
        "÷ minimal",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for row in rows {
        let cpu = row.cpu_us();
        let mut line = vec![
            row.name.to_owned(),
            cell(median(cpu.iter().copied()), 1),
            cell(least(cpu.iter().copied()), 1),
            cell(median_ratio(&cpu, &minimal.cpu_us()), 2),
            cell(
                median(row.turns.iter().map(|turn| turn.saturated.per_second())),
                0,
            ),
        ];
        for percentile in [50.0, 99.0] {
            let added = row.added_us(direct, percentile);
            line.push(cell(median(row.percentile_us(percentile)), 0));
            if std::ptr::eq(row, direct) {
                line.extend(["–".to_owned(), "–".to_owned()]);
                continue;
            }
            line.push(cell(median(added.iter().copied()), 0));
            line.push(cell(
                median_ratio(&added, &minimal.added_us(direct, percentile)),
                2,
            ));
        }
        lines.push(line);
    }
    lines
}
