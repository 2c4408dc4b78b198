//! Starts that take minutes: what is on its way is supply, and what is wanted is worked out once.

use holdgate::autoscale::{Bound, Decision};
use holdgate::ports::ReplicaState;
use holdgate::revision::ContainerConcurrency;
use tokio::time::{Instant, sleep};

use crate::support::{Gate, get, ms, post, revision, secs};

fn wanted(decisions: &[Decision]) -> impl Iterator<Item = u32> {
    decisions.iter().filter_map(|decision| decision.replicas)
}

/// So many wait for model servers that load for five minutes and take four at once.
async fn forty_wait(phase: u64) -> Gate {
    let mut spec = revision(4, 0..=0);
    spec.scaling.max_replicas = None;
    // What one replica can take is what it should carry.
    spec.scaling.target = None;
    let gate = Gate::new(spec, secs(300));
    sleep(ms(phase)).await;
    let began = Instant::now();
    let asked: Vec<_> = (0..40).map(|_| gate.asking(post("/?ms=20", 10))).collect();
    sleep(secs(12)).await;
    assert_eq!(gate.machine.launched().len(), 10, "within 12 s");
    while began.elapsed() < secs(299) {
        let decisions = gate.decisions();
        assert!(wanted(&decisions).all(|n| n <= 10), "never above ten");
        assert_eq!(wanted(&decisions).last(), Some(10), "none is given up");
        assert!(gate.machine.terminated().is_empty());
        assert_eq!(gate.count(ReplicaState::Starting), 10);
        sleep(secs(10)).await;
    }
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
    gate
}

#[tokio::test(start_paused = true)]
async fn forty_who_wait_for_five_minutes_are_ten_starts_and_never_one_more() {
    for phase in [0, 300, 1000, 1700, 65_000] {
        let gate = forty_wait(phase).await;
        assert_eq!(gate.machine.launched().len(), 10, "ten starts in all");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_start_at_once_than_may() {
    let mut spec = revision(1, 0..=9);
    spec.scaling.max_starting = Some(3);
    let gate = Gate::new(spec, secs(20));
    let asked: Vec<_> = (0..9).map(|_| gate.asking(get("/?ms=200000"))).collect();
    let mut most = 0;
    while gate.count(ReplicaState::Ready) < 9 {
        most = most.max(gate.count(ReplicaState::Starting));
        let last = gate.decisions().pop();
        let held = last.is_some_and(|d| d.bound_by() == Bound::MaxStarting);
        assert!(held || gate.machine.launched().len() >= 9 || gate.decisions().len() < 5);
        sleep(secs(1)).await;
    }
    assert_eq!(most, 3);
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn no_fewer_are_wanted_than_are_busy() {
    let mut spec = revision(1, 0..=5);
    let gate = Gate::new(spec.clone(), ms(0));
    let streams: Vec<_> = (0..5)
        .map(|_| gate.asking(get("/?chunks=600&gap=1000")))
        .collect();
    gate.until(|gate| gate.machine.at_work() == 5).await;
    // One replica could carry all of them now; each of the five still answers one.
    let mut gate = gate;
    gate.rewrite(|revision| {
        revision.container_concurrency = ContainerConcurrency::new(100);
        revision.scaling.target = Some(100.0);
        spec.clone_from(revision);
    });
    sleep(secs(500)).await;
    let last = gate.decisions().pop().expect("decisions are made");
    assert_eq!((last.stable_wish, last.replicas), (1, Some(5)));
    assert_eq!(last.bound_by(), Bound::Busy);
    assert!(gate.machine.terminated().is_empty());
    for stream in streams {
        let answer = stream.await.expect("no panic");
        answer.body.expect("nothing was cut");
    }
}
