//! Model servers that die.

use std::collections::BTreeSet;

use holdgate::ports::ReplicaState;
use tokio::time::{Instant, sleep};

use crate::support::{Dice, Gate, ms, named, post, revision, secs};

/// One seed: a revision that falls to zero after every round and is woken again, while somebody
/// kills what starts.
async fn rounds(seed: u64, rounds: u32) {
    let mut dice = Dice::new(seed);
    let load = ms(50) + dice.ms_below(20_000);
    let limit = u32::try_from(1 + dice.below(3)).expect("few");
    let mut spec = revision(limit, 0..=3);
    spec.scaling.stop_after_idle = Some(secs(1));
    spec.scaling.failed_starts = 5;
    let gate = Gate::new(spec, load);
    let mut sent = 0;
    for _ in 0..rounds {
        sleep(dice.ms_below(3000)).await;
        let mut asked = Vec::new();
        for _ in 0..=dice.below(6) {
            sent += 1;
            let target = format!("/?ms={}", dice.below(400));
            asked.push(gate.asking(named(sent, post(&target, 200))));
            if dice.below(2) == 0 {
                sleep(dice.ms_below(300)).await;
            }
        }
        for _ in 0..dice.below(4) {
            kill_a_start(&gate, &mut dice, load).await;
        }
        for answer in asked {
            let answer = answer.await.expect("no panic");
            assert_eq!(answer.code(), 200, "seed {seed}: {answer:?}");
            assert_eq!(answer.text(), "200 bytes");
        }
        gate.until(|gate| gate.machine.running().is_empty()).await;
    }
    let order = gate.machine.order();
    let distinct: BTreeSet<_> = order.iter().collect();
    assert_eq!(distinct.len(), sent, "seed {seed}: one was lost");
    assert_eq!(order.len(), sent, "seed {seed}: one was sent twice");
    assert!(gate.machine.most_inside() <= limit, "seed {seed}");
    let reading = gate.reading();
    assert_eq!(
        (reading.running, reading.waiting, reading.waiting_bytes),
        (0, 0, 0)
    );
    assert_eq!(gate.codes(), [(200, sent as u64)].into());
}

/// Waits a random part of a start, then kills one that is still starting.
async fn kill_a_start(gate: &Gate, dice: &mut Dice, load: std::time::Duration) {
    let whole = u64::try_from(load.as_millis()).expect("short") + 30;
    sleep(dice.ms_below(whole)).await;
    let world = gate.world().borrow().clone();
    let starting = |id| {
        let mut replicas = world.replicas.iter();
        replicas.any(|r| r.id == id && r.state == ReplicaState::Starting)
    };
    let running = gate.machine.running();
    if let Some(process) = running.iter().find(|p| starting(p.replica)) {
        process.kill();
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_is_lost_over_nine_hundred_cold_starts_with_random_kills() {
    for seed in 0..45 {
        rounds(seed, 20).await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_requests_inside_a_killed_replica_fail() {
    let gate = Gate::warm(revision(10, 3..=3)).await;
    let asked: Vec<_> = (0..50)
        .map(|n| gate.asking(named(n, post("/?ms=1000", 10))))
        .collect();
    sleep(ms(500)).await;
    let victim = gate.machine.running().remove(1);
    assert_eq!(victim.work.now(), 10);
    victim.kill();
    let killed = Instant::now();
    gate.until(|gate| gate.count(ReplicaState::Ready) == 3)
        .await;
    assert!(
        killed.elapsed() < secs(1),
        "it is back without being asked for"
    );

    let mut failed = Vec::new();
    for (n, answer) in asked.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        if answer.code() != 200 {
            assert_eq!(answer.code(), 502);
            assert_eq!(answer.header("x-holdgate-reason"), Some("upstream_reset"));
            failed.push(n.to_string());
        }
    }
    let seen = gate.machine.seen();
    let inside = seen.iter().filter(|s| s.replica == victim.replica);
    let mut inside: Vec<_> = inside.map(|s| s.id.clone()).collect();
    inside.sort();
    failed.sort();
    assert_eq!(failed, inside);
    assert_eq!(seen.len(), 50, "none was sent twice");
    assert_eq!(gate.reading().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replica_killed_in_the_middle_of_a_stream_cuts_it_visibly() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let stream = gate.asking(post("/?chunks=100&gap=1000", 10));
    sleep(ms(10_500)).await;
    gate.machine.running()[0].kill();
    let answer = stream.await.unwrap();
    assert_eq!(answer.code(), 200);
    answer.body.expect_err("it looks cut");
    assert_eq!(gate.reading().running, 0, "its slot is free");
    assert_eq!(gate.ask(post("/?ms=10", 10)).await.code(), 200);
}
