//! A recorded run of the whole proxy in virtual time, and its replay: the same decisions, in every
//! field, at the same moments.

use std::path::Path;
use std::time::{Instant, SystemTime};

use holdgate::autoscale::Decision;
use holdgate::config::RevisionConfig;
use holdgate::revision::RevisionSpec;
use holdgate::simulate::{Keep, Load, Machine, Outcome, simulate};
use holdgate::trace::{Recorder, Trace};
use tokio::time::sleep;

use crate::support::{Dice, Gate, Start, defaults, get, ms, process, revision, secs};

/// What was recorded, what was decided meanwhile, and the settings.
struct Run {
    epoch: Instant,
    trace: Trace,
    decisions: Vec<Decision>,
    config: RevisionConfig,
}

/// Lives through some twenty minutes: nobody, a few, many, everybody at once, nobody again.
async fn record(spec: RevisionSpec, seed: u64) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.trace");
    let epoch = tokio::time::Instant::now().into_std();
    let (recorder, recording) = Recorder::begin(&path, 1 << 30).expect("it begins");
    let config = RevisionConfig {
        spec: spec.clone(),
        process: Some(process(secs(4))),
    };
    let mut gate = Gate::recorded(recorder);
    let mut dice = Dice::new(seed);
    let starts = (0..200).map(|_| match dice.below(12) {
        0 => Start::CrashAfter(dice.ms_below(3_000)),
        _ => Start::After(dice.ms_below(25_000)),
    });
    gate.machine.next(starts.collect::<Vec<_>>());
    gate.add(spec, config.process.clone().expect("it is there"));
    let decisions = live(&gate, &mut dice).await;
    recording.finish().await;
    let trace = Trace::read(Path::new(&path)).expect("it can be read");
    assert_eq!(trace.flaws, []);
    Run {
        epoch,
        trace,
        decisions,
        config,
    }
}

async fn live(gate: &Gate, dice: &mut Dice) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = Vec::new();
    for _ in 0..20 {
        // How many milliseconds lie between two requests, on average.
        let between = [20_000, 4_000, 700, 150, 70][usize::try_from(dice.below(5)).expect("few")];
        let pause = secs([0, 0, 100, 200][usize::try_from(dice.below(4)).expect("few")]);
        for _ in 0..(30_000 / between) {
            sleep(dice.ms_below(2 * between)).await;
            let at_once = if dice.below(20) == 0 { 15 } else { 1 };
            for _ in 0..at_once {
                ask(gate, dice);
            }
        }
        keep(&mut decisions, gate);
        sleep(pause).await;
        keep(&mut decisions, gate);
    }
    decisions
}

/// One request; some clients leave, some answers are streams.
fn ask(gate: &Gate, dice: &mut Dice) {
    let takes = dice.below(4_000);
    let target = match dice.below(10) {
        0 => format!("/?ms={takes}&stubborn"),
        1 => format!("/?chunks=5&gap={}", takes / 5),
        _ => format!("/?ms={takes}"),
    };
    let asked = gate.asking(get(&target));
    let patience = dice.ms_below(12_000);
    let leaves = dice.below(5) == 0;
    tokio::spawn(async move {
        if leaves {
            sleep(patience).await;
            drop(asked);
        } else {
            let _ = asked.await;
        }
    });
}

/// A gate keeps only the newest decisions.
fn keep(decisions: &mut Vec<Decision>, gate: &Gate) {
    let known = decisions.last().map(|decision| decision.at);
    let kept = gate.decisions();
    decisions.extend(kept.into_iter().filter(|d| Some(d.at) > known));
}

fn replay(run: &Run) -> Outcome {
    let revisions = [run.config.clone()];
    let load = Load::replay(&run.trace, &revisions);
    let machine = Machine {
        max_processes: 1000,
    };
    let keep = Keep {
        point_every: secs(10),
        decisions: true,
    };
    simulate(&revisions, machine, load, keep, run.epoch, &mut |_| {})
}

fn compare(run: &Run, outcome: &Outcome) {
    let replayed = &outcome.revisions[0].decisions;
    let recorded = &run.decisions;
    for (n, (recorded, replayed)) in recorded.iter().zip(replayed).enumerate() {
        let after = recorded.at.duration_since(run.epoch);
        assert_eq!(replayed, recorded, "decision {n}, after {after:?}");
    }
    assert!(replayed.len().abs_diff(recorded.len()) <= 1);
    assert!(recorded.len() > 300, "ten minutes of decisions");
}

#[tokio::test(start_paused = true)]
async fn a_recorded_run_replays_to_the_same_decisions() {
    for seed in 0..6 {
        for spec in [revision(1, 0..=30), revision(4, 0..=10), defaults("m")] {
            let run = record(spec, seed).await;
            let outcome = replay(&run);
            eprintln!(
                "seed {seed}: {:?} {} decisions, {:?}",
                run.trace.length,
                run.decisions.len(),
                outcome.revisions[0].refused,
            );
            compare(&run, &outcome);
        }
    }
}
