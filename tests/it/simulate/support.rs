//! Loads to be lived through.

use std::path::Path;
use std::time::{Duration, SystemTime};

use holdgate::config::{Config, Overrides, load_text};
use holdgate::revision::RevisionId;
use holdgate::simulate::{
    Arrival, Keep, Load, Machine, Outcome, RevisionLoad, RevisionOutcome, Turns, simulate,
};

use crate::clock::Clock;
use crate::support::{Dice, secs};
use holdgate::trace::Standing;

/// What a file says, which has all that a revision needs but these lines.
pub(crate) fn config(revisions: &str) -> Config {
    let text = format!("defaults: {{ process: {{ command: [model] }} }}\n{revisions}");
    let read = load_text(Path::new("test.yaml"), &text, &Overrides::default());
    read.expect("the file is sound")
}

/// Lives through so much of what comes to each revision.
pub(crate) fn live(config: &Config, length: Duration, loads: Vec<RevisionLoad>) -> Outcome {
    let load = Load {
        length,
        began: SystemTime::UNIX_EPOCH,
        revisions: loads,
    };
    let keep = Keep {
        point_every: secs(1),
        decisions: true,
    };
    let machine = Machine::of(config);
    let epoch = Clock::start().epoch;
    simulate(&config.revisions, machine, load, keep, epoch, &mut |_| {})
}

/// The same for one revision.
pub(crate) fn live_alone(config: &Config, length: Duration, load: RevisionLoad) -> RevisionOutcome {
    let mut outcome = live(config, length, vec![load]);
    outcome.revisions.pop().expect("there is one")
}

/// Nobody comes to a revision.
pub(crate) fn nobody(name: &str) -> RevisionLoad {
    RevisionLoad::nobody(RevisionId::new(name))
}

/// A request that stays until it is answered.
pub(crate) fn request(at: Duration, service: Duration) -> Arrival {
    Arrival {
        at,
        bytes: 100,
        service,
        patience: None,
        stream: false,
        standing: Standing::default(),
        turns: Turns::UNKNOWN,
    }
}

/// An exponentially distributed time.
pub(crate) fn exponential(dice: &mut Dice, mean: f64) -> Duration {
    const STEPS: u32 = 1 << 30;
    let step = u32::try_from(dice.below(u64::from(STEPS))).expect("below");
    let uniform = (f64::from(step) + 0.5) / f64::from(STEPS);
    Duration::from_secs_f64(-mean * uniform.ln())
}
