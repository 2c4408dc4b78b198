//! TLS at the door of a sidecar.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::{Model, beside, until_ready};
use crate::gate::client::{ask, predict_for};
use crate::gate::tls::{self, Secret, is_shown, shake, spoken_at};
use crate::support::Authority;

/// One slot, and this certificate.
fn write(file: &Path, secret: &Secret) {
    let (cert, key) = (secret.at("tls.crt"), secret.at("tls.key"));
    let text = format!(
        "containerConcurrency: 1\ntls:\n  listen: 127.0.0.1:0\n  certFile: {}\n  keyFile: {}\n",
        cert.display(),
        key.display()
    );
    std::fs::write(file, text).expect("written");
}

#[tokio::test]
async fn who_comes_by_tls_waits_in_the_same_line_is_shown_what_is_new_and_answered_before_the_end()
{
    let authority = Authority::new();
    let secret = Secret::new(&authority.sign("gate.example", 2100));
    let model = Model::start(&["--port", "0"]).await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("sidecar.yaml");
    write(&file, &secret);
    let file = file.to_str().expect("plain");
    let mut gate = beside(model.address.port(), &["-f", file]).await;
    until_ready(&gate).await;
    let at = spoken_at(&gate).await;
    let client = authority.client(None);
    let early = shake(&client, at).await.expect("a handshake");

    let mut log = gate.log();
    let next = authority.sign("gate.example", 2100);
    secret.swap(&next);
    log.next(|line| line.says("certificates were read")).await;
    let late = shake(&client, at).await.expect("a handshake");
    assert!(is_shown(&late, &next.0) && !is_shown(&early, &next.0));
    let other = authority.sign("gate.example", 2100);
    let secret = Secret::new(&other);
    write(Path::new(file), &secret);
    log.next(|line| line.says("certificates were read")).await;
    let stream = shake(&client, at).await.expect("a handshake");
    assert!(is_shown(&stream, &other.0), "files that are named anew");
    drop(stream);

    let running = tokio::spawn(ask(gate.address, predict_for("m", Duration::from_secs(2))));
    gate.until("m", |m| m["inFlight"] == 1).await;
    let waiting =
        [early, late].map(|mut stream| tokio::spawn(async move { tls::ask(&mut stream).await }));
    gate.until("m", |m| m["queue"]["depth"] == 2).await;
    gate.signal(Signal::TERM);
    let running = running.await.expect("no panic").expect("an answer");
    assert_eq!(running.outcome(), (200, ""));
    for answer in waiting {
        let answer = answer.await.expect("no panic").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_eq!(gate.ended().await.code(), Some(0));
}
