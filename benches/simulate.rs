//! How long a simulated day takes: 100 requests a second, once steadily and once with nights, at
//! a hard limit and without one.
//!
//! Ends with an error when a bar is missed: ten seconds of the processor a day, whatever else the
//! machine has to do meanwhile.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark reports to whoever runs it"
)]

mod support;

use std::f64::consts::TAU;
use std::path::Path;
use std::process::id;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use clap::Parser;
use holdgate::config::{Config, Overrides, load_text};
use holdgate::revision::RevisionId;
use holdgate::simulate::{
    Arrival, Keep, Load, Machine, Outcome, RevisionLoad, Start, Turns, simulate,
};
use support::cpu::cpu_time;
use support::summary::{cell, table};

/// What a day may take.
const BAR: Duration = Duration::from_secs(10);

/// Measures simulated days.
#[derive(Parser)]
struct Flags {
    /// Hours of a day
    #[arg(long, default_value_t = 24)]
    hours: u64,
    /// Requests a second, on average
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A day, and the gate that it comes to.
struct Scene {
    what: &'static str,
    limit: u32,
    /// How far the rate swings, as a part of it.
    swing: f64,
}

const SCENES: [Scene; 3] = [
    Scene {
        what: "steady, one at a time",
        limit: 1,
        swing: 0.0,
    },
    Scene {
        what: "day and night, ten at once",
        limit: 10,
        swing: 1.0,
    },
    Scene {
        what: "day and night, no limit",
        limit: 0,
        swing: 1.0,
    },
];

fn main() -> Result<()> {
    let flags = Flags::parse();
    let head = [
        "a day of",
        "s",
        "CPU s",
        "requests",
        "M/s",
        "replicas",
        "peak",
        "p99 wait ms",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let length = Duration::from_secs(flags.hours * 3600);
    let mut slowest = Duration::ZERO;
    for scene in &SCENES {
        let before = cpu_time(id());
        let (took, outcome) = live_through(scene, &flags)?;
        let busy = cpu_time(id()).zip(before);
        let busy = busy.map_or(took, |(after, before)| after.saturating_sub(before));
        slowest = slowest.max(busy);
        let revision = &outcome.revisions[0];
        let (seconds, wait) = (took.as_secs_f64(), revision.waits.value_at_quantile(0.99));
        lines.push(vec![
            scene.what.to_owned(),
            cell(seconds, 2),
            cell(busy.as_secs_f64(), 2),
            revision.requests.to_string(),
            cell(millions(revision.requests) / busy.as_secs_f64(), 2),
            cell(
                revision.replica_time.as_secs_f64() / length.as_secs_f64(),
                1,
            ),
            revision.peak_replicas.to_string(),
            cell(millions(wait) * 1e3, 1),
        ]);
    }
    println!("{}", table(&lines));
    ensure!(slowest <= BAR, "a day took {slowest:?}, more than {BAR:?}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn millions(number: u64) -> f64 {
    number as f64 / 1e6
}

fn live_through(scene: &Scene, flags: &Flags) -> Result<(Duration, Outcome)> {
    let Config {
        revisions,
        max_processes,
        ..
    } = config(scene.limit)?;
    let length = Duration::from_secs(flags.hours * 3600);
    let mut dice = Dice(7);
    let mut starts = Dice(8);
    let load = RevisionLoad {
        arrivals: Box::new(Arrivals {
            at: 0.0,
            rate: flags.rate,
            swing: scene.swing,
            dice: Dice(9),
        }),
        service: Box::new(move || Duration::from_secs_f64(dice.exponential(0.2))),
        starts: Box::new(move || {
            Start::ReadyAfter(Duration::from_secs_f64(20.0 + starts.exponential(10.0)))
        }),
        ..RevisionLoad::nobody(RevisionId::new("m"))
    };
    let load = Load {
        length,
        began: SystemTime::UNIX_EPOCH,
        revisions: vec![load],
    };
    let keep = Keep {
        point_every: Duration::from_secs(60),
        decisions: false,
    };
    let epoch = now();
    let machine = Machine {
        max_processes,
        gpus: None,
    };
    let outcome = simulate(&revisions, machine, load, keep, epoch, &mut |_| {});
    Ok((now() - epoch, outcome))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn config(limit: u32) -> Result<Config> {
    let text = format!(
        "maxProcesses: 200\nrevisions:\n- name: m\n  maxReplicas: 0\n  containerConcurrency: {limit}\n  \
         scaleTarget: 1\n  process:\n    command: [model]\n"
    );
    let complaints = |complaints| anyhow::anyhow!("{complaints}");
    load_text(Path::new("bench.yaml"), &text, &Overrides::default()).map_err(complaints)
}

/// Requests at random, more of them at noon.
struct Arrivals {
    at: f64,
    rate: f64,
    swing: f64,
    dice: Dice,
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        const DAY: f64 = 86_400.0;
        // Thinned out from the highest rate (Lewis and Shedler, 1979).
        let highest = self.rate * (1.0 + self.swing);
        loop {
            self.at += self.dice.exponential(1.0 / highest);
            let rate = self.rate * (1.0 - self.swing * (TAU * self.at / DAY).cos());
            if self.dice.uniform() * highest < rate {
                break;
            }
        }
        Some(Arrival {
            at: Duration::from_secs_f64(self.at),
            bytes: 1024,
            service: Duration::from_secs_f64(self.dice.exponential(0.2)),
            patience: None,
            stream: false,
            standing: holdgate::trace::Standing::default(),
            turns: Turns::UNKNOWN,
        })
    }
}

/// Numbers that look random and are the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    /// Over 0, up to 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX);
        (f64::from(z) + 1.0) / 4_294_967_296.0
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.uniform().ln()
    }
}
