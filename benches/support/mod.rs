//! What the benchmarks share: a load generator, an upstream, the yardstick proxy, the peers, and
//! eyes for what a process costs. Everything that must not share a core with another is a process
//! of its own: the benchmark's binary starts itself again under the name of a part.

#![allow(dead_code, reason = "each benchmark uses some of it")]

pub(crate) mod contest;
pub(crate) mod counting;
pub(crate) mod cpu;
pub(crate) mod crowd;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod http2;
pub(crate) mod kernel;
pub(crate) mod loadgen;
pub(crate) mod minimal;
pub(crate) mod peers;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod summary;
pub(crate) mod timed;
pub(crate) mod upstream;
pub(crate) mod wire;

mod pacer;

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result};

/// Plays the part that the command line names, if it names one: `upstream PORT [BYTES]`,
/// `upstream-h2 PORT`, `events PORT CONFIRMATIONS`, `timed PORT SHORTEST LONGEST` (milliseconds),
/// `minimal PORT LIMIT UPSTREAM…` (limit 0 is none) or `minimal-h2 PORT h1|h2 UPSTREAM`. True when
/// it has.
pub(crate) fn play_a_part() -> Result<bool> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["upstream", port] => {
            on_one_thread(upstream::serve(port.parse()?, upstream::ANSWER_BYTES))??;
        }
        ["upstream", port, bytes] => {
            on_one_thread(upstream::serve(port.parse()?, bytes.parse()?))??;
        }
        ["upstream-h2", port] => on_one_thread(http2::serve(port.parse()?))??,
        ["events", port, confirmations] => {
            on_one_thread(events::serve(port.parse()?, confirmations.parse()?))??;
        }
        ["timed", port, shortest, longest] => {
            let service_time = timed::ServiceTime {
                shortest: shortest.parse()?,
                longest: longest.parse()?,
            };
            on_one_thread(timed::serve(port.parse()?, service_time))??;
        }
        ["minimal", port, limit, ref upstreams @ ..] => {
            let upstreams: Result<Vec<SocketAddr>, _> =
                upstreams.iter().map(|text| text.parse()).collect();
            on_one_thread(minimal::serve(port.parse()?, limit.parse()?, upstreams?))??;
        }
        ["minimal-h2", port, onward, upstream] => {
            let onward_h2 = onward == "h2";
            on_one_thread(minimal::serve_h2(
                port.parse()?,
                onward_h2,
                upstream.parse()?,
            ))??;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Runs to the end on this thread alone.
pub(crate) fn on_one_thread<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not start tokio")?;
    Ok(runtime.block_on(work))
}
