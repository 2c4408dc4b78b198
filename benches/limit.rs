//! The hard limit under load: 200 clients at 50 slots. Is every replica kept to its limit, does
//! every client get its share, does any slot stay empty, and how long does a client wait against
//! the ideal? Beside `HAProxy` and the minimal proxy with a semaphore.
//!
//! Ends with an error when a bar is missed: the limit exactly, fairness and 80 % of the slots.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use support::cpu::cpu_time;
use support::loadgen::{Load, Report, float, post};
use support::place::Cores;
use support::process::{Server, or_why_not, start_minimal, start_part};
use support::summary::{cell, least, median, table};
use support::timed::{ServiceTime, most_at_work, most_at_work_behind, start_gate};
use support::{gate, peers};

/// Clients, each with a connection of its own.
const WORKERS: usize = 200;
/// Model servers.
const REPLICAS: usize = 5;
/// Requests one of them may work on at once.
const LIMIT: u32 = 10;
/// What they take for each.
const SERVICE: ServiceTime = ServiceTime {
    shortest: 20,
    longest: 20,
};
/// Of a request's body.
const BODY_BYTES: usize = 1024;
/// The least served worker over the most served.
const FAIR: f64 = 0.9;
/// Answers over what the slots could give.
const BUSY: f64 = 0.8;

/// Measures the hard limit.
#[derive(Parser)]
struct Flags {
    /// Rounds in which every peer has its turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of a turn
    #[arg(long, default_value_t = 5)]
    seconds: u64,
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
    let cores = Cores::claim(false).await?;
    let (ms, rounds, seconds) = (SERVICE.shortest, flags.rounds, flags.seconds);
    println!("{WORKERS} workers at {REPLICAS} × {LIMIT} slots of {ms} ms,");
    let (places, profile) = (cores.describe(), gate::profile());
    println!("{rounds} rounds of {seconds} s each; {places}; built with profile {profile}\n");
    let folder = tempfile::tempdir()?;
    let mut models = Vec::new();
    for _ in 0..REPLICAS {
        models.push(start_part(&cores.for_load(), "timed", &SERVICE.words()).await?);
    }
    let mut rows = start_rows(cores, folder.path(), &models).await?;
    let mut directs = Vec::new();
    let duration = Duration::from_secs(flags.seconds);
    for round in 1..=flags.rounds {
        let direct = load(models[0].address, LIMIT as usize, duration);
        directs.push(Direct::of(&direct.closed_loop().await?));
        for row in &mut rows {
            row.take_a_turn(duration, &models).await?;
        }
        println!("round {round} of {} done", flags.rounds);
    }
    report(&directs, &rows);
    let misses = rows[0].misses(&directs);
    let servers = rows.into_iter().filter_map(|row| row.server.ok());
    for server in servers.chain(models) {
        server.stop().await?;
    }
    ensure!(misses.is_empty(), "holdgate missed {}", misses.join(", "));
    Ok(())
}

fn load(to: SocketAddr, connections: usize, duration: Duration) -> Load {
    Load {
        to,
        connections,
        request: post("/v1/models/bench:predict", "bench", BODY_BYTES),
        duration,
    }
}

async fn start_rows(cores: Cores, folder: &std::path::Path, models: &[Server]) -> Result<Vec<Row>> {
    let to: Vec<SocketAddr> = models.iter().map(|model| model.address).collect();
    let by = cores.for_proxy();
    let minimal = start_minimal(&by, &to, LIMIT as usize).await;
    let haproxy = peers::haproxy(&by, folder, &to, LIMIT).await;
    Ok(vec![
        Row::new(
            "holdgate",
            start_gate(cores, SERVICE, REPLICAS, LIMIT).await.map(Some),
            true,
        ),
        Row::new("haproxy", haproxy, false),
        Row::new("minimal, semaphore", minimal.map(Some), false),
    ])
}

/// What the direct run of a round says about the slots.
struct Direct {
    /// Mean seconds of an answer, as a slot sees it.
    service: f64,
    p50_us: f64,
}

impl Direct {
    fn of(report: &Report) -> Self {
        Self {
            service: f64::from(LIMIT) / report.per_second(),
            p50_us: report.percentile_us(50.0),
        }
    }

    /// Answers a second of all slots when none is ever empty.
    fn most_per_second(&self) -> f64 {
        slots() / self.service
    }

    /// Microseconds until the answer when everybody waits alike.
    fn ideal_us(&self) -> f64 {
        float(WORKERS as u64) / slots() * self.service * 1e6
    }
}

fn slots() -> f64 {
    float(REPLICAS as u64) * f64::from(LIMIT)
}

/// One proxy.
struct Row {
    name: &'static str,
    server: Result<Server, String>,
    /// Its model servers are its own children, to be asked through it.
    own_models: bool,
    turns: Vec<Turn>,
}

/// What one round said about it.
struct Turn {
    report: Report,
    cpu_us: f64,
    most_at_work: u64,
}

impl Row {
    fn new(name: &'static str, server: Result<Option<Server>>, own_models: bool) -> Self {
        Self {
            name,
            server: or_why_not(server),
            own_models,
            turns: Vec::new(),
        }
    }

    async fn take_a_turn(&mut self, duration: Duration, models: &[Server]) -> Result<()> {
        let Ok(server) = &self.server else {
            return Ok(());
        };
        if !self.own_models {
            // What the one before has left is not this one's.
            most_at_work(models).await?;
        }
        let before = cpu_time(server.pid);
        let load = load(server.address, WORKERS, duration);
        let report = load.closed_loop().await.context(self.name)?;
        let after = cpu_time(server.pid);
        let cpu_us = after.zip(before).map_or(f64::NAN, |(after, before)| {
            let cpu = after.saturating_sub(before);
            cpu.as_secs_f64() * 1e6 / float(report.answered())
        });
        let most_at_work = if self.own_models {
            most_at_work_behind(server.address, REPLICAS).await?
        } else {
            most_at_work(models).await?
        };
        self.turns.push(Turn {
            report,
            cpu_us,
            most_at_work,
        });
        Ok(())
    }

    /// One number a round, of the round's own direct run.
    fn each<'a>(
        &'a self,
        directs: &'a [Direct],
        number: impl Fn(&Turn, &Direct) -> f64 + 'a,
    ) -> impl Iterator<Item = f64> + 'a {
        let rounds = self.turns.iter().zip(directs);
        rounds.map(move |(turn, direct)| number(turn, direct))
    }

    fn most_at_work(&self) -> u64 {
        let most = self.turns.iter().map(|turn| turn.most_at_work);
        most.max().unwrap_or(0)
    }

    /// The bars it has missed, in words.
    fn misses(&self, directs: &[Direct]) -> Vec<String> {
        if let Err(reason) = &self.server {
            return vec![format!("everything: {reason}")];
        }
        let fairness = least(self.each(directs, |turn, _| turn.report.fairness()));
        let busy = median(self.each(directs, busy));
        let failed = self.turns.iter().map(|turn| &turn.report);
        let failed: u64 = failed.map(|r| r.errors + r.other_statuses).sum();
        let most = self.most_at_work();
        let bars = [
            (
                most <= u64::from(LIMIT),
                format!("the limit: {most} at once"),
            ),
            (fairness >= FAIR, format!("fairness: {fairness:.2}")),
            (busy >= BUSY, format!("the slots: {busy:.2} of them")),
            (failed == 0, format!("{failed} answers")),
        ];
        let missed = bars.into_iter().filter(|(met, _)| !met);
        missed.map(|(_, words)| words).collect()
    }
}

fn busy(turn: &Turn, direct: &Direct) -> f64 {
    turn.report.per_second() / direct.most_per_second()
}

fn report(directs: &[Direct], rows: &[Row]) {
    let service = median(directs.iter().map(|direct| direct.service * 1e3));
    let p50 = median(directs.iter().map(|direct| direct.p50_us / 1e3));
    let ideal = median(directs.iter().map(|direct| direct.ideal_us() / 1e3));
    println!("\ndirect, {LIMIT} connections: {service:.2} ms an answer (p50 {p50:.2});");
    println!("so the ideal answer takes {ideal:.1} ms\n");
    let head = [
        "",
        "requests/s",
        "of the slots",
        "least ÷ most served",
        "(worst)",
        "p50 ÷ ideal",
        "p99 ÷ ideal",
        "longest ÷ ideal",
        "most in a replica",
        "CPU µs/request",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for row in rows {
        let wait = |percentile: f64| {
            let each = row.each(directs, move |turn, direct| {
                turn.report.percentile_us(percentile) / direct.ideal_us()
            });
            cell(median(each), 3)
        };
        let fairness = || row.each(directs, |turn, _| turn.report.fairness());
        lines.push(vec![
            row.name.to_owned(),
            cell(
                median(row.each(directs, |turn, _| turn.report.per_second())),
                0,
            ),
            cell(median(row.each(directs, busy)), 3),
            cell(median(fairness()), 3),
            cell(least(fairness()), 3),
            wait(50.0),
            wait(99.0),
            wait(100.0),
            row.most_at_work().to_string(),
            cell(median(row.each(directs, |turn, _| turn.cpu_us)), 1),
        ]);
    }
    println!("{}", table(&lines));
    for row in rows {
        if let Err(reason) = &row.server {
            println!("{}: not measured: {reason}", row.name);
        }
    }
}
