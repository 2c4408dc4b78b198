//! How fast a freed slot is taken: with the queue always full, the time from the last byte of an
//! answer to the first byte of the next request, as the replica itself sees both. One replica,
//! limits 1 and 10. Beside `HAProxy` and the minimal proxy with a semaphore.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use support::loadgen::{Load, float, post};
use support::place::Cores;
use support::process::{Server, start_minimal, start_part};
use support::summary::{cell, median, percentile, table};
use support::timed::{Seen, ServiceTime, start_gate};
use support::{gate, peers};

/// Clients, many more than slots.
const WORKERS: usize = 64;
/// Of a request's body.
const BODY_BYTES: usize = 1024;
/// The limits, each with what the replica takes for a request. With several slots the times
/// differ, so that slots fall free one by one.
const SCENES: [(u32, ServiceTime); 2] = [
    (
        1,
        ServiceTime {
            shortest: 1,
            longest: 3,
        },
    ),
    (
        10,
        ServiceTime {
            shortest: 5,
            longest: 45,
        },
    ),
];
/// Who is measured.
const PEERS: [&str; 3] = ["holdgate", "haproxy", "minimal, semaphore"];

/// Measures how long a freed slot stays empty.
#[derive(Parser)]
struct Flags {
    /// Rounds in which every peer has its turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of a turn
    #[arg(long, default_value_t = 4)]
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
    println!(
        "{WORKERS} workers at one replica, {} rounds of {} s each;",
        flags.rounds, flags.seconds
    );
    println!(
        "{}; built with profile {}\n",
        cores.describe(),
        gate::profile()
    );
    let folder = tempfile::tempdir()?;
    let head = [
        "",
        "limit",
        "slots handed over",
        "p50 µs",
        "p99 µs",
        "(least)",
        "longest µs",
        "÷ haproxy p50",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for (limit, service_time) in SCENES {
        let scene = Scene {
            limit,
            service_time,
            duration: Duration::from_secs(flags.seconds),
        };
        lines.extend(scene.play(cores, folder.path(), flags.rounds).await?);
    }
    println!("\n{}", table(&lines));
    Ok(())
}

struct Scene {
    limit: u32,
    service_time: ServiceTime,
    duration: Duration,
}

impl Scene {
    /// Every peer in every round; the lines of the table.
    async fn play(&self, cores: Cores, folder: &Path, rounds: u32) -> Result<Vec<Vec<String>>> {
        let words = self.service_time.words();
        let model = start_part(&cores.for_load(), "timed", &words).await?;
        let mut servers = Vec::new();
        for peer in PEERS {
            let server = self.start(peer, cores, folder, model.address).await;
            match server {
                Ok(Some(server)) => servers.push((peer, server, Vec::new())),
                Ok(None) => println!("{peer}: not measured: not installed"),
                Err(error) => println!("{peer}: not measured: {error:#}"),
            }
        }
        for round in 1..=rounds {
            for (peer, server, turns) in &mut servers {
                turns.push(self.gaps(server).await.context(*peer)?);
            }
            println!("limit {}: round {round} of {rounds} done", self.limit);
        }
        let yardstick = servers.iter().find(|(peer, ..)| *peer == "haproxy");
        let yardstick = yardstick.map_or(f64::NAN, |(.., turns)| middle(turns, 50.0));
        let lines = servers
            .iter()
            .map(|(peer, _, turns)| self.line(peer, turns, yardstick));
        let lines = lines.collect();
        for (_, server, _) in servers {
            server.stop().await?;
        }
        model.stop().await?;
        Ok(lines)
    }

    async fn start(
        &self,
        peer: &str,
        cores: Cores,
        folder: &Path,
        to: SocketAddr,
    ) -> Result<Option<Server>> {
        let by = cores.for_proxy();
        match peer {
            "haproxy" => peers::haproxy(&by, folder, &[to], self.limit).await,
            "holdgate" => start_gate(cores, self.service_time, 1, self.limit)
                .await
                .map(Some),
            _ => start_minimal(&by, &[to], self.limit as usize)
                .await
                .map(Some),
        }
    }

    /// Microseconds, in ascending order, of one turn.
    async fn gaps(&self, server: &Server) -> Result<Vec<f64>> {
        // Whoever had a turn before has left slots that nobody took.
        Seen::ask(server.address).await?;
        let load = Load {
            to: server.address,
            connections: WORKERS,
            request: post("/v1/models/bench:predict", "bench", BODY_BYTES),
            duration: self.duration,
        };
        let report = load.closed_loop().await?;
        let failed = report.errors + report.other_statuses;
        ensure!(failed == 0, "{failed} requests were not answered with 200");
        let seen = Seen::ask(server.address).await?;
        let most = u64::from(self.limit);
        ensure!(
            seen.most_at_work <= most,
            "{} at work at once, limit {most}",
            seen.most_at_work
        );
        let mut gaps = seen.gaps_us;
        gaps.sort_by(f64::total_cmp);
        Ok(gaps)
    }

    fn line(&self, peer: &str, turns: &[Vec<f64>], yardstick: f64) -> Vec<String> {
        let count: usize = turns.iter().map(Vec::len).sum();
        let p99s = turns.iter().map(|turn| percentile(turn, 99.0));
        let p50 = middle(turns, 50.0);
        vec![
            peer.to_owned(),
            self.limit.to_string(),
            cell(float(count as u64), 0),
            cell(p50, 0),
            cell(middle(turns, 99.0), 0),
            cell(p99s.fold(f64::NAN, f64::min), 0),
            cell(middle(turns, 100.0), 0),
            cell(p50 / yardstick, 2),
        ]
    }
}

/// The middle one of the rounds' percentiles.
fn middle(turns: &[Vec<f64>], percent: f64) -> f64 {
    median(turns.iter().map(|turn| percentile(turn, percent)))
}
