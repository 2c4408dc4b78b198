//! A record of the built program, lived through again: real sockets, real processes and a real
//! clock, and yet the same decisions.

use std::path::Path;
use std::time::Duration;

use holdgate::autoscale::Decision;
use holdgate::config::{Config, Overrides, load};
use holdgate::simulate::{Keep, Load, Machine, simulate};
use holdgate::trace::{Decided, RevisionTrace, Trace};
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::client::{ask, predict};
use super::support::*;
use crate::clock::Clock;

const SETTINGS: &str = "maxReplicas: 4, containerConcurrency: 2, scaleTarget: 1, \
     autoscaling: { stableWindow: 6s, scaleToZeroGracePeriod: 1s, maxScaleDownRate: 10 }";
const FLAGS: &str = "--load-time 700ms --service-time 150ms";

/// How many come at once, and how long nobody comes after them.
const BURSTS: [(usize, u64); 9] = [
    (12, 300),
    (3, 900),
    (20, 2_500),
    (1, 11_500),
    (6, 400),
    (2, 1_100),
    (15, 700),
    (1, 3_000),
    (4, 2_500),
];

/// What happens within the gate takes no time in a replay where the record does not say how much:
/// so far, in requests, an average may be off. Most are the same to the last bit.
const APART: f64 = 0.05;

/// Lives through half a minute of bursts and records it.
async fn record(settings: &Settings, file: &Path) -> Trace {
    let words = ["--record", file.to_str().expect("a plain path")];
    let mut gate = settings.run(&words).await;
    let mut asked = JoinSet::new();
    for (many, pause) in BURSTS {
        for _ in 0..many {
            asked.spawn(ask(gate.address, predict("m")));
        }
        sleep(Duration::from_millis(pause)).await;
    }
    while let Some(answer) = asked.join_next().await {
        answer.expect("no panic").expect("an answer");
    }
    gate.signal(Signal::TERM);
    assert!(gate.ended().await.success());
    let trace = Trace::read(file).expect("a record");
    assert_eq!(trace.flaws, []);
    trace
}

/// What is decided again.
fn replay(config: &Config, trace: &Trace, clock: &Clock) -> Vec<Decision> {
    let load = Load::replay(trace, &config.revisions);
    let machine = Machine::of(config);
    let keep = Keep {
        point_every: Duration::ZERO,
        decisions: true,
    };
    let epoch = clock.epoch;
    let mut outcome = simulate(&config.revisions, machine, load, keep, epoch, &mut |_| {});
    outcome.revisions.remove(0).decisions
}

fn recorded(revision: &RevisionTrace) -> Vec<(Duration, &Decided)> {
    let ticks = revision.ticks.iter();
    let decided = ticks.filter_map(|tick| Some((tick.now, tick.decided.as_ref()?)));
    decided.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_the_real_thing_replays_to_the_same_decisions() {
    let settings = Settings::new(&[revision("m", SETTINGS, FLAGS)]);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("t");
    let trace = record(&settings, &file).await;

    let config = load(&[settings.path().into()], &Overrides::default()).expect("sound settings");
    let clock = Clock::start();
    let replayed = replay(&config, &trace, &clock);
    let recorded = recorded(&trace.revisions[0]);
    for ((at, then), again) in recorded.iter().zip(&replayed) {
        assert_eq!(again.at - clock.epoch, *at, "{then:?}");
        assert_eq!(again.replicas, then.replicas, "{at:?}: {then:?}");
        assert_eq!(again.bound_by().as_str(), then.bound_by, "{at:?}");
        assert_eq!(again.mode.as_str() == "panic", then.panic, "{at:?}");
        let averages = again.seen.readings[0].averages;
        match (averages, then.averages[0]) {
            (Some(again), Some((stable, panic))) => {
                let apart = [again.stable - stable, again.panic - panic].map(f64::abs);
                assert!(
                    apart.iter().all(|apart| *apart < APART),
                    "{at:?}: {apart:?}"
                );
            }
            (again, then) => assert_eq!((again, then), (None, None), "{at:?}"),
        }
    }
    let numbers: Vec<u32> = recorded.iter().filter_map(|(_, d)| d.replicas).collect();
    let woken = numbers
        .windows(2)
        .filter(|pair| pair[0] == 0 && pair[1] > 0);
    assert!(numbers.contains(&4) && woken.count() == 1, "{numbers:?}");
    assert!(replayed.len().abs_diff(recorded.len()) <= 1 && recorded.len() > 12);

    let same = told(&settings, &file, &[]).await;
    let pairs = recorded.len().min(replayed.len());
    let want = format!("note: replayed {pairs} decisions: all as recorded");
    assert!(same.starts_with(&want), "{same}");
    let tried = told(&settings, &file, &["--set", "maxReplicas=4"]).await;
    assert_eq!(tried, "", "there is nothing to compare");
    let fewer = SETTINGS.replace("maxReplicas: 4", "maxReplicas: 3");
    settings.write(&[revision("m", &fewer, FLAGS)]);
    let other = told(&settings, &file, &[]).await;
    let config = load(&[settings.path().into()], &Overrides::default()).expect("sound settings");
    let replayed = replay(&config, &trace, &clock);
    let first = first_difference(&recorded, &replayed).expect("four of them were needed");
    assert!(other.contains(&first), "{other} and not: {first}");
}

/// What is told of the first decision that is another one. Which one that is, and what bound it,
/// is up to how much of a burst had come when it was made.
fn first_difference(recorded: &[(Duration, &Decided)], replayed: &[Decision]) -> Option<String> {
    let of_recorded = recorded
        .iter()
        .map(|(_, then)| made(then.replicas, &then.bound_by, then.panic));
    let of_replayed = replayed.iter().map(|again| {
        let panic = again.mode.as_str() == "panic";
        made(again.replicas, again.bound_by().as_str(), panic)
    });
    let mut pairs = of_recorded.zip(of_replayed);
    let (then, again) = pairs.find(|(then, again)| then != again)?;
    Some(format!(
        "revision m was recorded with {then} and is replayed with {again}"
    ))
}

/// A decision as a person is told it.
fn made(replicas: Option<u32>, bound_by: &str, panic: bool) -> String {
    let replicas = match replicas {
        None => "the number it had".to_owned(),
        Some(1) => "1 replica".to_owned(),
        Some(more) => format!("{more} replicas"),
    };
    let panic = if panic { ", panic" } else { "" };
    format!("{replicas} (bound by {bound_by}{panic})")
}

/// What the program says beside the table.
async fn told(settings: &Settings, file: &Path, words: &[&str]) -> String {
    let file = file.to_str().expect("a plain path");
    let words = [&["simulate", "-f", settings.path(), "--load", file], words].concat();
    let ended = holdgate(&words).output().await.expect("the program starts");
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stderr).expect("text")
}
