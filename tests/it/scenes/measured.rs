//! How many replicas, by what they use and report.

use holdgate::autoscale::Bound;
use holdgate::ports::ReplicaState;
use holdgate::revision::{MetricTarget, RevisionSpec, ScaleMetric, Scrape};
use tokio::time::{Instant, sleep};

use crate::support::{Gate, broken, get, ms, revision, secs};

use ScaleMetric::{Concurrency, Cpu};

/// Steered by 80 % of cpu alone.
fn by_cpu(replicas: std::ops::RangeInclusive<u32>) -> RevisionSpec {
    let mut spec = revision(0, replicas);
    spec.scaling.metric = Cpu;
    spec.scaling.target = Some(80.0);
    spec
}

fn ready(gate: &Gate) -> u32 {
    gate.count(ReplicaState::Ready)
}

async fn settled(gate: &Gate, want: u32) {
    gate.until(|gate| ready(gate) == want).await;
    // It stays so.
    for _ in 0..200 {
        sleep(secs(1)).await;
        assert_eq!(ready(gate), want, "{:#?}", gate.decisions().pop());
    }
}

#[tokio::test(start_paused = true)]
async fn cpu_counts_without_requests_where_a_replica_is_to_be_there() {
    let gate = Gate::warm(by_cpu(1..=9)).await;
    gate.dials.set(Cpu, 250.0);
    settled(&gate, 4).await;
    gate.dials.set(Cpu, 100.0);
    settled(&gate, 2).await;
    gate.dials.set(Cpu, 0.0);
    settled(&gate, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_starts_the_first_replica_and_cpu_the_others() {
    let gate = Gate::new(by_cpu(0..=9), secs(20));
    gate.dials.set(Cpu, 250.0);
    sleep(secs(100)).await;
    assert_eq!(gate.machine.launched().len(), 0, "nobody asked");

    let asked = Instant::now();
    let answer = gate.asking(get("/?ms=290000"));
    sleep(ms(100)).await;
    assert_eq!(gate.machine.launched().len(), 1, "at once");
    sleep(secs(19)).await;
    assert_eq!(gate.machine.launched().len(), 1, "loading is no load");
    settled(&gate, 4).await;
    assert_eq!(answer.await.expect("no panic").code(), 200);
    assert!(asked.elapsed() >= secs(310), "it was answered by the first");
}

#[tokio::test(start_paused = true)]
async fn an_idle_revision_goes_whatever_its_replicas_use() {
    for broken in [false, true] {
        let gate = Gate::new(by_cpu(0..=9), secs(1));
        gate.dials.set(Cpu, 900.0);
        let answer = gate.asking(get("/?ms=30000")).await.expect("no panic");
        assert_eq!((answer.code(), ready(&gate)), (200, 9));
        if broken {
            gate.dials.break_off(Cpu);
        }
        let stopped = Instant::now();
        gate.until(|gate| gate.machine.running().is_empty()).await;
        let took = stopped.elapsed();
        assert!(took >= secs(90) && took <= secs(104), "gone {took:?} later");
        sleep(secs(300)).await;
        assert_eq!(gate.machine.launched().len(), 9, "and stays away");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_takes_no_replica_away() {
    let gate = Gate::warm(by_cpu(1..=9)).await;
    gate.dials.set(Cpu, 300.0);
    settled(&gate, 4).await;
    // The last that is heard of it is little.
    gate.dials.set(Cpu, 10.0);
    sleep(secs(5)).await;
    gate.dials.break_off(Cpu);
    sleep(secs(3)).await;
    assert_eq!(ready(&gate), 4);
    settled(&gate, 4).await;
    let last = gate.decisions().pop().expect("decisions are made");
    assert_eq!(last.bound_by(), Bound::NoData);

    gate.dials.set(Cpu, 10.0);
    settled(&gate, 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_read_now_and_then_is_no_less_for_it() {
    let gate = Gate::warm(by_cpu(1..=9)).await;
    let mut second = 0;
    gate.dials.set_to(Cpu, move || {
        second += 1;
        if second % 4 == 0 {
            Ok(250.0)
        } else {
            Err(broken())
        }
    });
    settled(&gate, 4).await;
}

#[tokio::test(start_paused = true)]
async fn the_metric_that_asks_for_most_wins_and_changed_settings_are_followed() {
    let waiting = ScaleMetric::Scraped(
        Scrape {
            name: "waiting".into(),
            path: "/metrics".into(),
        }
        .into(),
    );
    let mut gate = Gate::warm(revision(0, 1..=9)).await;
    gate.dials.set(Cpu, 250.0);
    gate.dials.set(waiting.clone(), 35.0);
    settled(&gate, 1).await;

    gate.rewrite(|spec| {
        spec.scaling.further_metrics = [(Cpu, 80.0), (waiting.clone(), 5.0)]
            .map(|(metric, target)| MetricTarget {
                metric,
                target: Some(target),
            })
            .into();
    });
    settled(&gate, 7).await;
    let last = gate.decisions().pop().expect("decisions are made");
    assert_eq!((last.metric, last.target), (waiting.clone(), 5.0));
    gate.dials.set(waiting, 5.0);
    settled(&gate, 4).await;
    let last = gate.decisions().pop().expect("decisions are made");
    assert_eq!(last.metric, Cpu);

    gate.rewrite(|spec| spec.scaling.further_metrics.clear());
    settled(&gate, 1).await;
    let last = gate.decisions().pop().expect("decisions are made");
    assert_eq!(last.metric, Concurrency);
}
