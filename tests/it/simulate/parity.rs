//! A recorded run of the whole proxy in virtual time, and its replay: the same decisions, in every
//! field, at the same moments.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use holdgate::autoscale::{Decision, Memory, Past};
use holdgate::config::RevisionConfig;
use holdgate::revision::{
    Aggregation, Hold, MetricTarget, OnDisconnect, QueueOrder, RevisionSpec, ScaleMetric,
};
use holdgate::simulate::{Keep, Load, Machine, Outcome, RevisionOutcome, simulate};
use holdgate::trace::{Ending, Fate, Reason, Trace};
use http::HeaderValue;
use tokio::time::sleep;

use crate::support::{Dice, Gate, Start, defaults, get, ms, process, revision, secs};

/// How long a start takes that nothing else is said of.
const LOAD: Duration = secs(4);

/// What was recorded, what was decided meanwhile, and the settings.
struct Run {
    epoch: Instant,
    trace: Trace,
    decisions: Vec<Decision>,
    config: RevisionConfig,
}

/// How replicas come.
#[derive(Clone, Copy)]
struct Coming {
    /// A start takes so long at most.
    longest: Duration,
    /// Of a dozen starts so many fail.
    crashes: u64,
}

const fn within(longest: Duration) -> Coming {
    Coming {
        longest,
        crashes: 1,
    }
}

/// Lives through a quarter of an hour: nobody, a few, many, everybody at once, nobody again.
async fn record(
    spec: RevisionSpec,
    recalled: Option<(Memory, Duration)>,
    coming: Coming,
    seed: u64,
) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.trace");
    let epoch = tokio::time::Instant::now().into_std();
    let config = RevisionConfig {
        schedule: holdgate::schedule::Schedule::default(),
        spec: spec.clone(),
        process: Some(process(LOAD)),
        tls: None,
    };
    let (gate, recording) = match recalled {
        Some(recalled) => Gate::recorded_again((spec, LOAD), recalled, &path),
        None => Gate::recorded(spec, LOAD, &path, 1 << 30),
    };
    let mut dice = Dice::new(seed);
    let longest = u64::try_from(coming.longest.as_millis()).expect("not so long");
    let starts = (0..200).map(|_| match dice.below(12) {
        one if one < coming.crashes => Start::CrashAfter(dice.ms_below(3_000)),
        _ => Start::After(dice.ms_below(longest)),
    });
    gate.machine.next(starts.collect::<Vec<_>>());
    let decisions = live(&gate, &mut dice).await;
    recording.finish().await;
    let trace = Trace::read(&path).expect("it can be read");
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
    for _ in 0..10 {
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
    let mut request = get(&target);
    // Of some class and tenant, which only a fair queue takes notice of.
    let class =
        ["system", "interactive", "default", "bulk"][usize::try_from(takes % 4).expect("few")];
    let tenant = HeaderValue::from(takes % 5);
    request
        .headers_mut()
        .insert("x-class", HeaderValue::from_static(class));
    request.headers_mut().insert("x-tenant", tenant);
    let asked = gate.asking(request);
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
        gpus: None,
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

/// What became of everybody, in the record and in the replay.
fn compare_ends(run: &Run, outcome: &Outcome) {
    let requests = &run.trace.revisions[0].requests;
    let recorded = |fate: fn(&Fate) -> bool| {
        let found = requests.iter().filter(|request| fate(&request.fate));
        found.count() as u64
    };
    let replayed = &outcome.revisions[0];
    let answered = recorded(|fate| matches!(fate, Fate::Answered { .. }));
    assert_eq!(replayed.answered, answered);
    assert_eq!(replayed.left, recorded(|fate| *fate == Fate::ClientLeft));
    for (word, count) in replayed.refused.by_reason() {
        let refused = requests.iter();
        let refused = refused.filter(|r| r.fate == Fate::Refused(Reason::named(word)));
        assert_eq!(count, refused.count() as u64, "{word}");
    }
}

/// Records and replays; returns what was recorded and what became of it again.
async fn check(spec: RevisionSpec, coming: Coming, seed: u64) -> (Run, RevisionOutcome) {
    let run = record(spec, None, coming, seed).await;
    check_again(run)
}

/// Replays what was recorded.
fn check_again(run: Run) -> (Run, RevisionOutcome) {
    let mut outcome = replay(&run);
    compare(&run, &outcome);
    compare_ends(&run, &outcome);
    let revision = outcome.revisions.pop().expect("there is one");
    (run, revision)
}

#[tokio::test(start_paused = true)]
async fn a_recorded_run_replays_to_the_same_decisions() {
    let (_, revision) = check(revision(1, 0..=30), within(secs(25)), 1).await;
    assert!(revision.left > 0 && revision.peak_replicas >= 10 && revision.cold_starts >= 3);
}

#[tokio::test(start_paused = true)]
async fn so_does_one_with_a_short_line_and_little_patience() {
    let mut spec = revision(4, 0..=3);
    spec.queue.max_requests = 8;
    spec.queue.timeout = ms(1_500);
    spec.queue.cold_timeout = secs(3);
    spec.scaling.scale_down_delay = Hold::Auto;
    let refused = check(spec, within(secs(25)), 2).await.1.refused;
    assert!(refused.queue_full > 0, "{refused:?}");
    assert!(refused.queue_timeout > 0, "{refused:?}");
    assert!(refused.cold_start_timeout > 0, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn so_does_one_that_serves_by_class_and_tenant() {
    let mut spec = revision(1, 0..=3);
    spec.queue.order = QueueOrder::Fair {
        ageing: secs(3),
        max_tenants: 3,
    };
    spec.queue.max_requests = 12;
    spec.queue.timeout = secs(8);
    spec.wishes.tenant_header = Some("x-tenant".into());
    spec.wishes.class_header = Some("x-class".into());
    let (run, revision) = check(spec, within(secs(25)), 8).await;
    let requests = &run.trace.revisions[0].requests;
    let tenants: HashSet<_> = requests.iter().map(|r| r.standing.tenant).collect();
    let classes: HashSet<_> = requests.iter().map(|r| r.standing.class).collect();
    assert_eq!(
        (tenants.len(), classes.len()),
        (5, 4),
        "all of them are known"
    );
    assert!(revision.refused.queue_full > 0 && revision.refused.queue_timeout > 0);
}

#[tokio::test(start_paused = true)]
async fn so_does_one_that_counts_arrivals_and_stops_early() {
    let mut spec = defaults("m");
    spec.scaling.metric = ScaleMetric::Rps;
    spec.scaling.further_metrics = vec![MetricTarget {
        metric: ScaleMetric::Concurrency,
        target: Some(3.0),
    }];
    spec.scaling.aggregation = Aggregation::WeightedExponential;
    spec.scaling.stop_after_idle = Some(secs(40));
    spec.scaling.max_starting = Some(2);
    check(spec, within(secs(25)), 3).await;
}

#[tokio::test(start_paused = true)]
async fn so_does_one_whose_starts_fail_and_whose_slots_are_kept() {
    let mut spec = revision(2, 1..=6);
    spec.on_disconnect = OnDisconnect::Finish;
    spec.scaling.initial_scale = Some(3);
    spec.scaling.failed_starts = 1;
    spec.timeouts.total = Some(secs(3));
    let refused = check(spec, within(secs(25)), 4).await.1.refused;
    assert!(refused.upstream_timeout > 0, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn so_does_one_whose_starts_are_taken_back() {
    let mut spec = revision(2, 0..=12);
    spec.scaling.stable_window = secs(10);
    spec.scaling.panic_threshold_percentage = 1000.0;
    spec.scaling.max_scale_down_rate = 1.3;
    let (run, _) = check(spec, within(secs(60)), 5).await;
    let replicas = &run.trace.revisions[0].replicas;
    let ended = |ending| replicas.iter().filter(|r| r.ending == ending).count();
    let [taken_back, stopped] = [Ending::TakenBack, Ending::Stopped].map(ended);
    assert!(taken_back >= 5 && stopped >= 5, "{taken_back}, {stopped}");
}

#[tokio::test(start_paused = true)]
async fn so_does_one_that_begins_with_what_it_remembers() {
    let past = |value| Past {
        seconds: vec![value; 40],
        idle: 3,
    };
    let memory = Memory {
        asked: Some(5),
        peak: Some(7),
        initialized: true,
        metrics: vec![(ScaleMetric::Concurrency, past(6.5))],
        presence: None,
    };
    let mut spec = revision(1, 0..=30);
    spec.scaling.initial_scale = Some(3);
    let recalled = Some((memory, ms(6_300)));
    let run = record(spec, recalled, within(secs(25)), 6).await;
    let begun = run.decisions[..3].iter().map(|decision| decision.replicas);
    assert_eq!(begun.collect::<Vec<_>>(), [Some(7); 3], "it remembers");
    let learned = run.decisions[0].seen.typical_start;
    assert_eq!(learned, Some(ms(2_500)));
    check_again(run);
}

#[tokio::test(start_paused = true)]
async fn so_does_one_whose_clients_are_turned_away_while_it_cannot_come() {
    let mut spec = revision(1, 0..=2);
    spec.scaling.stable_window = secs(10);
    let coming = Coming {
        longest: secs(5),
        crashes: 10,
    };
    let (run, revision) = check(spec, coming, 7).await;
    let requests = run.trace.revisions[0].requests.iter();
    let turned_away = requests.filter(|it| it.over == Some(it.arrived));
    assert!(turned_away.count() > 100);
    assert!(revision.refused.cold_start_failed > 100);
}
