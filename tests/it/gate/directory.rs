//! A server that was never made for us.

use std::process::Command;

use super::client::{ask, get};
use super::support::*;

#[tokio::test]
async fn a_plain_file_server_serves_a_directory() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("tulips.txt"), "red and yellow").expect("written");
    let path = dir.path().to_str().expect("a plain path");

    let gate = Gate::run(&[
        "--dir",
        path,
        "--",
        "python3",
        "-m",
        "http.server",
        "{port}",
    ])
    .await;

    let listing = ask(gate.address, get("/")).await.expect("an answer");
    assert_eq!(listing.outcome(), (200, ""));
    assert!(listing.text().contains("tulips.txt"), "{}", listing.text());
    let file = ask(gate.address, get("/tulips.txt"))
        .await
        .expect("an answer");
    assert_eq!(
        (file.status.as_u16(), file.text().as_str()),
        (200, "red and yellow")
    );
}
