//! What others got wrong.

use std::collections::HashMap;

use holdgate::ports::ReplicaState;
use tokio::time::{Instant, sleep};

use crate::support::{Gate, defaults, get, ms, named, post, process, revision, secs, settle};

#[tokio::test(start_paused = true)]
async fn a_replica_that_becomes_ready_takes_exactly_its_limit_in_order_of_arrival() {
    let gate = Gate::new(revision(3, 2..=2), secs(9));
    let mut asked = Vec::new();
    for n in 0..20 {
        asked.push(gate.asking(named(n, get("/?ms=1000"))));
        settle().await;
    }
    gate.until(|gate| !gate.machine.seen().is_empty()).await;
    sleep(ms(500)).await;
    let mut per_replica = HashMap::<_, u32>::new();
    for seen in gate.machine.seen() {
        *per_replica.entry(seen.replica).or_default() += 1;
    }
    assert_eq!(per_replica.into_values().collect::<Vec<_>>(), [3, 3]);
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    let order: Vec<u32> = gate
        .machine
        .order()
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    // Those that begin at the same moment are told apart by nobody.
    for (n, group) in order.chunks(6).enumerate() {
        let mut group = group.to_vec();
        group.sort_unstable();
        let first = u32::try_from(n * 6).unwrap();
        let want: Vec<u32> = (first..20.min(first + 6)).collect();
        assert_eq!(group, want);
    }
    assert_eq!(gate.machine.most_inside(), 3);
}

#[tokio::test(start_paused = true)]
async fn with_one_slot_the_order_of_arrival_is_the_order_of_service() {
    let gate = Gate::new(revision(1, 1..=1), secs(90));
    let mut asked = Vec::new();
    for n in 0..200 {
        asked.push(gate.asking(named(n, post("/?ms=50", 1 + n * 97))));
        sleep(ms(1)).await;
    }
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
    let want: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(gate.machine.order(), want);
}

#[tokio::test(start_paused = true)]
async fn one_stuck_revision_delays_no_other() {
    let mut gate = Gate::empty();
    for (name, load) in [("stuck", secs(3600)), ("full", ms(0)), ("fine", ms(0))] {
        let mut spec = revision(1, 1..=1);
        spec.id = defaults(name).id;
        spec.hosts = defaults(name).hosts;
        spec.models = defaults(name).models;
        gate.add(spec, process(load));
    }
    sleep(secs(1)).await;
    let mut waiting: Vec<_> = (0..900)
        .map(|_| gate.asking(get("/v1/models/stuck:predict")))
        .collect();
    waiting.extend((0..900).map(|_| gate.asking(get("/v1/models/full?ms=100000"))));
    settle().await;
    let answer = gate.ask(get("/v1/models/fine?ms=20")).await;
    assert_eq!((answer.code(), answer.took), (200, ms(20)));
    assert!(waiting.iter().all(|asked| !asked.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_within_milliseconds_of_a_replica_being_ready() {
    for load in [50, 333, 1000, 9000, 90_000] {
        let gate = Gate::new(revision(1, 0..=1), ms(load));
        let answer = gate.ask(get("/?ms=20")).await;
        let listens = gate.machine.launched()[0].listens.unwrap();
        let late = gate.machine.seen()[0].at - listens;
        // The longest pause between two looks at a start: 25 ms, 100 ms once it is slow.
        let pause = if load < 10_000 { ms(27) } else { ms(102) };
        assert!(late <= pause, "{late:?} late after {load} ms");
        let added = answer.took.saturating_sub(ms(load + 20));
        assert!(added <= pause + ms(5), "{added:?} added to {load} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_during_a_start_adds_no_pause_of_ours_to_the_first_restart() {
    let gate = Gate::new(revision(1, 0..=1), secs(2));
    gate.machine
        .next([crate::support::Start::CrashAfter(ms(500))]);
    let answer = gate.ask(get("/?ms=20")).await;
    assert_eq!(answer.code(), 200);
    assert!(answer.took < ms(2600), "{:?}", answer.took);
}

#[tokio::test(start_paused = true)]
async fn the_average_of_a_young_revision_is_not_diluted_by_time_before_it() {
    let gate = Gate::new(defaults("m"), ms(0));
    let _asked: Vec<_> = (0..10).map(|_| gate.asking(get("/?ms=200000"))).collect();
    let begun = Instant::now();
    gate.until(|gate| gate.count(ReplicaState::Ready) == 10)
        .await;
    assert!(
        begun.elapsed() <= secs(3),
        "ten wanted after {:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_hour_inside_a_stream_is_activity_and_a_hung_request_expires() {
    let mut spec = revision(1, 0..=1);
    spec.scaling.stop_after_idle = Some(secs(10));
    spec.timeouts.idle = Some(secs(7200));
    let gate = Gate::new(spec, secs(1));
    let stream = gate.ask(get("/?chunks=2&gap=3600000")).await;
    assert_eq!(stream.text(), "data: 0\n\ndata: 1\n\n");
    assert_eq!(gate.machine.launched().len(), 1);

    let hung = gate.ask(get("/?chunks=2&silent")).await;
    hung.body.expect_err("it looks cut");
    assert!(hung.took >= secs(7200) && hung.took < secs(7201));
    let expired = Instant::now();
    gate.until(|gate| gate.machine.running().is_empty()).await;
    assert!(expired.elapsed() <= secs(14), "{:?}", expired.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_is_no_error_of_ours() {
    let gate = Gate::new(revision(1, 0..=1), secs(90));
    let leavers: Vec<_> = (0..20).map(|_| gate.asking(get("/"))).collect();
    sleep(secs(5)).await;
    drop(leavers);
    settle().await;
    assert_eq!(gate.codes(), [(499, 20)].into());
    assert!(gate.stats().rejections.read().is_empty());
    assert_eq!(gate.reading().waiting, 0);
}
