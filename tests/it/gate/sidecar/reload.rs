//! Settings of a sidecar that change while it runs.

use rustix::process::Signal;

use super::{Model, beside, until_ready};

#[tokio::test]
async fn what_can_change_does_so_in_place_and_the_rest_is_named() {
    let model = Model::start(&["--port", "0"]).await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("sidecar.yaml");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    write("containerConcurrency: 1\nshutdownDelay: 1h\n");
    let words = ["-f", file.to_str().expect("plain")];
    let mut gate = beside(model.address.port(), &words).await;
    until_ready(&gate).await;
    let mut log = gate.log();
    let limit = |n: u32| move |m: &serde_json::Value| m["containerConcurrency"] == n;
    gate.until("m", limit(1)).await;

    write("containerConcurrency: 2\nshutdownDelay: 0s\nmaxStreams: 9\n");
    let named = log
        .next(|line| line.says("a change of this takes effect"))
        .await;
    assert_eq!(named.text("key"), "maxStreams");
    gate.until("m", limit(2)).await;

    write("containerConcurrency: 3\nshutdownDelay: long\n");
    log.next(|line| line.says("the configuration stays as it was"))
        .await;
    gate.until("m", limit(2)).await;

    gate.signal(Signal::TERM);
    assert_eq!(gate.ended().await.code(), Some(0), "without the hour");
}
