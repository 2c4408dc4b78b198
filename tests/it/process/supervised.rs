//! Crashes, stops and servers that do not do what is expected, told to people.

use super::*;

#[tokio::test]
async fn repeated_crashes_are_explained_with_the_last_lines_of_stderr() {
    let script = "for i in 1 2 3; do echo line $i >&2; done; echo CUDA out of memory >&2; exit 3";
    let (supervisor, mut world) = supervise(shell(script));
    supervisor.scale_to(1, "a test").await.unwrap();

    let outage = seen(&mut world, |world| world.outage.is_some())
        .await
        .outage
        .unwrap();

    let wanted =
        "the process ended with exit status: 3\nline 1\nline 2\nline 3\nCUDA out of memory";
    assert_eq!(outage.detail, wanted);
    supervisor.kill().await;
}

#[tokio::test]
async fn a_command_that_is_not_there_is_named_at_once() {
    let (supervisor, mut world) = supervise(spec(&["no-such-model-server", "--port", "{port}"]));
    supervisor.scale_to(1, "a test").await.unwrap();

    let outage = seen(&mut world, |world| world.outage.is_some())
        .await
        .outage
        .unwrap();

    assert_eq!(
        outage.detail,
        "could not run 'no-such-model-server': No such file or directory"
    );
    supervisor.kill().await;
}

#[tokio::test]
async fn a_server_that_ignores_sigterm_is_killed_after_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let stop_timeout = Duration::from_millis(300);
    let script = "trap '' TERM; echo $$ > pid; while :; do sleep 1000; done";
    let spec = ProcessSpec {
        dir: Some(dir.path().to_owned()),
        stop_timeout,
        gpus: 0,
        resources: holdgate::backend::Resources::default(),
        ..shell(script)
    };
    let (supervisor, _world) = supervise(spec);
    supervisor.scale_to(1, "a test").await.unwrap();
    let pid = pid_in(&file_in(&dir, "pid")).await;
    let begun = Instant::now();

    supervisor.stop(begun).await;

    assert!(begun.elapsed() >= stop_timeout, "{:?}", begun.elapsed());
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_server_that_finishes_on_sigterm_is_given_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo finished > end; exit 0' TERM; echo $$ > pid; sleep 1000 & wait";
    let spec = ProcessSpec {
        dir: Some(dir.path().to_owned()),
        ..shell(script)
    };
    let (supervisor, _world) = supervise(spec);
    supervisor.scale_to(1, "a test").await.unwrap();
    let pid = pid_in(&file_in(&dir, "pid")).await;

    supervisor.stop(Instant::now()).await;

    assert_eq!(written(&file_in(&dir, "end")).await, "finished");
    assert!(!is_alive(pid));
}

/// What only we can be: a process that listens, from nothing but this test binary.
fn listener(port: &str) -> ProcessSpec {
    let this = std::env::current_exe().expect("we run from a file");
    let test = [
        "process::supervised::plays_a_server",
        "--exact",
        "--ignored",
    ];
    let mut spec = spec(&[&[this.to_str().expect("its path is text")], &test[..]].concat());
    spec.env = vec![("LISTEN_ON".into(), port.into())];
    spec
}

#[test]
#[ignore = "plays a model server for the other tests"]
fn plays_a_server() {
    let Ok(port) = std::env::var("LISTEN_ON") else {
        return;
    };
    let listener = std::net::TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        // Answering before everything is read would reset the connection.
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n");
    }
}

#[tokio::test]
async fn a_server_on_its_port_becomes_ready_and_stops_when_it_is_not_wanted() {
    let (supervisor, mut world) = supervise(listener("{port}"));
    supervisor.scale_to(2, "a test").await.unwrap();
    let present = seen(&mut world, |world| world.count(ReplicaState::Ready) == 2).await;
    assert_ne!(present.replicas[0].endpoint, present.replicas[1].endpoint);
    assert!(present.typical_start.unwrap() > Duration::ZERO);

    supervisor.scale_to(0, "a test").await.unwrap();

    seen(&mut world, |world| world.replicas.is_empty()).await;
    supervisor.stop(Instant::now()).await;
}

#[tokio::test]
async fn a_killed_server_is_back_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = listener("{port}");
    let inner = spec.command.join(" ");
    spec.command = vec![
        "sh".into(),
        "-c".into(),
        format!("echo $$ > pid; exec {inner}"),
    ];
    spec.dir = Some(dir.path().to_owned());
    let (supervisor, mut world) = supervise(spec);
    supervisor.scale_to(1, "a test").await.unwrap();
    let first = seen(&mut world, |world| world.count(ReplicaState::Ready) == 1).await;

    kill_process(pid_in(&file_in(&dir, "pid")).await, Signal::KILL).unwrap();

    let is_another = |world: &World| {
        world.count(ReplicaState::Ready) == 1 && world.replicas[0].id != first.replicas[0].id
    };
    seen(&mut world, is_another).await;
    supervisor.kill().await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_server_that_ignores_its_port_is_named_with_the_one_it_has() {
    let mut spec = listener("0");
    spec.readiness.timeout = Duration::from_millis(1500);
    let (supervisor, mut world) = supervise(spec);
    supervisor.set_failed_starts(1);
    supervisor.scale_to(1, "a test").await.unwrap();

    let port = seen(&mut world, |world| !world.replicas.is_empty())
        .await
        .replicas[0]
        .endpoint
        .expect("it was given one")
        .0
        .port();
    let outage = seen(&mut world, |world| world.outage.is_some())
        .await
        .outage
        .unwrap();

    let said = outage.detail.lines().next().unwrap();
    let ending = format!("instead of {port}: does the command use {{port}} or $PORT?");
    assert!(
        said.starts_with("the process listens on ") && said.ends_with(&ending),
        "{said}"
    );
    supervisor.kill().await;
}

#[tokio::test]
async fn a_server_that_does_not_know_the_readiness_path_is_named() {
    let mut spec = listener("{port}");
    spec.readiness = Readiness {
        path: Some("/v1/models/roses".into()),
        timeout: Duration::from_millis(1500),
    };
    let (supervisor, mut world) = supervise(spec);
    supervisor.set_failed_starts(1);
    supervisor.scale_to(1, "a test").await.unwrap();

    let outage = seen(&mut world, |world| world.outage.is_some())
        .await
        .outage
        .unwrap();

    let wanted = "answers GET /v1/models/roses with 404 Not Found after 1.5s";
    assert!(outage.detail.contains(wanted), "{}", outage.detail);
    supervisor.kill().await;
}
