//! What a process is given and how it ends.

use super::*;

#[tokio::test]
async fn a_process_gets_its_port_environment_and_folder_and_an_empty_stdin() {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo \"$1 $PORT $COLOUR $URL $(pwd -P) $(cat | wc -c)\" > seen";
    let spec = ProcessSpec {
        env: vec![
            ("COLOUR".into(), "blue".into()),
            ("URL".into(), "http://127.0.0.1:{port}/".into()),
        ],
        dir: Some(dir.path().to_owned()),
        ..spec(&["sh", "-c", script, "sh", "--port={port}"])
    };

    let (child, port) = launch(spec).await.unwrap();
    child.gone().await;

    let folder = dir.path().canonicalize().unwrap();
    let wanted = format!(
        "--port={port} {port} blue http://127.0.0.1:{port}/ {} 0",
        folder.display()
    );
    let seen = written(&file_in(&dir, "seen")).await;
    assert_eq!(
        seen.split_whitespace().collect::<Vec<_>>().join(" "),
        wanted
    );
}

#[tokio::test]
async fn a_process_leads_a_group_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let ours = rustix::process::getpgrp();
    let spec = ProcessSpec {
        dir: Some(dir.path().to_owned()),
        ..shell("echo $$ > pid; sleep 1000")
    };
    let (child, _) = launch(spec).await.unwrap();

    let pid = pid_in(&file_in(&dir, "pid")).await;

    assert_eq!(rustix::process::getpgid(Some(pid)), Ok(pid));
    assert_ne!(pid, ours);
    child.kill();
    assert_eq!(child.gone().await.status, "signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_grandchild_does_not_outlive_its_server() {
    let dir = tempfile::tempdir().unwrap();
    // The grandchild ignores SIGTERM and keeps stderr open.
    let script = "(trap '' TERM; exec sleep 1000) & echo $! > grandchild; exit 7";
    let spec = ProcessSpec {
        dir: Some(dir.path().to_owned()),
        ..shell(script)
    };

    let (child, _) = launch(spec).await.unwrap();
    let exit = child.gone().await;

    assert_eq!(exit.status, "exit status: 7");
    until_dead(pid_in(&file_in(&dir, "grandchild")).await).await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let spec = ProcessSpec {
        dir: Some("/no/such/folder".into()),
        ..shell("true")
    };
    let error = launch(spec).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "could not run 'sh': /no/such/folder is not a directory"
    );
}
