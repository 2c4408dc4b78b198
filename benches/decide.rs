//! What deciding costs: nanoseconds to count a request and to decide once, and the CPU time of ten
//! thousand revisions that are measured every second and decided about every two.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use holdgate::admission::meter::{Meter, Report};
use holdgate::autoscale::{Around, DECIDE_EVERY, Measured, SAMPLE_EVERY, Spec, Steering};
use holdgate::autoscaler::{Beat, Gauged, Lasting, PodAutoscaler};
use holdgate::config::{Overrides, load_text};
use holdgate::decisions::Decisions;
use holdgate::ports::{ScaleError, Scaler, World};
use holdgate::revision::{ContainerConcurrency, QueueLimits, RevisionId, Scaling};
use holdgate::stats::Stats;
use holdgate::throttler::Throttler;
use support::cpu::cpu_time;
use support::loadgen::float;
use support::summary::{cell, median, table};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Requests, or decisions, of one sample.
const TIMES: u32 = 200_000;
/// What ten thousand revisions may take of the processor in two seconds.
const BAR_MS: f64 = 50.0;

/// Nanoseconds of one thing, on average over [`TIMES`].
type Sample = fn() -> f64;

/// Measures what deciding costs.
#[derive(Parser)]
struct Flags {
    /// Samples, of which the middle one is shown
    #[arg(long, default_value_t = 9)]
    samples: u32,
    /// Revisions that tick
    #[arg(long, default_value_t = 10_000)]
    revisions: u32,
    /// For how long they tick, in seconds
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let head = ["what", "ns"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let rows: [(&str, Sample); 4] = [
        ("a request counted, in and out", counted),
        ("a decision at zero", || decided(0.0, 0)),
        ("a decision at ten replicas", || decided(10.0, 10)),
        ("two seconds of one revision", two_seconds),
    ];
    for (what, sample) in rows {
        let samples = (0..flags.samples).map(|_| sample()).collect::<Vec<_>>();
        lines.push(vec![what.to_owned(), cell(median(samples), 0)]);
    }
    println!("{}", table(&lines));
    ticking(&flags)
}

/// The settings as nobody has touched them.
fn spec() -> Spec {
    let text = "revisions: [{ name: m, process: { command: [m] } }]";
    let config = load_text(Path::new("m.yaml"), text, &Overrides::default());
    let revision = config.expect("it can be read").revisions.remove(0);
    let scaling = Scaling {
        max_replicas: None,
        target: Some(1.0),
        ..revision.spec.scaling
    };
    Spec::new(scaling, ContainerConcurrency::UNLIMITED)
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn counted() -> f64 {
    let (began, mut meter) = (now(), Meter::new(now()));
    let clock = (0..TIMES).map(|n| began + Duration::from_micros(u64::from(n)));
    let start = now();
    for at in clock {
        meter.arrive(black_box(at));
        meter.leave(black_box(at));
    }
    black_box(meter.report(began));
    each(start)
}

fn around(replicas: u32, idle_since: Option<Instant>) -> Around {
    Around {
        ready: replicas,
        starting: 0,
        busy: replicas,
        idle_since,
        typical_start: None,
        shortage: None,
        scheduled: None,
        unheard: false,
    }
}

fn measured(average_concurrency: f64) -> Measured {
    let requests = 10;
    let report = Report {
        average_concurrency,
        requests,
    };
    let gauged = Vec::new();
    Measured { report, gauged }
}

fn decided(load: f64, replicas: u32) -> f64 {
    let (began, spec) = (now(), spec());
    let mut steering = Steering::new(&spec, began);
    let idle_since = (replicas == 0).then_some(began);
    for second in 0..60 {
        steering.record(&measured(load), began + SAMPLE_EVERY * second);
    }
    let start = now();
    for n in 0..TIMES {
        let at = began + SAMPLE_EVERY * 60 + Duration::from_micros(u64::from(n));
        black_box(steering.decide(&around(replicas, idle_since), at));
    }
    each(start)
}

fn two_seconds() -> f64 {
    let (began, spec) = (now(), spec());
    let mut steering = Steering::new(&spec, began);
    let start = now();
    for n in 0..TIMES {
        let at = began + DECIDE_EVERY * n;
        steering.record(&measured(3.0), at);
        steering.record(&measured(3.0), at + SAMPLE_EVERY);
        black_box(steering.decide(&around(3, None), at + SAMPLE_EVERY));
    }
    each(start)
}

fn each(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e9 / float(TIMES.into())
}

/// Agrees with everything and does nothing.
struct Agrees;

impl Scaler for Agrees {
    async fn scale_to(&self, _: u32, _why: &str) -> Result<(), ScaleError> {
        Ok(())
    }
}

/// The loops as the gate runs them, with nobody at any revision.
#[tokio::main(flavor = "current_thread")]
async fn ticking(flags: &Flags) -> Result<()> {
    let mut loops = JoinSet::new();
    for n in 0..flags.revisions {
        loops.spawn(autoscaler(n).run());
    }
    // The first decisions and the first measurements are behind them then.
    tokio::time::sleep(DECIDE_EVERY * 2).await;
    let spent = || cpu_time(std::process::id()).context("the system tells no CPU times");
    let before = spent()?;
    tokio::time::sleep(Duration::from_secs(flags.seconds)).await;
    let took = spent()?.saturating_sub(before).as_secs_f64();
    let per_round = took * 1e3 / (float(flags.seconds) / DECIDE_EVERY.as_secs_f64());
    println!(
        "{} revisions: {per_round:.1} ms of the processor in two seconds, {:.2} of the bar of {BAR_MS} ms",
        flags.revisions,
        per_round / BAR_MS
    );
    Ok(())
}

fn autoscaler(n: u32) -> PodAutoscaler<Throttler<()>, Agrees> {
    let limits = QueueLimits {
        max_requests: 1000,
        max_bytes: 1 << 20,
        timeout: Duration::from_secs(60),
        cold_timeout: Duration::from_secs(600),
        read_ahead: 0,
        order: holdgate::revision::QueueOrder::Fifo,
    };
    PodAutoscaler {
        beat: Beat::begin(),
        lasting: Lasting::nothing(),
        id: RevisionId::new(n.to_string()),
        demand: Throttler::new(ContainerConcurrency::UNLIMITED, limits),
        scaler: Agrees,
        world: watch::channel(World::default()).1,
        gauged: watch::channel(Gauged::default()).1,
        scheduled: watch::channel(None).1,
        spec: watch::channel(spec()).1,
        decisions: Arc::new(Decisions::default()),
        stats: Arc::new(Stats::new()),
    }
}
