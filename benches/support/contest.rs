//! One kind of traffic, everybody who can carry it, and what each turn said about them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tokio::task::JoinSet;

use super::cpu::cpu_time;
use super::http2::Streams;
use super::loadgen::{Load, Question, Report, float, post};
use super::peers::{self, Hops};
use super::place::Cores;
use super::process::{Server, free_address, or_why_not, start_minimal, start_part_listening};
use super::{events, gate};

/// Workers, each with a connection or a stream of its own.
pub(crate) const WORKERS: usize = 64;
/// Of those whose bodies are large.
const FEW_WORKERS: usize = 8;
/// Requests a second where latency is measured.
const RATE: u32 = 2000;
const FEW_RATE: u32 = 100;
/// Of a request's body.
pub(crate) const BODY_BYTES: usize = 1024;
/// Of both bodies where they are large.
const LARGE: usize = 1024 * 1024;
/// Of the stream whose time is measured, and of each of those whose cost is, for every second of a turn.
const EVENTS: u64 = 1000;
/// Streams at once where cost is measured.
const STREAMS: u64 = 16;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Small bodies in HTTP/1.1
    Http1,
    /// HTTP/2 from clients, HTTP/1.1 to the model server
    Http2,
    /// HTTP/2 on both sides
    Http2Both,
    /// Unary gRPC calls
    Grpc,
    /// Event streams, each event written once the one before is confirmed
    Sse,
    /// Bodies of 1 MiB both ways
    Large,
}

impl Mode {
    /// For the head of its table.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Http1 => format!("HTTP/1.1: POST of {BODY_BYTES} B, {WORKERS} kept connections"),
            Self::Http2 => format!(
                "HTTP/2 from clients, HTTP/1.1 onward: POST of {BODY_BYTES} B, {WORKERS} streams"
            ),
            Self::Http2Both => {
                format!("HTTP/2 on both sides: POST of {BODY_BYTES} B, {WORKERS} streams")
            }
            Self::Grpc => format!("gRPC: unary calls of {BODY_BYTES} B, {WORKERS} streams"),
            Self::Sse => format!(
                "Event streams, each event confirmed: {EVENTS} events on one for the time, {STREAMS} \
                 streams for the cost"
            ),
            Self::Large => {
                format!("Bodies of 1 MiB both ways, HTTP/1.1: {FEW_WORKERS} kept connections")
            }
        }
    }

    fn hops(self) -> Hops {
        let client_h2 = matches!(self, Self::Http2 | Self::Http2Both | Self::Grpc);
        Hops {
            client_h2,
            upstream_h2: client_h2 && self != Self::Http2,
            grpc: self == Self::Grpc,
        }
    }

    /// The words of the model server, ready for its port.
    fn upstream(self, confirmations: SocketAddr) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Http1 | Self::Http2 | Self::Large => &["upstream"],
            Self::Http2Both | Self::Grpc => &["upstream-h2"],
            Self::Sse => &["events"],
        };
        let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
        words.push("{port}".to_owned());
        match self {
            Self::Sse => words.push(confirmations.port().to_string()),
            Self::Large => words.push(LARGE.to_string()),
            _ => {}
        }
        words
    }
}

/// One line of a table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    mode: Mode,
    /// Who answers, or why nobody does.
    server: Result<Server, String>,
    /// Where events are confirmed to the model server behind it.
    confirmations: SocketAddr,
    pub(crate) turns: Vec<Turn>,
}

/// What one round said about one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) errors: u64,
    pub(crate) other_statuses: u64,
}

/// Starts everybody who is wanted and can carry this traffic: the first is the model server itself,
/// the second the yardstick.
pub(crate) async fn start_all(
    mode: Mode,
    cores: Cores,
    folder: &Path,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Row>> {
    let (by, hops, confirmations) = (cores.for_proxy(), mode.hops(), free_address()?);
    let words = mode.upstream(confirmations);
    let direct = start_part_listening(&cores.for_load(), &words[0], &words[2..]).await?;
    let to = direct.address;
    let minimal = if hops.client_h2 {
        let onward = if hops.upstream_h2 { "h2" } else { "h1" };
        let words_of = [onward.to_owned(), to.to_string()];
        start_part_listening(&by, "minimal-h2", &words_of).await
    } else {
        let words_of = ["0".to_owned(), to.to_string()];
        start_part_listening(&by, "minimal", &words_of).await
    };
    let row = |name, server| Row::new(name, mode, server, confirmations);
    let mut rows = vec![
        row("direct", Ok(Some(direct))),
        row("minimal", minimal.map(Some)),
    ];
    if mode == Mode::Http1 && wanted("limited") {
        let limited = start_minimal(&by, &[to], WORKERS).await;
        rows.push(row("minimal, limited", limited.map(Some)));
    }
    if wanted("holdgate") {
        rows.push(start_holdgate(mode, cores).await?);
    }
    if wanted("haproxy") {
        rows.push(row(
            "haproxy",
            peers::haproxy_over(&by, folder, to, hops).await,
        ));
    }
    if wanted("nginx") {
        rows.push(row("nginx", peers::nginx_over(&by, folder, to, hops).await));
    }
    if wanted("envoy") {
        rows.push(row("envoy", peers::envoy(&by, folder, to, hops).await));
    }
    Ok(rows)
}

/// It starts a model server of its own.
async fn start_holdgate(mode: Mode, cores: Cores) -> Result<Row> {
    let (by, confirmations) = (cores.for_proxy(), free_address()?);
    let words = mode.upstream(confirmations);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let flags: &[&str] = if mode.hops().upstream_h2 {
        &["--protocol", "h2c"]
    } else {
        &[]
    };
    let server = gate::start_before(&by, &cores.for_load(), &words, flags).await;
    Ok(Row::new("holdgate", mode, server.map(Some), confirmations))
}

impl Row {
    fn new(
        name: &'static str,
        mode: Mode,
        server: Result<Option<Server>>,
        confirmations: SocketAddr,
    ) -> Self {
        Self {
            name,
            mode,
            server: or_why_not(server),
            confirmations,
            turns: Vec::new(),
        }
    }

    /// Measures it once more, if it is there.
    pub(crate) async fn take_a_turn(&mut self, duration: Duration) -> Result<()> {
        let Ok(server) = &self.server else {
            return Ok(());
        };
        let path = "/v1/models/bench:predict";
        let many = (WORKERS, RATE, duration);
        // Without a proxy between them, both ends speak what the model server does.
        let direct_http1 = self.mode == Mode::Http2 && self.name == "direct";
        let turn = match self.mode {
            _ if direct_http1 => turn(server, post(path, "bench", BODY_BYTES), many).await,
            Mode::Http1 => turn(server, post(path, "bench", BODY_BYTES), many).await,
            Mode::Http2 | Mode::Http2Both => {
                turn(server, Streams::post(path, BODY_BYTES), many).await
            }
            Mode::Grpc => {
                let call = Streams::call("/bench.Model/Predict", BODY_BYTES);
                turn(server, call, many).await
            }
            Mode::Sse => events_turn(server, self.confirmations, duration).await,
            Mode::Large => {
                let few = (FEW_WORKERS, FEW_RATE, duration);
                turn(server, post(path, "bench", LARGE), few).await
            }
        };
        self.turns.push(turn.context(self.name)?);
        Ok(())
    }

    /// Why it was not measured, or what went wrong.
    pub(crate) fn print_troubles(&self) {
        if let Err(reason) = &self.server {
            println!("{}: not measured: {reason}", self.name);
        }
        let (errors, others) = self.turns.iter().fold((0, 0), |(errors, others), turn| {
            (errors + turn.errors, others + turn.other_statuses)
        });
        if errors + others > 0 {
            println!(
                "{}: {errors} errors, {others} answers other than 200",
                self.name
            );
        }
    }

    pub(crate) async fn stop(self) -> Result<()> {
        match self.server {
            Ok(server) => server.stop().await,
            Err(_) => Ok(()),
        }
    }
}

/// Saturated for the cost, then at a fixed rate for the latency.
async fn turn<Q: Question>(
    server: &Server,
    request: Q,
    (connections, rate, duration): (usize, u32, Duration),
) -> Result<Turn> {
    let load = Load {
        to: server.address,
        connections,
        request,
        duration,
    };
    let before = cpu_time(server.pid);
    let saturated = load.closed_loop().await?;
    let cpu_us = cost(before, server, saturated.answered());
    let paced = load.open_loop(rate).await?;
    let both = |count: fn(&Report) -> u64| count(&saturated) + count(&paced);
    Ok(Turn {
        cpu_us,
        per_second: saturated.per_second(),
        p50_us: paced.percentile_us(50.0),
        p99_us: paced.percentile_us(99.0),
        errors: both(|report| report.errors),
        other_statuses: both(|report| report.other_statuses),
    })
}

/// Microseconds of CPU time for each, since `before`.
fn cost(before: Option<Duration>, server: &Server, count: u64) -> f64 {
    match (before, cpu_time(server.pid)) {
        (Some(before), Some(after)) => {
            after.saturating_sub(before).as_secs_f64() * 1e6 / float(count)
        }
        _ => f64::NAN,
    }
}

/// One stream for the time of an event, then many for its cost.
async fn events_turn(server: &Server, confirm: SocketAddr, duration: Duration) -> Result<Turn> {
    let took = events::follow(server.address, confirm, "one", EVENTS).await?;
    let each = EVENTS * duration.as_secs().max(1);
    let (before, begun) = (cpu_time(server.pid), tokio::time::Instant::now());
    let mut streams = JoinSet::new();
    for n in 0..STREAMS {
        let (by, name) = (server.address, Arc::<str>::from(format!("stream-{n}")));
        streams.spawn(async move { events::follow(by, confirm, &name, each).await });
    }
    while let Some(ended) = streams.join_next().await {
        ended??;
    }
    let all = STREAMS * each;
    let per_event = took.as_secs_f64() * 1e6 / float(EVENTS - 1);
    Ok(Turn {
        cpu_us: cost(before, server, all),
        per_second: float(all) / begun.elapsed().as_secs_f64(),
        p50_us: per_event,
        p99_us: f64::NAN,
        errors: 0,
        other_statuses: 0,
    })
}
