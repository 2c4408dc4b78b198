//! How many replicas, under load that begins, bursts and ends.

use holdgate::autoscale::{Decision, Mode};
use holdgate::ports::ReplicaState;
use tokio::time::{Instant, sleep, sleep_until};

use crate::support::{Gate, defaults, get, ms, post, revision, secs};

fn ready(gate: &Gate) -> u32 {
    gate.count(ReplicaState::Ready)
}

#[tokio::test(start_paused = true)]
async fn fifty_a_second_of_two_hundred_milliseconds_are_exactly_ten_replicas() {
    let gate = Gate::new(defaults("m"), ms(0));
    let start = Instant::now();
    let mut asked = Vec::new();
    // One every 20 ms for two minutes, shifted so that none falls on a measurement.
    for n in 0..6_000 {
        sleep_until(start + ms(10 + n * 20)).await;
        asked.push(gate.asking(post("/?ms=200", 10)));
    }
    assert_eq!(ready(&gate), 10);
    assert_eq!(gate.machine.launched().len(), 10, "never more");
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
}

/// One in flight for a minute, then ten for half a minute. Returns every decision, and when the
/// ten came.
async fn burst(phase: u64) -> (Vec<Decision>, std::time::Instant) {
    let gate = Gate::new(defaults("m"), ms(500));
    sleep(ms(phase)).await;
    let mut asked = vec![gate.asking(get("/?ms=90000"))];
    sleep(secs(60)).await;
    let burst = Instant::now().into_std();
    asked.extend((0..9).map(|_| gate.asking(get("/?ms=30000"))));
    sleep(secs(120)).await;
    assert_eq!(gate.machine.launched().len(), 10);
    for answer in asked {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
    (gate.decisions(), burst)
}

#[tokio::test(start_paused = true)]
async fn a_burst_panics_within_three_seconds_and_nothing_shrinks_until_it_is_over() {
    // On a whole second, before and between two decisions.
    for phase in [0, 1000] {
        let (log, burst) = burst(phase).await;
        let panics = |d: &Decision| d.mode != Mode::Stable;
        let after = |d: &Decision| d.at.duration_since(burst);
        let (before, later): (Vec<_>, Vec<_>) = log.iter().partition(|d| d.at < burst);
        assert!(before.iter().all(|d| !panics(d) && d.replicas != Some(2)));
        let begin = later.iter().position(|d| panics(d)).expect("it panics");
        assert!((secs(1)..=secs(3)).contains(&after(later[begin])));
        assert!(later[..begin].iter().all(|d| after(d) < secs(2)));
        let ten = later.iter().find(|d| d.replicas == Some(10));
        let ten = after(ten.expect("ten are wanted"));
        assert!(
            (secs(6)..=secs(8)).contains(&ten),
            "ten wanted after {ten:?}"
        );

        let length = later[begin..].iter().position(|d| !panics(d));
        let (panic, calm) = later[begin..].split_at(length.expect("it ends"));
        let supply = |d: &Decision| (d.seen.ready + d.seen.starting).max(1);
        let last = panic.iter().rfind(|d| d.panic_wish >= 2 * supply(d));
        let calm_for = calm[0].at.duration_since(last.expect("it was over").at);
        assert!(
            calm_for > secs(60) && calm_for <= secs(62),
            "ended {calm_for:?} later"
        );
        let numbers: Vec<_> = panic.iter().map(|d| d.replicas).collect();
        assert!(numbers.is_sorted(), "nothing shrinks: {numbers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_ninety_seconds_after_the_last_request() {
    for phase in [0, 400, 1500] {
        let gate = Gate::new(defaults("m"), secs(2));
        sleep(ms(phase)).await;
        let asked: Vec<_> = (0..3).map(|_| gate.asking(get("/?ms=20000"))).collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap().code(), 200);
        }
        let stopped = Instant::now();
        gate.until(|gate| gate.machine.running().is_empty()).await;
        let took = stopped.elapsed();
        assert!(took >= secs(90) && took <= secs(94), "{took:?}");
        assert!(gate.world().borrow().replicas.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_stay_as_are_the_least() {
    for least in [1, 3] {
        let gate = Gate::warm(revision(1, least..=10)).await;
        let asked: Vec<_> = (0..6).map(|_| gate.asking(get("/?ms=30000"))).collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap().code(), 200);
        }
        sleep(secs(600)).await;
        assert_eq!(ready(&gate), least);
        assert_eq!(gate.machine.running().len(), least as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_one_goes_so_long_after_the_last_request_as_asked_for() {
    for (after, phase) in [(5, 0), (20, 700), (60, 300), (300, 1300)] {
        let mut spec = defaults("m");
        spec.scaling.stop_after_idle = Some(secs(after));
        let gate = Gate::new(spec, secs(3));
        sleep(ms(phase)).await;
        gate.ask(get("/?ms=5000")).await;
        gate.ask(get("/?ms=20")).await;
        let stopped = Instant::now();
        gate.until(|gate| gate.machine.running().is_empty()).await;
        let took = stopped.elapsed();
        assert!(took >= secs(after) && took <= secs(after + 4), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_at_once_are_eight_where_eight_is_the_most() {
    for load in [0, 9, 90] {
        let mut spec = defaults("m");
        spec.scaling.max_replicas = Some(8);
        let gate = Gate::new(spec, secs(load));
        let asked: Vec<_> = (0..50).map(|_| gate.asking(get("/?ms=60000"))).collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap().code(), 200);
        }
        assert_eq!(gate.machine.launched().len(), 8, "never nine");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_minutes_is_no_reason_to_ask_for_another() {
    let gate = Gate::new(revision(1, 0..=8), secs(300));
    let asked: Vec<_> = (0..2).map(|_| gate.asking(get("/?ms=20"))).collect();
    sleep(secs(299)).await;
    assert_eq!(gate.machine.launched().len(), 2);
    let last = gate.decisions().pop().expect("decisions are made");
    assert_eq!((last.seen.ready, last.seen.starting), (0, 2));
    assert_eq!(
        last.mode,
        Mode::Stable,
        "two on their way are enough for two"
    );
    for answer in asked {
        assert_eq!(answer.await.unwrap().code(), 200);
    }
}
