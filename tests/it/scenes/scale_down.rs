//! Who goes, and who stays until it is done.

use std::collections::BTreeSet;

use holdgate::ports::ReplicaState;
use tokio::time::{Instant, sleep};

use crate::support::{Gate, get, ms, named, revision, secs};

#[tokio::test(start_paused = true)]
async fn idle_replicas_go_and_a_busy_one_is_left_alone() {
    let gate = Gate::warm(revision(1, 0..=5)).await;
    // A stream of ten minutes on each of two, in the middle of those that come.
    let mut asked = Vec::new();
    for n in 0..5 {
        let target = match n {
            1 | 3 => "/?chunks=601&gap=1000",
            _ => "/?ms=90000",
        };
        asked.push(gate.asking(named(n, get(target))));
        sleep(secs(10)).await;
    }
    assert_eq!(gate.machine.launched().len(), 5);
    let seen = gate.machine.seen();
    let streams = seen.iter().filter(|s| s.target.contains("chunks"));
    let busy: BTreeSet<_> = streams.map(|s| s.replica).collect();
    gate.until(|gate| gate.machine.running().len() == 2).await;
    let left = gate.machine.running().iter().map(|p| p.replica).collect();
    assert_eq!(busy, left);
    assert_eq!(gate.machine.at_work(), 2);
    for answer in asked {
        let answer = answer.await.unwrap();
        assert_eq!(answer.code(), 200);
        answer.body.expect("nothing was cut");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_replica_drains_and_its_stream_is_never_cut() {
    let mut patient = revision(1, 2..=2);
    patient.queue.timeout = secs(600);
    let mut gate = Gate::warm(patient).await;
    let streams: Vec<_> = (0..2)
        .map(|_| gate.asking(get("/?chunks=601&gap=1000")))
        .collect();
    sleep(secs(5)).await;
    let began = Instant::now();

    gate.rewrite(|spec| {
        spec.scaling.min_replicas = 0;
        spec.scaling.max_replicas = Some(1);
    });
    gate.until(|gate| gate.count(ReplicaState::Draining) == 1)
        .await;
    sleep(secs(300)).await;
    assert_eq!(gate.machine.running().len(), 2, "it is let finish");
    let waits = gate.asking(named("later", get("/?ms=10")));
    sleep(secs(30)).await;
    assert_eq!(
        gate.reading().waiting,
        1,
        "the one that drains takes nothing new"
    );

    for stream in streams {
        let answer = stream.await.unwrap();
        assert_eq!(answer.text().matches("data: ").count(), 601);
    }
    assert_eq!(waits.await.unwrap().code(), 200);
    gate.until(|gate| gate.machine.running().len() == 1).await;
    assert!(began.elapsed() < secs(600));
    assert_eq!(gate.machine.launched().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn demand_that_returns_revives_what_drains_instead_of_starting_another() {
    let mut gate = Gate::warm(revision(1, 2..=2)).await;
    let streams: Vec<_> = (0..2)
        .map(|_| gate.asking(get("/?chunks=301&gap=1000")))
        .collect();
    sleep(secs(5)).await;
    gate.rewrite(|spec| {
        spec.scaling.min_replicas = 0;
        spec.scaling.max_replicas = Some(1);
    });
    gate.until(|gate| gate.count(ReplicaState::Draining) == 1)
        .await;

    gate.rewrite(|spec| spec.scaling.max_replicas = Some(2));
    gate.until(|gate| gate.count(ReplicaState::Ready) == 2)
        .await;

    for stream in streams {
        assert_eq!(stream.await.unwrap().text().matches("data: ").count(), 301);
    }
    let again: Vec<_> = (0..2).map(|_| gate.asking(get("/?ms=1000"))).collect();
    for answer in again {
        assert_eq!(answer.await.unwrap().took, secs(1), "both take requests");
    }
    assert_eq!(gate.machine.launched().len(), 2);
    assert!(gate.machine.terminated().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_surplus_that_all_have_a_share_of_falls_idle_and_goes() {
    for limit in [3, 10, 0] {
        let mut gate = Gate::warm(revision(limit, 4..=4)).await;
        // Nine tenths of what one replica carries, in requests of which every replica has some.
        let target = if limit == 0 { 10 } else { limit };
        gate.rewrite(|spec| {
            spec.scaling.min_replicas = 0;
            spec.scaling.target = Some(f64::from(target));
        });
        let mut asked = Vec::new();
        for _ in 0..300 {
            for _ in 0..target {
                asked.push(gate.asking(get("/?ms=1000")));
                sleep(ms(1000 / u64::from(target) + 20)).await;
            }
        }
        let busy = gate.machine.running().len();
        assert_eq!(busy, 1, "with a limit of {limit}");
        for answer in asked {
            assert_eq!(answer.await.expect("no panic").code(), 200);
        }
        assert_eq!(gate.machine.launched().len(), 4);
    }
}
