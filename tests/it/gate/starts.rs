//! Cold starts whose processes are killed while they start.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::client::{ask, predict, stats};
use super::support::*;

const REVISIONS: u64 = 20;
/// Questions that wait for each start.
const WAITING: u64 = 3;
/// Crashes in a row that are still no reason to give up.
const MOST_KILLS: usize = 2;

/// xorshift64*: which starts die, and when.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % sides
    }
}

/// `HOLDGATE_LONG` makes it 1,000 starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_or_answered_twice_when_starting_processes_are_killed() {
    let rounds = if std::env::var_os("HOLDGATE_LONG").is_some() {
        50
    } else {
        5
    };
    let names: Vec<_> = (0..REVISIONS).map(|n| format!("m{n}")).collect();
    let quick = "containerConcurrency: 1, stopAfterIdle: 2s";
    let revisions: Vec<_> = names
        .iter()
        .map(|name| revision(name, quick, "--load-time 150ms"))
        .collect();
    let settings = Settings::new(&revisions);
    let gate = settings.run(&["--max-processes", "20"]).await;

    let mut scenes = JoinSet::new();
    for (seed, name) in (1..).zip(&names) {
        let scene = ColdStarts {
            gate: gate.address,
            name: name.clone(),
            log: gate.log(),
            dice: Dice(seed),
        };
        scenes.spawn(scene.play(rounds));
    }
    let kills: usize = scenes.join_all().await.into_iter().sum();

    let starts = REVISIONS * rounds;
    println!("{starts} cold starts, {kills} of their processes killed");
    assert!(kills > 0, "the dice never fell");
    for name in &names {
        let report = gate.report(name).await;
        assert_eq!(report["inFlight"], 0, "{report:#}");
        assert_eq!(gate.counted(name, 200).await, rounds * WAITING, "{name}");
    }
}

/// One revision, again and again from zero.
struct ColdStarts {
    gate: std::net::SocketAddr,
    name: String,
    log: Log,
    dice: Dice,
}

impl ColdStarts {
    async fn play(mut self, rounds: u64) -> usize {
        let mut kills = 0;
        for round in 0..rounds {
            kills += self.round(round).await;
        }
        kills
    }

    /// From zero to zero.
    async fn round(&mut self, round: u64) -> usize {
        let mut waiting = JoinSet::new();
        for n in 0..WAITING {
            let mut question = predict(&self.name);
            let sequence = (round * WAITING + n).into();
            question.headers_mut().insert("x-sample-sequence", sequence);
            waiting.spawn(ask(self.gate, question));
        }
        let kills = self.kill_some().await;
        let (_, replica) = self.log.next_ready(&self.name).await;
        for answer in waiting.join_all().await {
            let answer = answer.expect("nobody is lost");
            assert_eq!(answer.outcome(), (200, ""), "{}", answer.text());
        }
        let seen = stats(replica).await;
        assert_eq!(seen["requests"], WAITING, "each is sent once");
        assert_eq!(seen["max_concurrency"], 1);
        // It stops only when its slots are all free.
        let name = &self.name;
        self.log
            .next(|line| line.is_of(name) && line.says("stopped"))
            .await;
        kills
    }

    async fn kill_some(&mut self) -> usize {
        let mut kills = 0;
        while kills < MOST_KILLS && self.dice.roll(2) == 0 {
            let start = self.log.next_start(&self.name).await;
            sleep(Duration::from_millis(self.dice.roll(100))).await;
            if !kill_while_starting(&start).await {
                break;
            }
            kills += 1;
        }
        kills
    }
}

/// Whether it was still starting, and is killed. A busy machine may have made us late: it is stopped
/// for the look, so that it cannot become ready between look and kill.
async fn kill_while_starting(start: &Started) -> bool {
    let signal = |signal| kill_process(start.pids[0], signal).expect("it is there");
    signal(Signal::STOP);
    let is_late = TcpStream::connect(start.endpoint).await.is_ok();
    signal(if is_late { Signal::CONT } else { Signal::KILL });
    !is_late
}
