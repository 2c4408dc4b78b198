//! What a permit costs: nanoseconds to arrive at a throttler, get a slot and give it back, with
//! few and many replicas, alone and with a second thread at the same lock; and what it costs to
//! hand a freed slot to the head of a line.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use holdgate::ports::{ReplicaState, ReplicaView, World};
use holdgate::revision::{ContainerConcurrency, Endpoint, QueueLimits, ReplicaId};
use holdgate::throttler::{Arrival, Permit, Place, Throttler};
use support::loadgen::float;
use support::summary::{cell, median, table};
use tokio::time::Instant;

/// How many replicas are ready.
const REPLICAS: [u64; 4] = [1, 16, 64, 256];
/// Written limits: none, packed, least loaded.
const LIMITS: [u32; 3] = [0, 1, 10];
/// Requests in line where slots are handed over.
const LINES: [usize; 3] = [1, 100, 10_000];
/// Permits of one sample.
const PERMITS: u32 = 100_000;

/// Measures what a permit costs.
#[derive(Parser)]
struct Flags {
    /// Samples, of which the middle one is shown
    #[arg(long, default_value_t = 9)]
    samples: u32,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let samples = flags.samples;
    println!("ns a permit, the middle one of {samples} samples of {PERMITS} permits\n");
    let head = ["replicas", "limit", "alone", "two threads, each"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for replicas in REPLICAS {
        for limit in LIMITS {
            let alone = middle(samples, || alone(&throttler(replicas, limit)));
            // One slot in all: the second thread would only ever be sent to the line.
            let contended = if replicas == 1 && limit == 1 {
                Ok(f64::NAN)
            } else {
                middle(samples, || contended(&throttler(replicas, limit)))
            };
            lines.push(vec![
                replicas.to_string(),
                limit.to_string(),
                cell(alone?, 0),
                cell(contended?, 0),
            ]);
        }
    }
    println!("{}", table(&lines));
    let head = ["in line", "ns to leave, hand over and join again"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for waiting in LINES {
        let ns = middle(samples, || handed_over(&throttler(1, 1), waiting))?;
        lines.push(vec![waiting.to_string(), cell(ns, 0)]);
    }
    println!("{}", table(&lines));
    Ok(())
}

/// With so many ready replicas of such a limit.
fn throttler(replicas: u64, limit: u32) -> Arc<Throttler<()>> {
    let bounds = QueueLimits {
        max_requests: usize::MAX,
        max_bytes: u64::MAX,
        timeout: Duration::MAX,
        cold_timeout: Duration::MAX,
        read_ahead: 0,
        order: holdgate::revision::QueueOrder::Fifo,
    };
    let throttler = Throttler::new(ContainerConcurrency::new(limit), bounds);
    let replica = |id| ReplicaView {
        kept_by: None,
        phase: None,
        uid: None,
        id: ReplicaId(id),
        name: None,
        endpoint: Some(Endpoint(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)))),
        detail: None,
        state: ReplicaState::Ready,
        since: Instant::now().into_std(),
    };
    let world = World {
        replicas: (0..replicas).map(replica).collect(),
        ..World::default()
    };
    throttler.follow(&world);
    throttler
}

fn middle(samples: u32, mut sample: impl FnMut() -> Result<f64>) -> Result<f64> {
    let all: Result<Vec<f64>> = (0..samples).map(|_| sample()).collect();
    Ok(median(all?))
}

fn alone(throttler: &Arc<Throttler<()>>) -> Result<f64> {
    let begun = Instant::now();
    for _ in 0..PERMITS {
        black_box(permit(throttler)?);
    }
    Ok(each(begun.elapsed()))
}

/// Two threads that want nothing but permits: the worst there can be.
fn contended(throttler: &Arc<Throttler<()>>) -> Result<f64> {
    let start = Barrier::new(2);
    let run = || {
        start.wait();
        alone(throttler)
    };
    let (mine, other) = thread::scope(|scope| {
        let other = scope.spawn(run);
        (run(), other.join())
    });
    let other = other.ok().context("a thread has panicked")??;
    Ok(f64::midpoint(mine?, other))
}

/// A permit is dropped, the head of the line gets it, somebody new joins the end.
fn handed_over(throttler: &Arc<Throttler<()>>, waiting: usize) -> Result<f64> {
    let mut permit = permit(throttler)?;
    let mut line = std::collections::VecDeque::new();
    for _ in 0..waiting {
        line.push_back(place(throttler)?);
    }
    let begun = Instant::now();
    for _ in 0..PERMITS {
        drop(permit);
        let mut head = line.pop_front().context("somebody waits")?;
        permit = match poll(&mut head) {
            Poll::Ready(Ok(permit)) => permit,
            other => bail!("the head of the line has no slot: {other:?}"),
        };
        line.push_back(place(throttler)?);
    }
    Ok(each(begun.elapsed()))
}

fn permit(throttler: &Arc<Throttler<()>>) -> Result<Permit<()>> {
    match throttler.arrive(1024) {
        Arrival::Admitted(permit) => Ok(permit),
        other => bail!("there is a slot for everybody, but: {other:?}"),
    }
}

fn place(throttler: &Arc<Throttler<()>>) -> Result<Place<()>> {
    match throttler.arrive(1024) {
        Arrival::Waiting(mut place) => {
            // Its waker is known from then on, as that of a request is.
            let _ = poll(&mut place);
            Ok(place)
        }
        other => bail!("the only slot is taken, but: {other:?}"),
    }
}

fn poll(place: &mut Place<()>) -> Poll<<Place<()> as Future>::Output> {
    Pin::new(place).poll(&mut Context::from_waker(Waker::noop()))
}

fn each(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9 / float(PERMITS.into())
}
