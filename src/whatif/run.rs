//! Lives through one load with one setting after another, several at a time, and shows how far it
//! is when that takes long.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;

use super::load::Source;
use super::trial::Trial;
use crate::simulate::{Keep, Machine, Outcome, Progress, simulate};

/// More points than that say no more to anybody.
const MOST_POINTS: u64 = 10_000;
/// Whoever waits shorter than this wants to see no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came of one setting.
#[derive(Clone, Debug)]
pub struct Run {
    /// The setting.
    pub trial: Trial,
    /// What came of it.
    pub outcome: Outcome,
    /// How long the load was.
    pub length: Duration,
}

/// How to live through a load.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Of everything that is left to chance.
    pub seed: u64,
    /// Keep every decision with its inputs.
    pub decisions: bool,
    /// Show progress on stderr.
    pub progress: bool,
    /// What all times count from.
    pub epoch: Instant,
}

/// Tries all of them; the runs are in the order of the trials.
#[must_use]
pub fn run_all(trials: Vec<Trial>, source: &Source, how: How) -> Vec<Run> {
    let bar = Bar::new(trials.len(), how.progress);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome, Duration)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.min(trials.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Relaxed);
                    let Some(trial) = trials.get(at) else {
                        return;
                    };
                    let (outcome, length) = run(trial, source, how, &bar);
                    done.lock().push((at, outcome, length));
                }
            });
        }
    });
    bar.bar.finish_and_clear();
    let mut done = done.into_inner();
    done.sort_by_key(|(at, ..)| *at);
    let runs = trials.into_iter().zip(done);
    runs.map(|(trial, (_, outcome, length))| Run {
        trial,
        outcome,
        length,
    })
    .collect()
}

/// Thousandths of each run.
const STEPS: u64 = 1000;

fn run(trial: &Trial, source: &Source, how: How, bar: &Bar) -> (Outcome, Duration) {
    let load = source.load(&trial.config.revisions, how.seed);
    let length = load.length;
    let machine = Machine::of(&trial.config);
    let keep = Keep {
        point_every: Duration::from_secs(length.as_secs().div_ceil(MOST_POINTS).max(1)),
        decisions: how.decisions,
    };
    let mut told = 0;
    let mut tell = |progress: Progress| {
        let part = progress.at.as_secs().saturating_mul(STEPS) / length.as_secs().max(1);
        let part = part.clamp(told, STEPS);
        bar.grow(part - told);
        told = part;
    };
    let revisions = &trial.config.revisions;
    let outcome = simulate(revisions, machine, load, keep, how.epoch, &mut tell);
    bar.grow(STEPS - told);
    (outcome, length)
}

/// A bar that is drawn only after a while.
struct Bar {
    bar: ProgressBar,
    wanted: bool,
}

impl Bar {
    fn new(runs: usize, wanted: bool) -> Self {
        let steps = u64::try_from(runs).unwrap_or(0).saturating_mul(STEPS);
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        let style = "{elapsed_precise} {wide_bar} {percent}% of {msg}, {eta} left";
        let style = ProgressStyle::with_template(style).expect("the template is sound");
        bar.set_style(style);
        bar.set_message(if runs == 1 {
            "one run".to_owned()
        } else {
            format!("{runs} runs")
        });
        Self { bar, wanted }
    }

    fn grow(&self, steps: u64) {
        if self.wanted && self.bar.is_hidden() && self.bar.elapsed() >= PATIENCE {
            // Draws nothing where stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(steps);
    }
}
