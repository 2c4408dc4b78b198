//! However the gate ends, nobody is left without an answer who could have one, and no model server
//! is left behind.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::{Connection, Lost, ask, predict, predict_for};
use super::support::*;

const CLIENTS: usize = 16;

/// What became of how many questions.
type Outcomes = BTreeMap<String, usize>;

/// Asks on kept connections until nobody takes one any more.
async fn ask_to_the_end(to: SocketAddr) -> Outcomes {
    let mut outcomes = Outcomes::new();
    loop {
        let mut connection = match Connection::open(to).await {
            Ok(connection) => connection,
            Err(Lost::Refused) => return outcomes,
            Err(Lost::Cut(cut)) => panic!("{cut}"),
        };
        let mut goes_on = true;
        while goes_on {
            let outcome = match connection.ask(predict("m")).await {
                Ok(answer) => {
                    goes_on = !answer.is_last();
                    format!("{:?}", answer.outcome())
                }
                Err(lost) => {
                    goes_on = false;
                    format!("{lost:?}")
                }
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_answers_every_request_that_was_taken() {
    let settings = "minReplicas: 1, containerConcurrency: 4";
    let settings = Settings::new(&[revision("m", settings, "--service-time 20ms")]);
    let mut gate = settings.run(&[]).await;
    let start = gate.log().next_start("m").await;
    let ask = |_| ask_to_the_end(gate.address);
    let mut clients: JoinSet<_> = (0..CLIENTS).map(ask).collect();
    gate.until("m", |m| m["inFlight"] == 4 && m["queue"]["depth"] == 12)
        .await;
    sleep(Duration::from_millis(500)).await;

    gate.signal(Signal::TERM);

    let mut all = Outcomes::new();
    while let Some(outcomes) = clients.join_next().await {
        for (outcome, count) in outcomes.expect("no panic") {
            *all.entry(outcome).or_default() += count;
        }
    }
    let answered = all.remove("(200, \"\")").unwrap_or(0);
    println!("{answered} answered, else {all:?}");
    assert_eq!(all, Outcomes::new());
    assert!(answered > CLIENTS);
    assert_eq!(gate.ended().await.code(), Some(0));
    until_dead(&start.pids, Duration::ZERO).await;
}

#[tokio::test]
async fn who_waits_for_a_cold_start_is_served_before_the_end() {
    let settings = Settings::new(&[revision("m", "containerConcurrency: 1", "--load-time 1s")]);
    let mut gate = settings.run(&[]).await;
    let mut waiting: JoinSet<_> = (0..3).map(|_| ask(gate.address, predict("m"))).collect();
    gate.until("m", |m| m["queue"]["depth"] == 3).await;

    gate.signal(Signal::TERM);

    while let Some(answer) = waiting.join_next().await {
        let answer = answer.expect("no panic").expect("an answer");
        assert_eq!(answer.outcome(), (200, ""));
    }
    assert_eq!(gate.ended().await.code(), Some(0));
}

#[tokio::test]
async fn who_still_waits_when_the_time_is_up_is_told_so() {
    let settings = Settings::new(&[revision("m", "minReplicas: 0", "--load-time 1000s")]);
    let mut gate = settings.run(&["--drain-timeout", "300ms"]).await;
    let waiting = tokio::spawn(ask(gate.address, predict("m")));
    let start = gate.log().next_start("m").await;
    gate.until("m", |m| m["queue"]["depth"] == 1).await;

    gate.signal(Signal::TERM);

    let answer = waiting.await.expect("no panic").expect("an answer");
    assert_eq!(answer.outcome(), (503, "draining"));
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(gate.ended().await.code(), Some(0), "nobody was cut");
    until_dead(&start.pids, Duration::ZERO).await;
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    let settings = Settings::new(&[revision("m", "minReplicas: 1", "--ignore-term")]);
    let mut gate = settings.run(&[]).await;
    let mut log = gate.log();
    let start = log.next_start("m").await;
    let running = tokio::spawn(ask(gate.address, predict_for("m", Duration::from_secs(60))));
    gate.until("m", |m| m["inFlight"] == 1).await;
    gate.signal(Signal::TERM);
    log.next(|line| line.says("draining; a second signal"))
        .await;
    assert!(!running.is_finished());

    let begun = Instant::now();
    gate.signal(Signal::TERM);

    assert_eq!(gate.ended().await.code(), Some(1));
    let took = begun.elapsed();
    println!("ended after {took:?}");
    assert!(took < Duration::from_secs(5), "nobody is waited for");
    until_dead(&start.pids, Duration::ZERO).await;
    match running.await.expect("no panic") {
        Ok(answer) => assert_eq!(answer.outcome(), (502, "upstream_reset")),
        Err(lost) => assert!(matches!(lost, Lost::Cut(_)), "{lost:?}"),
    }
}

#[tokio::test]
async fn sigkill_leaves_neither_model_server_nor_its_children() {
    let with_child = format!("sleep 1000 & echo pid $$ $!; {}", model("m", ""));
    let settings = Settings::new(&[script("m", "minReplicas: 2, maxReplicas: 2", &with_child)]);
    let mut gate = settings.run(&[]).await;
    let mut log = gate.log();
    let mut pids = Vec::new();
    for _ in 0..2 {
        pids.extend(log.next_start("m").await.pids);
        gate.log().next_ready("m").await;
    }
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|&pid| is_alive(pid)));

    gate.signal(Signal::KILL);

    gate.ended().await;
    until_dead(&pids, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn sigkill_in_the_middle_of_starts_leaves_nothing_behind() {
    for delay in [0, 20, 40, 80, 160] {
        // A word that only these processes were given.
        let name = format!("m{}-{delay}", std::process::id());
        let settings = "minReplicas: 3, maxReplicas: 3";
        let settings = Settings::new(&[revision(&name, settings, "--load-time 100ms")]);
        let mut gate = settings.run(&[]).await;
        sleep(Duration::from_millis(delay)).await;

        gate.signal(Signal::KILL);

        gate.ended().await;
        let begun = Instant::now();
        while let Some(left) = who_was_given(&name).first() {
            let late = begun.elapsed() > Duration::from_secs(5);
            assert!(!late, "{left:?} is left, {delay} ms after the start");
            sleep(GLANCE).await;
        }
    }
}

/// The processes with this in their command line; none where the system does not tell.
fn who_was_given(word: &str) -> Vec<Pid> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    let given = names.filter(|name| {
        let words = std::fs::read_to_string(format!("/proc/{name}/cmdline"));
        words.is_ok_and(|words| words.contains(word))
    });
    let pids = given.filter_map(|name| name.parse().ok().map(pid));
    pids.filter(|&pid| is_alive(pid)).collect()
}

#[tokio::test]
async fn a_model_server_of_a_removed_revision_has_its_time_to_stop_as_well() {
    let settings = Settings::new(&[]);
    let bye = format!("{}.bye", settings.path());
    let slow_to_stop = format!(
        "echo pid $$; trap 'sleep 1; touch {bye}; exit 0' TERM; {} & wait",
        model("removed", "")
    );
    let kept = revision("kept", "minReplicas: 1", "");
    let removed = script("removed", "minReplicas: 1", &slow_to_stop);
    settings.write(&[kept.clone(), removed]);
    let mut gate = settings.run(&[]).await;
    let mut log = gate.log();
    let start = log.next_start("removed").await;
    log.next_ready("removed").await;
    gate.log().next_ready("kept").await;
    settings.write(&[kept]);
    log.next(|line| line.is_of("removed") && line.says("it is no longer"))
        .await;

    gate.signal(Signal::TERM);

    assert_eq!(gate.ended().await.code(), Some(0));
    assert!(std::fs::exists(&bye).expect("a folder"), "it was cut short");
    until_dead(&start.pids, Duration::ZERO).await;
}
