//! User instructions and system calls a request, for Holdgate and its peers, with one and with 16
//! kept connections; before one slot, 15 of those 16 have to wait. They hardly move with the load
//! of the machine, which makes them the figures to watch between two versions. Wants `valgrind`
//! and `strace`; measures what it finds.
//! `cargo bench --profile dist --bench counts` builds what is shipped.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use support::counting::{Callgrind, system_calls, under_callgrind};
use support::loadgen::{Load, post};
use support::place::{Cores, Launcher};
use support::process::{Server, find_program, start_minimal, start_part};
use support::summary::{cell, table};
use support::{gate, peers};

/// Of a request's body.
const BODY_BYTES: usize = 1024;
/// The peers, the yardstick first.
const PEERS: [&str; 8] = [
    "minimal",
    "minimal, limited",
    "minimal, one slot",
    "holdgate",
    "holdgate, one slot",
    "holdgate, recording",
    "haproxy",
    "nginx",
];

/// Counts instructions and system calls a request.
#[derive(Parser)]
struct Flags {
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    if support::play_a_part()? {
        return Ok(());
    }
    let Flags { bench: _ } = Flags::parse();
    support::on_one_thread(measure())?
}

async fn measure() -> Result<()> {
    let bench = Bench {
        cores: Cores::claim(false).await?,
        folder: tempfile::tempdir()?,
    };
    let upstream = start_part(&bench.cores.for_load(), "upstream", &[]).await?;
    println!(
        "POST of {BODY_BYTES} B; built with profile {}",
        gate::profile()
    );
    println!("holdgate: {}\n", gate::binary().display());
    let mut rows = vec![
        [
            "",
            "instructions, 1 conn",
            "16 conns",
            "÷ minimal",
            "system calls, 1 conn",
            "16 conns",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let mut yardstick = f64::NAN;
    for peer in PEERS {
        let instructions = bench.instructions(peer, upstream.address).await;
        let calls = bench.system_calls(peer, upstream.address).await;
        if peer == PEERS[0] {
            yardstick = instructions[1];
        }
        rows.push(vec![
            peer.to_owned(),
            cell(instructions[0], 0),
            cell(instructions[1], 0),
            cell(instructions[1] / yardstick, 2),
            cell(calls[0], 2),
            cell(calls[1], 2),
        ]);
    }
    println!("\n{}", table(&rows));
    upstream.stop().await
}

struct Bench {
    cores: Cores,
    folder: tempfile::TempDir,
}

/// With one connection and with 16; NaN where nothing could be counted.
type Counts = [f64; 2];

impl Bench {
    async fn instructions(&self, peer: &str, upstream: SocketAddr) -> Counts {
        let counts = self
            .folder
            .path()
            .join(format!("{}.callgrind", peer.replace([',', ' '], "-")));
        let by = under_callgrind(self.cores.for_proxy(), &counts);
        let count = async {
            if find_program("valgrind").is_none() {
                return Ok(None);
            }
            let Some(server) = self.start(peer, &by, upstream).await? else {
                return Ok(None);
            };
            let mut callgrind = Callgrind::new(server.pid, counts);
            let mut found = [f64::NAN; 2];
            for (found, connections) in found.iter_mut().zip([1, 16]) {
                *found = callgrind
                    .instructions(&load(server.address, connections))
                    .await?;
            }
            server.stop().await?;
            Ok(Some(found))
        };
        tell(peer, "instructions", count.await)
    }

    async fn system_calls(&self, peer: &str, upstream: SocketAddr) -> Counts {
        let count = async {
            if find_program("strace").is_none() {
                return Ok(None);
            }
            let Some(server) = self.start(peer, &self.cores.for_proxy(), upstream).await? else {
                return Ok(None);
            };
            let mut found = [f64::NAN; 2];
            for (found, connections) in found.iter_mut().zip([1, 16]) {
                let load = load(server.address, connections);
                *found = system_calls(server.pid, &load, self.folder.path()).await?;
            }
            server.stop().await?;
            Ok(Some(found))
        };
        tell(peer, "system calls", count.await)
    }

    async fn start(&self, peer: &str, by: &Launcher, to: SocketAddr) -> Result<Option<Server>> {
        let folder: &Path = self.folder.path();
        match peer {
            "minimal" => start_minimal(by, &[to], 0).await.map(Some),
            "minimal, limited" => start_minimal(by, &[to], 64).await.map(Some),
            "minimal, one slot" => start_minimal(by, &[to], 1).await.map(Some),
            "holdgate" => gate::start(by, &self.cores.for_load(), &[]).await.map(Some),
            "holdgate, one slot" => {
                let limit = ["--container-concurrency", "1"];
                let server = gate::start(by, &self.cores.for_load(), &limit).await;
                server.map(Some)
            }
            "holdgate, recording" => {
                let file = folder.join("holdgate.trace");
                let record = ["--record", file.to_str().unwrap_or("holdgate.trace")];
                let server = gate::start(by, &self.cores.for_load(), &record).await;
                server.map(Some)
            }
            "haproxy" => peers::haproxy(by, folder, &[to], 0).await,
            _ => peers::nginx(by, folder, &[to]).await,
        }
    }
}

/// Says why something is missing from the table.
fn tell(peer: &str, what: &str, count: Result<Option<Counts>>) -> Counts {
    match count {
        Ok(Some(counts)) => return counts,
        Ok(None) => println!("{peer}: no {what}: not installed"),
        Err(error) => println!("{peer}: no {what}: {error:#}"),
    }
    [f64::NAN; 2]
}

fn load(to: SocketAddr, connections: usize) -> Load {
    Load {
        to,
        connections,
        request: post("/v1/models/bench:predict", "bench", BODY_BYTES),
        duration: Duration::from_secs(300),
    }
}
