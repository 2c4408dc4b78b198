//! A gate that is killed and started again, with and without what it had learned.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::{ask, predict};
use super::support::*;

/// Where gates on port 0 keep what they learn, when they are told to.
struct Home {
    dir: TempDir,
    settings: Settings,
}

impl Home {
    fn new() -> Self {
        let most = "scaleTarget: 1, maxReplicas: 6";
        let slow = "--load-time 300ms --service-time 60s";
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            settings: Settings::new(&[revision("m", most, slow)]),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("127.0.0.1-0.json")
    }

    async fn run(&self) -> Gate {
        let dir = self.dir.path().to_str().expect("a plain path");
        self.settings.run(&["--state", dir]).await
    }

    /// The number it would ask for again.
    fn asked(&self) -> Option<u64> {
        let text = fs::read(self.file()).ok()?;
        let file: Value = serde_json::from_slice(&text).expect("it is written in one step");
        file["revisions"]["m"]["asked"].as_u64()
    }
}

/// What was decided, once that is so much.
async fn decisions(gate: &Gate, least: u64) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let told = gate.admin("/revisions/m/decisions").await.json();
        let all = told.as_array().expect("a list");
        // Those that say the same are told as one.
        let count: u64 = all.iter().filter_map(|d| d["count"].as_u64()).sum();
        if count >= least {
            return all.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{told:#}");
        sleep(GLANCE).await;
    }
}

async fn kill(mut gate: Gate) {
    gate.signal(Signal::KILL);
    gate.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_killed_under_load_starts_the_number_it_had_at_once() {
    let home = Home::new();
    let gate = home.run().await;
    let mut asking = JoinSet::new();
    for _ in 0..3 {
        asking.spawn(ask(gate.address, predict("m")));
    }
    until("three are asked for", async || home.asked() == Some(3)).await;
    gate.until("m", |report| report["typicalStartMs"].is_number())
        .await;
    // So that it is written that a start was measured.
    let measured = || {
        let text = fs::read_to_string(home.file()).expect("the file");
        !text.contains("\"typicalStartMs\":null")
    };
    until("a start is written down", async || measured()).await;
    kill(gate).await;
    // Nobody asks any more: what comes now comes from memory. And again, within the same minute.
    for _ in 0..2 {
        let gate = home.run().await;
        let report = gate.until("m", |report| report["desired"] == 3).await;
        let typical = report["typicalStartMs"].as_f64();
        assert!(typical.is_some_and(|ms| ms >= 300.0), "{report:#}");
        let mut log = gate.log();
        for _ in 0..3 {
            log.next_start("m").await;
        }
        let decisions = decisions(&gate, 3).await;
        assert!(
            decisions.iter().all(|d| d["replicas"] == 3),
            "{decisions:#?}"
        );
        kill(gate).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_set_aside_and_said_so() {
    let home = Home::new();
    fs::write(home.file(), "{\"kind\":\"holdgate-st").expect("written");
    let mut gate = home.run().await;
    let said = gate
        .log()
        .reread()
        .next(|line| line.says("what was remembered cannot be understood"))
        .await;
    let aside = PathBuf::from(said.text("aside"));
    assert_eq!(
        fs::read_to_string(&aside).expect("it is there"),
        "{\"kind\":\"holdgate-st"
    );
    let aside = aside.display().to_string();
    assert!(aside.contains("127.0.0.1-0.json.bad-"), "{aside}");
    gate.signal(Signal::TERM);
    assert!(gate.ended().await.success());
    let text = fs::read_to_string(home.file()).expect("a new one is written");
    assert!(text.contains("\"kind\":\"holdgate-state\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_on_any_free_port_keeps_nothing_unless_told_to() {
    let home = Home::new();
    let path = home.dir.path().to_str().expect("a plain path").to_owned();
    let mut command = holdgate(&["run", "--listen", "127.0.0.1:0", "--admin", "off"]);
    command.args(["--log-format", "json", "-f", home.settings.path()]);
    command.env("XDG_STATE_HOME", &path).env("HOME", &path);
    let mut gate = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut log = Log::of(gate.stderr.take().expect("it was piped"));
    log.next(|line| line.says("listening on http://")).await;
    let id = pid(gate.id().expect("it runs"));
    kill_process(id, Signal::TERM).expect("it is there");
    log.next(|line| line.says("drained")).await;
    assert!(gate.wait().await.expect("it is ours").success());
    let left = fs::read_dir(&path).expect("the directory").count();
    assert_eq!(left, 0);
}
