//! From zero.

use std::sync::Arc;

use holdgate::revision::ContainerConcurrency;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Gate, defaults, post, secs};

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
