//! Replicas that are killed while they work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{Connection, predict};
use super::support::*;

const CLIENTS: usize = 20;
const LIMIT: usize = 10;

/// `HOLDGATE_LONG` makes it half a minute, with a kill every five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_requests_inside_a_killed_replica_fail_and_it_comes_back_by_itself() {
    let long = std::env::var_os("HOLDGATE_LONG").is_some();
    let (lasts, every) = if long { (30, 5) } else { (8, 2) };
    let settings = "minReplicas: 3, maxReplicas: 3, containerConcurrency: 10";
    let settings = Settings::new(&[revision("m", settings, "--service-time 100ms")]);
    let gate = settings.run(&[]).await;
    let mut begins = gate.log();
    let mut alive = BTreeMap::new();
    for _ in 0..3 {
        let start = begins.next_start("m").await;
        alive.insert(start.replica, start.pids[0]);
    }
    let mut ready = gate.log();
    for _ in 0..3 {
        ready.next_ready("m").await;
    }

    let end = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(ask_again_and_again(gate.address, Arc::clone(&end)));
    }
    let begun = Instant::now();
    let mut kills = 0;
    for second in (every..lasts).step_by(every) {
        sleep_until(begun + Duration::from_secs(second as u64)).await;
        let report = gate.report("m").await;
        let replica = busiest(&report);
        kill_process(alive[&replica], Signal::KILL).expect("it is there");
        kills += 1;
        alive.remove(&replica);
        let start = begins.next_start("m").await;
        alive.insert(start.replica, start.pids[0]);
        ready.next_ready("m").await;
    }
    sleep_until(begun + Duration::from_secs(lasts as u64)).await;
    end.store(true, Relaxed);

    let mut outcomes = BTreeMap::<_, usize>::new();
    for outcome in clients.join_all().await.into_iter().flatten() {
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{kills} kills: {outcomes:?}");
    let cut = outcomes
        .remove(&(502, "upstream_reset".to_owned()))
        .unwrap_or(0);
    let answered = outcomes.remove(&(200, String::new())).unwrap_or(0);
    assert_eq!(outcomes, BTreeMap::new(), "nothing else happens");
    assert!(cut <= kills * LIMIT, "so many can be inside at most");
    assert!(cut > 0, "a busy replica was killed every time");
    assert!(answered > lasts * 100, "{answered} were answered");
    let back = gate
        .until("m", |report| {
            report["replicas"]
                .as_array()
                .is_some_and(|all| all.len() == 3)
        })
        .await;
    assert_eq!(back["desired"], 3, "{back:#}");
}

fn busiest(report: &serde_json::Value) -> String {
    let replicas = report["replicas"].as_array().expect("a list");
    let inside = |replica: &&serde_json::Value| replica["inFlight"].as_u64();
    let busiest = replicas.iter().max_by_key(inside);
    busiest.expect("there are three")["id"].to_string()
}

/// Over one connection, which the gate keeps whatever happens behind it.
async fn ask_again_and_again(to: std::net::SocketAddr, end: Arc<AtomicBool>) -> Vec<(u16, String)> {
    let mut outcomes = Vec::new();
    let mut connection = Connection::open(to).await.expect("the gate is open");
    while !end.load(Relaxed) {
        let answer = connection.ask(predict("m")).await.expect("a whole answer");
        let (status, reason) = answer.outcome();
        outcomes.push((status, reason.to_owned()));
        if status != 200 {
            sleep(GLANCE).await;
        }
    }
    outcomes
}
