//! However the gate ends, no model process is left.

use super::*;

#[tokio::test]
async fn the_keeper_ends_what_is_left_when_its_gate_is_gone_and_spares_what_it_forgot() {
    let mut keeper = keeper();
    let mut orphan = sleeper();
    let mut spared = sleeper();
    let mut to = keeper.stdin.take().unwrap();
    writeln!(to, "+{}\n+{}\n-{}", orphan.id(), spared.id(), spared.id()).unwrap();

    // As the kernel does it for a gate that got SIGKILL.
    drop(to);

    assert!(keeper.wait().unwrap().success());
    assert_eq!(orphan.wait().unwrap().to_string(), "signal: 9 (SIGKILL)");
    assert_eq!(spared.try_wait().unwrap(), None);
    spared.kill().unwrap();
    spared.wait().unwrap();
}

#[tokio::test]
async fn the_keeper_is_deaf_to_polite_signals() {
    let mut keeper = keeper();
    let mut orphan = sleeper();
    let mut to = keeper.stdin.take().unwrap();
    let mut from = BufReader::new(keeper.stdout.take().unwrap());
    writeln!(to, "+{}", orphan.id()).unwrap();
    from.read_line(&mut String::new()).unwrap();

    let pid = Pid::from_raw(i32::try_from(keeper.id()).unwrap()).unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(pid, signal).unwrap();
    }
    drop(to);

    assert!(keeper.wait().unwrap().success());
    assert_eq!(orphan.wait().unwrap().to_string(), "signal: 9 (SIGKILL)");
}

fn keeper() -> std::process::Child {
    let mut command = Command::new(EXE);
    command
        .arg("keeper")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0);
    command.spawn().expect("the keeper starts")
}

fn sleeper() -> std::process::Child {
    Command::new("sleep")
        .arg("1000")
        .process_group(0)
        .spawn()
        .expect("there is a sleep")
}

/// Not a test of its own: a gate that starts a server with a grandchild and stays.
#[test]
#[ignore = "plays a gate for the other tests"]
fn plays_a_gate() {
    let Ok(dir) = std::env::var("GATE_DIR") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let script = "trap '' TERM; sleep 1000 & echo $! > grandchild; echo $$ > server; wait";
        let spec = ProcessSpec {
            dir: Some(dir.into()),
            ..shell(script)
        };
        let (supervisor, mut world) = supervise(spec);
        supervisor.scale_to(1, "a test").await.unwrap();
        // Nobody lets go of it: it ends only by being killed.
        while world.changed().await.is_ok() {}
    });
}

#[tokio::test]
async fn no_model_process_survives_a_gate_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut gate = Command::new(std::env::current_exe().unwrap())
        .args(["process::kept::plays_a_gate", "--exact", "--ignored"])
        .env("GATE_DIR", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = pid_in(&file_in(&dir, "server")).await;
    let grandchild = pid_in(&file_in(&dir, "grandchild")).await;
    assert!(is_alive(server) && is_alive(grandchild));

    gate.kill().unwrap();
    gate.wait().unwrap();

    until_dead(server).await;
    until_dead(grandchild).await;
}

#[tokio::test]
async fn a_keeper_that_died_is_started_again_and_told_everything() {
    let dir = tempfile::tempdir().unwrap();
    let pids = file_in(&dir, "pids");
    let script = "printf '#!/bin/sh\\necho $$ >> %s\\nexec %s \"$@\"\\n' \"$1\" \"$2\" > \"$3\"; chmod +x \"$3\"";
    let wrapper = file_in(&dir, "wrapper");
    let words = [pids.as_os_str(), EXE.as_ref(), wrapper.as_os_str()];
    let made = Command::new("sh")
        .args(["-c", script, "sh"])
        .args(words)
        .status()
        .unwrap();
    assert!(made.success());
    let keeper = Keeper::new(wrapper);
    let mut orphan = sleeper();
    keeper
        .tell(i32::try_from(orphan.id()).unwrap())
        .await
        .unwrap();
    let first = pid_in(&pids).await;

    kill_process(first, Signal::KILL).unwrap();
    let begun = Instant::now();
    while std::fs::read_to_string(&pids).unwrap().lines().count() < 2 {
        assert!(begun.elapsed() < LONG, "no second keeper came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(keeper);

    let status = tokio::task::spawn_blocking(move || orphan.wait().unwrap())
        .await
        .unwrap();
    assert_eq!(status.to_string(), "signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_shim_without_leave_never_runs_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let mut shim = Command::new(EXE)
        .args(["keeper-exec", "--", "touch", "ran"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();

    assert!(!shim.wait().unwrap().success());
    assert!(!file_in(&dir, "ran").exists());
}
