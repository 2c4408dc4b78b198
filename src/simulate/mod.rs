//! What would have happened: the production admission and autoscaler under a virtual clock, with a
//! recorded or described load. It models clients, service times and the machine that replicas are
//! started on; every decision is made by the code that makes it in a running gate. Where a load
//! comes from and how the outcome is shown is left to others.

use crate::counting::count;

mod agenda;
mod beats;
mod door;
mod fleet;
mod load;
mod order;
mod outcome;
mod places;
mod replay;
mod requests;
mod run;
mod site;
mod tally;
mod workers;

#[cfg(test)]
mod tests;

pub use beats::Beat;
pub use load::{Arrival, AsRecorded, Floor, Load, Reading, RevisionLoad, Start, Turns, Workers};
pub use outcome::{Outcome, Point, Refusals, RevisionOutcome};

use std::time::{Duration, Instant};

use run::Run;

use crate::config::{Config, RevisionConfig};

/// What all revisions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Most local model servers at once, all revisions together.
    pub max_processes: u32,
    /// Devices for all of them together; `None` is as many as they could want.
    pub gpus: Option<u32>,
}

impl Machine {
    /// The one that settings speak of.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            max_processes: config.max_processes,
            gpus: config.gpus.as_ref().map(|names| count(names.len())),
        }
    }
}

/// What is kept of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// One point of the series for so long, in whole seconds; zero keeps none.
    pub point_every: Duration,
    /// Every decision, with its inputs.
    pub decisions: bool,
}

/// How often progress is told, in simulated time.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How far a simulation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The simulated time that has passed.
    pub at: Duration,
    /// Requests that have arrived by then.
    pub requests: u64,
}

/// Lives through a load with these settings, from `epoch`: the instant that all durations of the
/// load count from, and the first of all instants in the outcome. `told` hears of every simulated
/// minute.
///
/// The same arguments have the same outcome. Revisions without a load see nobody; a load without a
/// revision is left aside.
#[must_use]
pub fn simulate(
    revisions: &[RevisionConfig],
    machine: Machine,
    load: Load,
    keep: Keep,
    epoch: Instant,
    told: &mut dyn FnMut(Progress),
) -> Outcome {
    let mut run = Run::new(revisions, machine, load, keep, epoch);
    let mut tell_at = TELL_EVERY;
    while run.step() {
        let passed = run.scene.agenda.passed();
        if passed >= tell_at {
            tell_at = passed + TELL_EVERY;
            told(run.progress());
        }
    }
    run.finish()
}
