//! What a record tells is what has happened: to the request, to the nanosecond, to the bit.

mod requests;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use holdgate::revision::RevisionSpec;
use holdgate::trace::{Cause, Ending, Fate, Moment, Reason, Request, RevisionTrace, Trace};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::{
    Dice, Gate, Start, get, measured, measured_again, ms, post, revision, secs, was_taken,
};

const MIB: u64 = 1 << 20;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("t")
    }
}

/// The record of a lone revision, with nothing missing.
fn read(file: &Path) -> RevisionTrace {
    let trace = Trace::read(file).expect("it was written");
    assert_eq!(trace.flaws, []);
    let [revision] = <[_; 1]>::try_from(trace.revisions).expect("one revision");
    revision
}

/// Twelve minutes: quiet, bursts, nobody for minutes, and clients that hang up while they wait and
/// while they are answered. Returns how many were answered with what, and how many hung up.
async fn live_through(gate: &Gate) -> (BTreeMap<u16, usize>, usize) {
    let mut dice = Dice::new(7);
    let (start, mut asked, mut left) = (Instant::now(), Vec::new(), 0);
    for second in 0..720_u64 {
        let asks = match second {
            60..70 | 300..320 | 600..603 => 40,
            120..220 | 400..560 => 0,
            _ => 3,
        };
        for _ in 0..asks {
            let at = start + secs(second) + ms(dice.below(1000));
            let (request, patience) = ask(&mut dice);
            let asking = gate.client();
            asked.push(tokio::spawn(async move {
                sleep_until(at).await;
                let mut client = asking.await;
                let answer = tokio::time::timeout(patience, client.ask(request)).await;
                answer.ok().map(|answer| answer.code())
            }));
        }
    }
    let mut codes = BTreeMap::new();
    for answer in asked {
        match answer.await.expect("no panic") {
            Some(code) => *codes.entry(code).or_default() += 1,
            None => left += 1,
        }
    }
    (codes, left)
}

/// Any of many kinds of requests, and how long its client waits for the answer.
fn ask(dice: &mut Dice) -> (crate::support::Ask, Duration) {
    let service = dice.below(900);
    let request = match dice.below(10) {
        0 => get(&format!("/?ms={service}&chunks=5&gap=100")),
        1 => get(&format!("/?ms={service}&stubborn")),
        2 => get("/?reset"),
        _ => post(&format!("/?ms={service}"), 100),
    };
    let patience = match dice.below(8) {
        0 => dice.ms_below(1500),
        _ => secs(1000),
    };
    (request, patience)
}

#[tokio::test(start_paused = true)]
async fn a_recorded_hour_tells_every_request_and_the_same_averages_to_the_bit() {
    let folder = Folder::new();
    let mut spec = revision(2, 0..=4);
    spec.queue.max_requests = 60;
    let (gate, recording) = Gate::recorded(spec, secs(3), &folder.file(), 64 * MIB);

    let (codes, left) = live_through(&gate).await;
    sleep(secs(5)).await;
    recording.finish().await;

    let revision = read(&folder.file());
    let mut told = BTreeMap::new();
    let mut left_told = 0;
    for request in &revision.requests {
        let code = match request.fate {
            Fate::Answered { code, .. } => code,
            Fate::Refused(Reason::QueueFull) => 429,
            Fate::Refused(Reason::UpstreamReset) => 502,
            Fate::ClientLeft => {
                left_told += 1;
                continue;
            }
            other => panic!("{other:?}"),
        };
        *told.entry(code).or_default() += 1;
    }
    assert_eq!(told, codes);
    assert_eq!(codes.keys().copied().collect::<Vec<_>>(), [200, 429, 502]);
    // One that hung up before it was heard was never there.
    assert!(left_told > 50 && left_told <= left, "{left_told} of {left}");
    let again = measured_again(&revision);
    assert_eq!(measured(&revision), again);
    assert!(again.iter().filter(|(bits, _)| *bits != 0).count() > 200);
    assert!(again.iter().any(|(bits, _)| *bits == 0), "it was idle too");
    let taken = revision.requests.iter().filter(|r| was_taken(r)).count() as u64;
    assert_eq!(
        again.iter().map(|(_, requests)| requests).sum::<u64>(),
        taken
    );
}

#[tokio::test(start_paused = true)]
async fn every_decision_is_recorded_with_what_it_was_made_from() {
    let folder = Folder::new();
    let (gate, recording) = Gate::recorded(revision(2, 0..=4), secs(3), &folder.file(), 64 * MIB);
    sleep(ms(2500)).await;
    for _ in 0..6 {
        drop(gate.asking(get("/?ms=700")).await.expect("no panic"));
    }
    sleep(secs(100)).await;
    let decisions = gate.decisions();
    recording.finish().await;

    let revision = read(&folder.file());
    let recorded: Vec<_> = revision
        .ticks
        .iter()
        .filter(|t| t.decided.is_some())
        .collect();
    assert_eq!(recorded.len(), decisions.len());
    let epoch = revision.epoch.expect("from the beginning").at();
    for (tick, decision) in recorded.iter().zip(&decisions) {
        let told = tick.decided.as_ref().expect("it decided");
        assert_eq!(tick.now, epoch + (decision.at - decisions[0].at));
        assert_eq!(told.replicas, decision.replicas);
        assert_eq!(told.bound_by, decision.bound_by().as_str());
        let (seen, averages) = (&decision.seen, decision.averages);
        assert_eq!(
            (told.ready, told.starting, told.busy),
            (seen.ready, seen.starting, seen.busy)
        );
        assert_eq!(told.typical_start, seen.typical_start);
        assert_eq!(
            told.averages,
            [averages.map(|both| (both.stable, both.panic))]
        );
        let idle = seen
            .idle_since
            .map(|since| epoch + (since - decisions[0].at));
        assert_eq!(tick.idle_since, idle);
    }
    let poked = revision
        .ticks
        .iter()
        .find(|tick| tick.cause == Cause::Poked);
    let poked = poked.expect("from zero it was poked");
    assert_eq!((poked.sampled.at(), poked.in_flight), (ms(2500), 1));
    assert!(poked.decided.as_ref().is_some_and(|decided| decided.asked));
}

#[tokio::test(start_paused = true)]
async fn every_replica_is_recorded_with_the_phases_of_its_start_and_its_end() {
    let folder = Folder::new();
    let mut spec = revision(1, 0..=1);
    spec.scaling.stop_after_idle = Some(secs(20));
    let (gate, recording) = Gate::recorded(spec, secs(9), &folder.file(), 64 * MIB);
    gate.machine.next([Start::CrashAfter(secs(2))]);
    sleep(secs(1)).await;
    assert_eq!(gate.ask(get("/?ms=50")).await.code(), 200);
    sleep(secs(60)).await;
    drop(gate.asking(get("/")).await);
    gate.machine.running()[0].kill();
    sleep(secs(60)).await;
    let launched = gate.machine.launched();
    recording.finish().await;

    let replicas = read(&folder.file()).replicas;
    let endings: Vec<_> = replicas.iter().map(|replica| replica.ending).collect();
    let (failed, stopped) = (Ending::StartFailed, Ending::Stopped);
    assert_eq!(endings[..3], [failed, stopped, Ending::Lost]);
    assert_eq!(replicas.len(), launched.len());
    let started = &replicas[1];
    let phases = started.phases.expect("it became ready");
    assert_eq!(phases.spawn, ms(2));
    assert!(
        (secs(9)..secs(9) + ms(200)).contains(&phases.listen),
        "{phases:?}"
    );
    let at = |moment: Option<Moment>| moment.expect("it came so far").at();
    assert_eq!(at(started.ready), started.launched.at() + phases.total());
    assert_eq!(at(started.listed), at(started.ready));
    assert!(at(started.retired) >= at(started.ready) + secs(20));
    assert!(at(started.gone) >= at(started.retired));
    assert_eq!((replicas[0].ready, replicas[0].listed), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_long_record_stays_within_its_bound_and_its_two_files_are_read_as_one() {
    let folder = Folder::new();
    let spec = revision(0, 1..=1);
    let (gate, recording) = Gate::recorded(spec, ms(0), &folder.file(), MIB / 4);
    sleep(secs(1)).await;
    let stream = gate.asking(get("/?ms=100000000"));
    let mut client = gate.client().await;
    let asked = 14_000;
    for _ in 0..asked {
        sleep(ms(1)).await;
        assert_eq!(client.ask(get("/")).await.code(), 200);
    }
    drop(stream);
    sleep(secs(2)).await;
    recording.finish().await;

    let older = folder.0.path().join("t.1");
    assert!(size(&folder.file()) <= MIB / 4 && size(&older) <= MIB / 4);
    assert_eq!(
        std::fs::read_dir(folder.0.path())
            .expect("a folder")
            .count(),
        2
    );
    let both = read(&folder.file());
    assert_eq!(both.requests.len(), asked + 1);
    assert!(both.requests.iter().all(|request| request.over.is_some()));

    std::fs::remove_file(older).expect("it was there");
    let newer = Trace::read(&folder.file()).expect("it can be read alone");
    assert_eq!(newer.flaws.len(), 1, "{:?}", newer.flaws);
    let alone = &newer.revisions[0];
    assert_eq!((alone.opened, alone.epoch), (None, None));
    assert_eq!(alone.replicas.len(), 1, "it knows who was there");
    let (was, is) = (&both.requests[0], &alone.requests[0]);
    assert_eq!(
        (was.arrived.at(), was.stayed()),
        (is.arrived.at(), is.stayed())
    );
    assert!(alone.requests.len() < asked / 2);
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).expect("it is there").len()
}
