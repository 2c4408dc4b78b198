//! Model servers that speak TLS, as files have it: found ready behind the handshake, and believed as
//! files say that change while requests go on.

use std::sync::Arc;

use tempfile::TempDir;

use super::client::{ask, predict};
use super::support::*;
use crate::support::{Authority, Workers};

const NAME: &str = "replica.example";
/// Asked for behind the handshake.
const READY: &str = "path: /v1/models/m";

/// Files beside a gate and its model server.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn write(&self, name: &str, text: &str) {
        let new = self.0.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, self.0.path().join(name)).expect("put in its place");
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// What a model server shows from the next handshake on.
    fn show(&self, (certificate, key): &(String, String)) {
        self.write("tls.key", key);
        self.write("tls.crt", certificate);
    }

    /// A model server that speaks TLS alone: another gate stands before it on its port.
    fn revision(&self, settings: &str, ready: &str) -> String {
        let inner = "exec '$EXE' sample-model --port \"$PORT\" --model m".replace("$EXE", HOLDGATE);
        self.write("model", &inner);
        let (cert, key) = (self.at("tls.crt"), self.at("tls.key"));
        let command = format!(
            "exec '{HOLDGATE}' run --listen 127.0.0.1:0 --admin off --state off \
             --tls-listen 127.0.0.1:{{port}} --tls-cert-file {cert} --tls-key-file {key} \
             --min-replicas 1 -- sh {}",
            self.at("model")
        );
        let text = script("m", settings, &command);
        text.replacen(
            "process: {",
            &format!("process: {{ readiness: {{ {ready} }},"),
            1,
        )
    }
}

async fn ask_for(gate: &Gate) -> (u16, String) {
    let answer = ask(gate.address, predict("m")).await.expect("an answer");
    (answer.status.as_u16(), answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_replicas_are_believed_by_changes_under_load_and_no_request_is_lost() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new();
    files.show(&old.sign(NAME, 2100));
    files.write("ca.crt", &old.pem());
    let tls = format!(
        "minReplicas: 1, upstreamTls: {{ caFile: {}, serverName: {NAME} }}",
        files.at("ca.crt")
    );
    let settings = Settings::new(&[files.revision(&tls, READY)]);
    let gate = Arc::new(settings.run(&[]).await);
    let mut log = gate.log().reread();
    assert_eq!(ask_for(&gate).await.0, 200);

    let asked = Arc::clone(&gate);
    let mut workers = Workers::start(3, move || {
        let gate = Arc::clone(&asked);
        async move {
            let (status, text) = ask_for(&gate).await;
            assert_eq!(status, 200, "{text}");
        }
    });
    files.write("ca.crt", &(old.pem() + &new.pem()));
    log.next(|line| line.says("its settings have changed"))
        .await;
    workers.are_served().await;
    files.show(&new.sign(NAME, 2100));
    log.next(|line| line.message().contains("certificates were read"))
        .await;
    workers.are_served().await;
    files.write("ca.crt", &new.pem());
    log.next(|line| line.says("its settings have changed"))
        .await;
    workers.are_served().await;
    workers.end().await;

    // What cannot be used leaves what was there in place.
    files.write("ca.crt", "nonsense");
    let line = log.next(|line| line.says("not understood")).await;
    let complaint = line.text("complaint");
    assert!(
        complaint.contains("upstreamTls.caFile: ") && complaint.contains("it has no section"),
        "{complaint}"
    );
    assert_eq!(ask_for(&gate).await.0, 200);

    // And what does not believe it any more does not ask it.
    files.write("ca.crt", &old.pem());
    log.next(|line| line.says("its settings have changed"))
        .await;
    settings.write(&[files.revision(
        &format!("{tls}, queue: {{ timeout: 1s }}, connectTimeout: 1s"),
        READY,
    )]);
    log.next(|line| line.says("its settings have changed"))
        .await;
    let (status, text) = ask_for(&gate).await;
    assert_eq!(status, 502, "{text}");
    assert!(text.contains("invalid peer certificate"), "{text}");
}

#[tokio::test]
async fn a_model_server_that_is_not_believed_does_not_become_ready_and_it_is_told_why() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Files::new();
    files.show(&stranger.sign(NAME, 2100));
    files.write("ca.crt", &authority.pem());
    let tls = format!(
        "failedStarts: 1, upstreamTls: {{ caFile: {}, serverName: {NAME} }}",
        files.at("ca.crt")
    );
    let settings = Settings::new(&[files.revision(&tls, "timeout: 4s")]);
    let gate = settings.run(&[]).await;
    let (status, text) = ask_for(&gate).await;
    assert_eq!(status, 503, "{text}");
    assert!(
        text.contains("accepts connections, but the TLS handshake failed: invalid peer"),
        "{text}"
    );
}
