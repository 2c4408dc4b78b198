//! What a request costs on its way through Holdgate, beside a minimal proxy on the same library,
//! `HAProxy`, nginx and Envoy: CPU time when saturated, and latency added at a fixed rate; for HTTP/1.1,
//! HTTP/2, gRPC, event streams and large bodies, each in a table of its own.
//!
//! Absolute figures belong to the machine and the minute. What can be compared are the ratios:
//! each is of two runs of the same round, and the middle one of all rounds is shown.
//! `cargo bench --profile dist --bench overhead` builds what is shipped.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use support::contest::{Mode, Row, start_all};
use support::gate;
use support::place::Cores;
use support::summary::{cell, least, median, median_ratio, table};

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
    #[arg(long, value_name = "PEER", value_delimiter = ',', value_parser = ["limited", "holdgate", "haproxy", "nginx", "envoy"])]
    only: Vec<String>,
    /// Only this traffic
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    mode: Vec<Mode>,
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
        "{} rounds of {} s for each load; {}; built with profile {}",
        flags.rounds,
        flags.seconds,
        cores.describe(),
        gate::profile()
    );
    println!("holdgate: {}", gate::binary().display());
    let wanted = |mode: &Mode| flags.mode.is_empty() || flags.mode.contains(mode);
    for mode in Mode::value_variants().iter().filter(|mode| wanted(mode)) {
        println!("\n{}", mode.title());
        measure_one(flags, *mode, cores).await?;
    }
    Ok(())
}

async fn measure_one(flags: &Flags, mode: Mode, cores: Cores) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let wanted = |name: &str| flags.only.is_empty() || flags.only.iter().any(|only| only == name);
    let mut rows = start_all(mode, cores, folder.path(), wanted).await?;
    for round in 1..=flags.rounds {
        for row in &mut rows {
            row.take_a_turn(Duration::from_secs(flags.seconds)).await?;
        }
        println!("round {round} of {} done", flags.rounds);
    }
    println!("\n{}", table(&summarise(mode, &rows)));
    for row in &rows {
        row.print_troubles();
    }
    for row in rows {
        row.stop().await?;
    }
    Ok(())
}

impl Row {
    fn cpu_us(&self) -> Vec<f64> {
        self.turns.iter().map(|turn| turn.cpu_us).collect()
    }

    fn p50_us(&self) -> Vec<f64> {
        self.turns.iter().map(|turn| turn.p50_us).collect()
    }

    fn p99_us(&self) -> Vec<f64> {
        self.turns.iter().map(|turn| turn.p99_us).collect()
    }
}

/// What is added to the direct way, round by round.
fn added(through: &[f64], past: &[f64]) -> Vec<f64> {
    let rounds = through.iter().zip(past);
    rounds.map(|(through, past)| through - past).collect()
}

fn summarise(mode: Mode, rows: &[Row]) -> Vec<Vec<String>> {
    let (one, each, half) = match mode {
        Mode::Sse => ("CPU µs/event", "events/s", "µs/event"),
        _ => ("CPU µs/request", "requests/s", "p50 µs"),
    };
    let head = [
        "",
        one,
        "(least)",
        "÷ minimal",
        "÷ envoy",
        each,
        half,
        "÷ direct",
        "added",
        "÷ minimal",
        "p99 µs",
        "added",
        "÷ minimal",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| summarise_one(row, rows)));
    lines
}

fn summarise_one(row: &Row, rows: &[Row]) -> Vec<String> {
    let (direct, minimal) = (&rows[0], &rows[1]);
    let envoy = rows.iter().find(|row| row.name == "envoy");
    let envoy = envoy.map(Row::cpu_us).unwrap_or_default();
    let cpu = row.cpu_us();
    let mut line = vec![
        row.name.to_owned(),
        cell(median(cpu.iter().copied()), 1),
        cell(least(cpu.iter().copied()), 1),
        cell(median_ratio(&cpu, &minimal.cpu_us()), 2),
        cell(median_ratio(&cpu, &envoy), 2),
        cell(median(row.turns.iter().map(|turn| turn.per_second)), 0),
    ];
    for (n, percentile) in [Row::p50_us, Row::p99_us].into_iter().enumerate() {
        let (through, past) = (percentile(row), percentile(direct));
        let more = added(&through, &past);
        line.push(cell(median(through.iter().copied()), 0));
        if n == 0 {
            line.push(cell(median_ratio(&through, &past), 2));
        }
        if std::ptr::eq(row, direct) {
            line.extend(["–".to_owned(), "–".to_owned()]);
            continue;
        }
        line.push(cell(median(more.iter().copied()), 0));
        line.push(cell(
            median_ratio(&more, &added(&percentile(minimal), &past)),
            2,
        ));
    }
    line
}
