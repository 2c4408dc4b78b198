//! GPUs as model servers see them, and where the gate learns of them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;
use tokio::process::Command;

use super::client::{ask, predict};
use super::support::*;

/// Two replicas with one device each, that tell what they see before they serve.
fn seeing(name: &str, settings: &str) -> String {
    let tells = "echo sees $CUDA_VISIBLE_DEVICES $ROCR_VISIBLE_DEVICES $HIP_VISIBLE_DEVICES";
    script(name, settings, &format!("{tells}; {}", model(name, "")))
}

/// What the next model servers of this revision see, in order.
async fn seen(gate: &Gate, name: &str, count: usize) -> Vec<String> {
    let mut log = gate.log();
    let mut seen = Vec::new();
    for _ in 0..count {
        let line = log.next(|line| line.is_of(name) && line.says("sees")).await;
        seen.push(line.message()["sees".len()..].trim().to_owned());
    }
    seen.sort();
    seen
}

/// A machine whose `nvidia-smi` does this.
struct Machine(TempDir);

impl Machine {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let program = dir.path().join("nvidia-smi");
        let asked = dir.path().join("asked");
        let text = format!(
            "#!/bin/sh\necho \"$*\" >> '{}'\n{script}\n",
            asked.display()
        );
        std::fs::write(&program, text).expect("written");
        let all_may = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, all_may).expect("made a program");
        Self(dir)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = holdgate(words);
        command.env("PATH", format!("{}:/usr/bin:/bin", self.0.path().display()));
        command
    }

    /// What it was asked for, line by line.
    fn asked(&self) -> String {
        std::fs::read_to_string(self.0.path().join("asked")).unwrap_or_default()
    }
}

async fn told(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().await.expect("the program starts");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

#[tokio::test]
async fn each_model_server_sees_its_own_devices_only() {
    let two = "minReplicas: 2";
    let settings = Settings::new(&[seeing("m", two)]);
    let gate = settings
        .run(&["--gpus", "5,GPU-7f", "--gpus-per-replica", "1"])
        .await;
    assert_eq!(seen(&gate, "m", 2).await, ["5 5", "GPU-7f GPU-7f"]);
    drop(gate);

    // All of them to one; and none to one that wants none, which sees what there is.
    let gate = settings
        .run(&["--gpus", "5", "--gpus", "6", "--gpus-per-replica", "2"])
        .await;
    assert_eq!(seen(&gate, "m", 1).await, ["5,6 5,6"]);
    drop(gate);
    let mut command = holdgate(&[&LOCALLY[..], &["-f", settings.path(), "--gpus", "5"]].concat());
    command.env("CUDA_VISIBLE_DEVICES", "all");
    let gate = Gate::spawn(command).await;
    assert_eq!(seen(&gate, "m", 2).await, ["all", "all"]);
}

#[tokio::test]
async fn what_a_model_server_is_told_by_its_own_settings_holds() {
    let settings = Settings::new(&[seeing("m", "minReplicas: 1")]);
    let words = ["--gpus", "1", "--gpus-per-replica", "1"];
    let own = ["--env", "CUDA_VISIBLE_DEVICES=0"];
    let gate = settings.run(&[&words[..], &own].concat()).await;
    assert_eq!(seen(&gate, "m", 1).await, ["0 1"]);
}

#[tokio::test]
async fn two_models_take_turns_on_one_device() {
    let settings = Settings::new(&[seeing("a", "maxReplicas: 1"), seeing("b", "maxReplicas: 1")]);
    let defaults = "gpus: [0]\ndefaults: { process: { gpus: 1 } }\n";
    let text = std::fs::read_to_string(settings.path()).expect("written");
    settings.write_text(&format!("{defaults}{text}"));
    let gate = settings.run(&[]).await;

    for name in ["a", "b", "a"] {
        let answer = ask(gate.address, predict(name)).await.expect("an answer");
        assert_eq!(answer.outcome(), (200, ""), "{}", answer.text());
    }

    // The defaults would have kept each for a minute and a half.
    assert_eq!(seen(&gate, "a", 2).await, ["0 0", "0 0"]);
    assert_eq!(seen(&gate, "b", 1).await, ["0 0"]);
    let taken = |line: &super::log::Line| line.says("stopping: it was idle, and");
    let taken: Vec<_> = gate.log().present(taken);
    let told: Vec<_> = taken
        .iter()
        .map(|line| (line.text("revision"), line.message()))
        .collect();
    let for_whom = |name| format!("stopping: it was idle, and {name} needs its place");
    assert_eq!(told, [("a", &*for_whom("b")), ("b", &*for_whom("a"))]);
}

#[tokio::test]
async fn the_machine_is_asked_for_its_devices_where_nobody_wrote_them() {
    let machine = Machine::new("printf '0\\n3\\n'");
    let settings = Settings::new(&[seeing("m", "minReplicas: 2")]);
    let words = ["-f", settings.path(), "--gpus-per-replica", "1"];
    let gate = Gate::spawn(machine.command(&[&LOCALLY[..], &words].concat())).await;

    assert_eq!(seen(&gate, "m", 2).await, ["0 0", "3 3"]);
    assert_eq!(machine.asked(), "--query-gpu=index --format=csv,noheader\n");
}

#[tokio::test]
async fn the_machine_is_not_asked_by_who_need_not_know() {
    let machine = Machine::new("echo 0");
    let settings = Settings::new(&[seeing("m", "minReplicas: 1")]);
    let words = ["-f", settings.path()];
    let gate = Gate::spawn(machine.command(&[&LOCALLY[..], &words].concat())).await;
    assert_eq!(seen(&gate, "m", 1).await, [""]);
    // It would follow its file, and by then it had to know.
    drop(gate);
    let with_gpus = "gpus: [1]\ndefaults: { process: { gpus: 1 } }\n";
    let text = std::fs::read_to_string(settings.path()).expect("written");

    // Not even what a file means depends on the machine that it is read on.
    settings.write_text(&text.replacen(
        "revisions",
        "defaults: { process: { gpus: 9 } }\nrevisions",
        1,
    ));
    let (code, _) = told(machine.command(&["check", "-f", settings.path()])).await;
    assert_eq!(code, Some(0));
    settings.write_text(&format!("{with_gpus}{text}"));
    let written = Gate::spawn(machine.command(&[&LOCALLY[..], &words].concat())).await;
    assert_eq!(seen(&written, "m", 1).await, ["1 1"]);
    assert_eq!(machine.asked(), "");
}

#[tokio::test]
async fn devices_that_are_not_there_are_complained_about_before_anything_starts() {
    let wants = |machine: Machine, gpus: &'static str| async move {
        let words = ["--name", "m", "--gpus-per-replica", gpus, "--", "serve"];
        told(machine.command(&[&LOCALLY[..], &words].concat())).await
    };
    let none = |why: &str| {
        let wanted = "wanted --gpus (gpus in a file) to name the devices";
        (
            Some(2),
            format!("command line: process.gpus: {wanted}: {why}\n"),
        )
    };
    let no_driver = "echo 'NVIDIA-SMI has failed'; exit 9";
    let want = none("nvidia-smi ended with exit status: 9: NVIDIA-SMI has failed");
    assert_eq!(wants(Machine::new(no_driver), "1").await, want);
    assert_eq!(
        wants(Machine::new("true"), "1").await,
        none("nvidia-smi lists none")
    );
    let gone = Machine::new("true");
    std::fs::remove_file(gone.0.path().join("nvidia-smi")).expect("removed");
    if !Path::new("/usr/bin/nvidia-smi").exists() {
        let want = none("nvidia-smi could not be run: No such file or directory (os error 2)");
        assert_eq!(wants(gone, "1").await, want);
    }
    let too_many = "command line: process.gpus: m wants 3 GPUs in each replica, there are 2 \
                    (--gpus names them)\n";
    let two = Machine::new("printf '0\\n1\\n'");
    assert_eq!(wants(two, "3").await, (Some(2), too_many.to_owned()));
    let words = ["--gpus", "0", "--gpus-per-replica", "2", "--", "serve"];
    let (code, text) = told(holdgate(&[&["run"], &words[..]].concat())).await;
    let want = "--gpus-per-replica: wanted at most as many as there are in gpus (1), not 2\n";
    assert_eq!((code, text.as_str()), (Some(2), want));
}

#[tokio::test]
async fn a_reload_may_want_devices_that_nobody_asked_for_before() {
    let machine = Machine::new("echo 4");
    let settings = Settings::new(&[seeing("m", "minReplicas: 1")]);
    let words = [&LOCALLY[..], &["-f", settings.path()]].concat();
    let gate = Gate::spawn(machine.command(&words)).await;
    let mut log = gate.log();
    assert_eq!(seen(&gate, "m", 1).await, [""]);
    let text = std::fs::read_to_string(settings.path()).expect("written");
    let with = |gpus: u32| text.replacen("process: {", &format!("process: {{ gpus: {gpus},"), 1);

    settings.write_text(&with(2));
    gate.signal(rustix::process::Signal::HUP);
    log.next(|line| line.says("the configuration stays as it was"))
        .await;
    settings.write_text(&with(1));
    gate.signal(rustix::process::Signal::HUP);

    log.next(|line| line.is_of("m") && line.says("sees 4 4"))
        .await;
}
