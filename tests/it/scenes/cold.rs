//! From zero.

use std::sync::Arc;

use holdgate::revision::ContainerConcurrency;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Gate, defaults, get, post, secs};

#[tokio::test(start_paused = true)]
async fn five_clients_at_zero_wait_for_one_start_and_become_five_replicas() {
    for limit in [0, 1] {
        let mut spec = defaults("m");
        spec.container_concurrency = ContainerConcurrency::new(limit);
        let gate = Arc::new(Gate::new(spec, secs(9)));
        let end = Instant::now() + secs(30);
        let mut workers = JoinSet::new();
        for _ in 0..5 {
            let gate = Arc::clone(&gate);
            workers.spawn(async move {
                let mut client = gate.client().await;
                let mut answers = Vec::new();
                while Instant::now() < end {
                    let answer = client.ask(post("/?ms=20", 100)).await;
                    answers.push((answer.code(), answer.took));
                }
                answers
            });
        }
        let answers = workers.join_all().await.concat();
        assert!(answers.len() > 1000, "{}", answers.len());
        assert!(answers.iter().all(|(code, _)| *code == 200));
        let slow = answers.iter().filter(|(_, took)| *took > secs(5));
        assert_eq!(slow.count(), 5);
        assert_eq!(gate.machine.launched().len(), 5, "never more");
        assert_eq!(gate.machine.running().len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn the_load_and_the_first_answer_of_each_new_replica_are_measured_and_no_other_answer() {
    let mut spec = defaults("m");
    spec.scaling.stop_after_idle = Some(secs(5));
    let gate = Gate::new(spec, secs(9));
    let told = async |phase: &str, what: &str| {
        let text = gate.admin("/metrics").await;
        let series = format!("seconds_{what}{{revision=\"m\",phase=\"{phase}\"}} ");
        let line = text.lines().find_map(|line| line.split_once(&series));
        let (_, value) = line.expect("there is such a series");
        value.parse::<f64>().expect("a number")
    };
    assert_eq!(gate.ask(get("/?ms=4000")).await.code(), 200);
    for _ in 0..5 {
        assert_eq!(gate.ask(get("/?ms=20")).await.code(), 200);
    }
    let (count, sum) = (told("first_answer", "count"), told("first_answer", "sum"));
    let (count, sum) = (count.await, sum.await);
    assert!(
        count < 1.5 && (4.0..4.1).contains(&sum),
        "{count} in {sum} s"
    );
    gate.until(|gate| gate.machine.running().is_empty()).await;
    assert_eq!(gate.ask(get("/?ms=3000")).await.code(), 200);
    let (count, sum) = (told("first_answer", "count"), told("first_answer", "sum"));
    let (count, sum) = (count.await, sum.await);
    assert!(
        count > 1.5 && (7.0..7.2).contains(&sum),
        "{count} in {sum} s"
    );
    let load = told("load", "sum").await;
    assert!((18.0..18.4).contains(&load), "{load}");
    assert!(told("pull", "count").await < 0.5);
}
